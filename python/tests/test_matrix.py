"""The contract over kinds of caches, schedulers, drafts, ranks and nodes.

The quick form plays every pair of values, the full one every combination.
"""

import random
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from conftest import full
from harness.engine import Engine
from harness.mishaps import Uneven
from harness.runs import play_seeds, seeds
from harness.shapes import MORE_SHAPES, SHAPES, covering_cases, every_case, pairs

pytestmark = pytest.mark.harness

MEBIBYTE = 2**20


def with_a_node_of_its_own(folder: Path, extra: dict[str, Any], rng: random.Random, **options: Any):
    """An engine that starts a node and, when it ends, sees it end."""
    engine = Engine(folder, extra, rng, **options)
    keeper = engine.connector._attachment.supervisor._keeper
    assert keeper.pid is not None
    close = engine.close

    def closed() -> None:
        close()
        deadline = time.monotonic() + 20
        while keeper.pid is not None:
            assert time.monotonic() < deadline, "the node stays after a clean stop"
            time.sleep(0.01)

    engine.close = closed
    return engine


def test_the_quick_form_plays_every_pair():
    assert set().union(*map(pairs, covering_cases())) == set().union(*map(pairs, every_case()))
    assert len(covering_cases()) <= 12


@pytest.mark.parametrize(
    ("shape", "asynchronous", "drafts", "ranks", "child"),
    every_case() if full() else covering_cases(),
)
def test_the_contract_holds(make_node, tmp_path, shape, asynchronous, drafts, ranks, child):
    options = {"shape": SHAPES[shape], "asynchronous": asynchronous}
    options |= {"drafts": drafts, "ranks": ranks}
    if child:
        extra = {"weights_id": "harness", "host": {"capacity": "1MiB"}}
        extra["disk"] = {"path": str(tmp_path / "disk"), "capacity": "64MiB"}
        options["make"] = with_a_node_of_its_own
    else:
        extra = make_node(host_capacity=MEBIBYTE, disk=tmp_path / "disk").extra
    total = play_seeds(tmp_path, extra, seeds(4, 30), **options)
    wanted = ["loads", "loaded_tokens", "checked_positions", "aborted"]
    for name in wanted + (["accepted", "rejected"] if drafts else []):
        assert total[name] > 0, f"{name} never happened: {total}"
    assert total["failed_blocks"] == total["failed_loads"] == 0


@pytest.mark.parametrize("name", MORE_SHAPES)
def test_other_windows_types_and_sizes(make_node, tmp_path, name):
    node = make_node(host_capacity=2 * MEBIBYTE, disk=tmp_path / "disk")
    total = play_seeds(tmp_path, node.extra, seeds(3, 60), shape=MORE_SHAPES[name])
    assert total["loads"] > 0 and node.counters()["corrupt_copies"] == 0


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("shape", ["hybrid", "sliding"])
def test_a_load_that_fails_is_computed_as_a_whole(make_node, tmp_path, shape, ranks):
    node = make_node(host_capacity=4 * MEBIBYTE)
    uneven = []

    def make(folder, extra, rng, **options):
        engine = Engine(folder, extra, rng, **options)
        for number, rank in enumerate(engine.ranks):
            uneven.append(Uneven(rank, random.Random(number), 0.3 * number, 0.2))
        return engine

    options = {"shape": SHAPES[shape], "ranks": ranks, "make": make}
    total = play_seeds(tmp_path, node.extra, seeds(4, 100), **options)
    assert total["loads"] > total["failed_loads"] > 0 and total["failed_blocks"] == 0
    assert sum(each.failed for each in uneven) >= total["failed_loads"]


@pytest.mark.parametrize("shape", ["hybrid", "sliding"])
def test_a_node_that_is_new_is_offered_what_the_windows_still_hold(make_node, tmp_path, shape):
    """Its blocks are gone as a whole, again and again, while requests run on."""
    rng, offered = random.Random(5), []

    def lose(engine: Engine) -> None:
        if rng.random() < 0.03:
            # A node under a socket of before: the same handles, and nothing in it.
            node.kill()
            node.start()
            deadline = time.monotonic() + 20
            scheduler = engine.connector._scheduler
            while not scheduler.offer_again:
                assert time.monotonic() < deadline, "no node after 20 s"
                engine.connector._attachment.native.state()
                time.sleep(0.01)
            offered.append(len(engine.live()))

    node = make_node(host_capacity=4 * MEBIBYTE)
    total = play_seeds(
        tmp_path, node.extra, seeds(2, 20), shape=SHAPES[shape], on_step=lose, resets=False
    )
    assert len(offered) >= 3 and total["loads"] > 0


def test_the_claim_leaves_what_the_last_tokens_window_needs(make_node, tmp_path):
    """A claim of the whole prompt would be seen: its last token attends to a block of nobody."""
    from harness.model import WrongBytes

    node = make_node(host_capacity=4 * MEBIBYTE)
    with (
        mock.patch("swift_kvbm.scheduler.any", lambda windows: False, create=True),
        pytest.raises(WrongBytes),
    ):
        play_seeds(tmp_path, node.extra, list(range(20)), shape=SHAPES["hybrid"])
