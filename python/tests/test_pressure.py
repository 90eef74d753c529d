"""Models of different block sizes on one small node: memory and disk go to where they are used."""

import random
import threading

import pytest
from harness.engine import Engine
from harness.isolated import run_isolated
from harness.model import Shape
from harness.nodes import Node
from harness.play import play
from harness.runs import play_seeds

pytestmark = pytest.mark.harness

MEBIBYTE = 2**20
# Slots of 8 KiB and of 20 KiB.
SMALL = Shape()
LARGE = Shape(layers=4, heads=4)
REASONS = ("idle", "surplus", "cold")


@pytest.fixture
def node(binaries, tmp_path):
    node = Node(
        tmp_path / "node",
        host_capacity=6 * MEBIBYTE,
        disk=tmp_path / "disk",
        disk_capacity=8 * MEBIBYTE,
    )
    yield node
    if node.process.poll() is None:
        assert node.stop() == 0, node.log.read_text()[-3000:]


def moved(counters: dict[str, int], tier: str) -> int:
    return sum(counters[f"{tier}_extents_moved_{reason}"] for reason in REASONS)


def fill(folder, node, shape, **options) -> None:
    """Stores until both tiers have had to evict."""
    for seed in range(40):
        play(folder, node.extra, 100 + seed, shape=shape, resets=False, **options)
        counters = node.counters()
        if counters["host_evictions"] > 200 and counters["disk_evictions"] > 200:
            return
    raise AssertionError(f"the tiers are never full: {counters}")


def play_twice(folder, node, shape) -> tuple[int, int]:
    """A workload until it is known, and once more: blocks asked for and found by the last."""
    for _ in range(3):
        play(folder, node.extra, 7, shape=shape, resets=False, requests=30)
    before = node.counters()
    report = play(folder, node.extra, 7, shape=shape, resets=False, requests=30)
    after = node.counters()
    assert report.loads > 0
    return tuple(after[name] - before[name] for name in ("requested_blocks", "matched_blocks"))


def test_after_a_change_of_model_on_full_tiers_hits_come_back(node, tmp_path):
    fill(tmp_path, node, SMALL)
    asked, found = play_twice(tmp_path, node, LARGE)
    counters = node.counters()
    assert found > asked / 2, f"{found} of {asked}: {counters}"
    assert counters["host_extents_moved_idle"] > 0 and counters["disk_extents_moved_idle"] > 0
    assert counters["corrupt_copies"] == 0 and counters["disk_corrupt"] == 0
    # And back again.
    asked, found = play_twice(tmp_path, node, SMALL)
    assert found > asked / 2, f"{found} of {asked}"


def test_a_new_model_gets_its_part_from_one_that_stays(node, tmp_path):
    kept = []

    def make(*arguments, **options) -> Engine:
        engine = Engine(*arguments, **options)
        kept.append(engine.close)
        engine.close = lambda: None
        return engine

    fill(tmp_path, node, SMALL, make=make)
    try:
        asked, found = play_twice(tmp_path, node, LARGE)
    finally:
        for close in kept:
            close()
    counters = node.counters()
    assert found > asked / 3, f"{found} of {asked}: {counters}"
    assert counters["host_extents_moved_surplus"] + counters["host_extents_moved_cold"] > 0
    assert counters["disk_extents_moved_surplus"] + counters["disk_extents_moved_cold"] > 0
    assert counters["corrupt_copies"] == 0 and counters["disk_corrupt"] == 0


def test_two_models_at_a_time_both_get_hits_and_right_bytes(node, tmp_path):
    totals = {}

    def run(name: str, shape: Shape) -> None:
        options = {"shape": shape, "environment": {}, "resets": False}
        totals[name] = run_isolated(
            play_seeds, tmp_path / name, node.extra, [1, 2, 3, 1, 2, 3], **options
        )

    shapes = {"small": SMALL, "large": LARGE}
    threads = [threading.Thread(target=run, args=pair) for pair in shapes.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(totals) == set(shapes), "one of them failed; its error is above"
    counters = node.counters()
    for name, total in totals.items():
        assert total["loads"] > 0, f"{name}: {total}, {counters}"
    assert counters["corrupt_copies"] == 0 and counters["disk_corrupt"] == 0
    # They come to rest: not an extent to and fro with every request.
    assert moved(counters, "host") < 300 and moved(counters, "disk") < 300


def test_models_that_come_and_go_in_any_order(node, tmp_path):
    rng = random.Random(5)
    for turn in range(6):
        shape = rng.choice((SMALL, LARGE))
        play(tmp_path, node.extra, turn % 2, shape=shape, requests=30)
    counters = node.counters()
    assert counters["corrupt_copies"] == 0 and counters["blocks_loaded"] > 0
