"""Several ranks: each copies its heads, and what one number of ranks stored serves any other."""

import random
import time
from dataclasses import replace
from unittest import mock

import pytest
from conftest import FAULT_LIBRARY
from harness.engine import Engine
from harness.isolated import Raised, run_isolated
from harness.mishaps import Uneven, lose_attachment
from harness.model import Shape, WrongBytes
from harness.nodes import Node
from harness.play import play
from harness.runs import play_seeds, seeds

pytestmark = pytest.mark.harness

MEBIBYTE = 2**20
FOUR_HEADS = Shape(heads=4, head_size=4)
TWO_HEADS = Shape(heads=2)


@pytest.fixture
def make_node(binaries, tmp_path):
    made = []

    def make(**options) -> Node:
        made.append(Node(tmp_path / f"node{len(made)}", **options))
        return made[-1]

    yield make
    for node in made:
        if node.process.poll() is None:
            assert node.stop() == 0, node.log.read_text()[-3000:]


@pytest.mark.parametrize(
    ("ranks", "shape"),
    [(2, FOUR_HEADS), (4, FOUR_HEADS), (4, TWO_HEADS), (2, Shape(heads=1, head_size=16))],
    ids=["2 of 4 heads", "4 of 4 heads", "4 of 2 heads", "2 of 1 head"],
)
def test_ranks_copy_their_own_heads(make_node, tmp_path, ranks, shape):
    node = make_node(host_capacity=2 * MEBIBYTE, disk=tmp_path / "disk")
    total = play_seeds(tmp_path, node.extra, seeds(4, 100), ranks=ranks, shape=shape)
    for name in ("loads", "checked_positions"):
        assert total[name] > 0, f"{name} never happened: {total}"
    counters = node.counters()
    assert counters["blocks_stored"] > 0 and counters["corrupt_copies"] == 0
    # Stores under way when the first rank of a stopping engine says goodbye are given up.
    assert total["failed_blocks"] == 0
    assert counters["stores_failed"] < counters["blocks_stored"] / 10


def test_slow_copies_of_several_ranks(make_node, fault_library, tmp_path):
    node = make_node(host_capacity=4 * MEBIBYTE, disk=tmp_path / "disk")
    environment = {"KVBM_LIBRARY": str(FAULT_LIBRARY), "KVBM_TEST_COPY_DELAY_US": "400"}
    options = {"ranks": 2, "shape": FOUR_HEADS, "environment": environment}
    total = run_isolated(play_seeds, tmp_path, node.extra, seeds(6, 100), **options)
    for name in ("loads", "aborted_while_loading"):
        assert total[name] > 0, f"{name} never happened: {total}"


def test_a_load_that_one_rank_fails_or_tells_late_is_reported_once_and_recomputed(
    make_node, tmp_path
):
    node = make_node(host_capacity=4 * MEBIBYTE)
    uneven = []

    def make(folder, extra, rng, **options):
        engine = Engine(folder, extra, rng, **options)
        for number, rank in enumerate(engine.ranks):
            uneven.append(Uneven(rank, random.Random(number), 0.3 * (number + 1), 0.1))
        return engine

    options = {"ranks": 2, "shape": FOUR_HEADS, "make": make}
    total = play_seeds(tmp_path, node.extra, seeds(6, 150), **options)
    assert total["loads"] > 0 and total["failed_blocks"] > 0
    assert sum(each.failed for each in uneven) > 0 and sum(each.delayed for each in uneven) > 0


def test_an_attachment_that_ends_costs_the_cache_for_a_while_and_nothing_else(make_node, tmp_path):
    node = make_node(host_capacity=4 * MEBIBYTE)
    rng = random.Random(9)
    lost = []

    def make(folder, extra, _, **options):
        engine = Engine(folder, extra, _, **options)
        execute = engine._execute

        def interrupted(output):
            # Preferably between a load's plan and its copies.
            if rng.random() < (0.2 if output.kv_connector_metadata.loads else 0.005):
                lost.append(lose_attachment(engine, node.socket, rng))
                result = execute(output)
                # Now and then the cache is back with the next step.
                time.sleep(rng.choice((0.0, 0.4)))
                return result
            return execute(output)

        engine._execute = interrupted
        return engine

    options = {"ranks": 2, "shape": FOUR_HEADS, "make": make}
    total = play_seeds(tmp_path, node.extra, seeds(3, 60), **options)
    assert sum(lost) >= 3 and total["loads"] > 0 and total["failed_blocks"] > 0


@pytest.mark.parametrize(
    ("first", "second", "shape"),
    [(2, 1, FOUR_HEADS), (2, 4, FOUR_HEADS), (1, 2, FOUR_HEADS), (2, 4, TWO_HEADS)],
)
def test_what_was_stored_serves_another_number_of_ranks_from_disk(
    make_node, tmp_path, first, second, shape
):
    options = {"resets": False, "requests": 30, "shape": shape}
    writer = make_node(host_capacity=4 * MEBIBYTE, disk=tmp_path / "disk")
    play(tmp_path, writer.extra, 1, ranks=first, **options)
    assert writer.stop() == 0
    reader = make_node(host_capacity=4 * MEBIBYTE, disk=tmp_path / "disk")
    report = play(tmp_path, reader.extra, 1, ranks=second, **options)
    counters = reader.counters()
    assert counters["blocks_staged"] > 0 and counters["corrupt_copies"] == 0
    # Nearly all full blocks of the workload were on disk.
    assert counters["blocks_stored"] < counters["blocks_staged"]
    assert report.loads > 0 and report.failed_blocks == 0


@pytest.mark.parametrize(("first", "second"), [(2, 1), (1, 4), (4, 2)])
def test_what_was_stored_serves_another_number_of_ranks_on_the_same_node(
    make_node, tmp_path, first, second
):
    node = make_node(host_capacity=8 * MEBIBYTE)
    options = {"resets": False, "requests": 30, "shape": FOUR_HEADS}
    play(tmp_path, node.extra, 2, ranks=first, **options)
    before = node.counters()["blocks_stored"]
    report = play(tmp_path, node.extra, 2, ranks=second, **options)
    # What the first one stored is there already: little but generated tokens' blocks is new.
    assert node.counters()["blocks_stored"] - before < before / 2
    assert report.loads > 0 and report.failed_blocks == 0


# MARK: Planted


@pytest.mark.faults
def test_a_rank_that_stores_at_another_ranks_place_is_seen(make_node, fault_library, tmp_path):
    node = make_node()
    environment = {"KVBM_LIBRARY": str(FAULT_LIBRARY), "KVBM_FAULT": "rank"}
    options = {"ranks": 2, "shape": FOUR_HEADS, "environment": environment}
    with pytest.raises(Raised) as error:
        run_isolated(play_seeds, tmp_path, node.extra, list(range(20)), **options)
    assert error.value.kind == "WrongBytes"


def play_swapped(folder, node_extra):
    """Two ranks that hold each other's place, in loads as well; then one rank that reads them."""
    from swift_kvbm import geometry

    share = geometry._share

    def swapped(facts):
        other = replace(facts, rank=facts.tensor_parallel - 1 - facts.rank)
        return share(other)

    options = {"resets": False, "shape": FOUR_HEADS}
    with mock.patch("swift_kvbm.geometry._share", swapped):
        play(folder, node_extra, 3, ranks=2, **options)
    play(folder, node_extra, 3, ranks=1, **options)


@pytest.mark.faults
def test_ranks_that_hold_each_others_place_are_seen_by_another_number_of_ranks(make_node, tmp_path):
    node = make_node()
    with pytest.raises(Raised) as error:
        run_isolated(play_swapped, tmp_path, node.extra, environment={})
    assert error.value.kind == "WrongBytes"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("hook", "answer", "error"),
    [("failed_blocks", set(), WrongBytes), ("received", {"r0"}, AssertionError)],
    ids=["hides", "repeats"],
)
def test_a_rank_that_hides_or_repeats_a_report_is_seen(make_node, tmp_path, hook, answer, error):
    node = make_node()

    def make(folder, extra, rng, **options):
        engine = Engine(folder, extra, rng, **options)
        half = engine.ranks[1].connector._worker
        Uneven(engine.ranks[1], random.Random(1), 0.0, 0.5)
        honest = getattr(half, hook)

        def spoiled(*arguments):
            told = honest(*arguments)
            return (told | answer) if answer else answer

        setattr(half, hook, spoiled)
        return engine

    with pytest.raises(error):
        play_seeds(tmp_path, node.extra, list(range(20)), ranks=2, shape=FOUR_HEADS, make=make)
