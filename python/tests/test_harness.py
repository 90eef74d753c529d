"""The contract, with everything real but the model: scheduler, connector, library and node."""

import os
import signal
import time

import pytest
from conftest import FAULT_LIBRARY
from harness.engine import Engine
from harness.isolated import run_isolated
from harness.play import Workload, play
from harness.runs import play_seeds, seeds

pytestmark = pytest.mark.harness

MEBIBYTE = 2**20


def test_host_memory_with_room(make_node, tmp_path):
    node = make_node(host_capacity=16 * MEBIBYTE)
    total = play_seeds(tmp_path, node.extra, seeds(20, 400))
    for name in ("loads", "preemptions", "aborted", "resets", "checked_positions"):
        assert total[name] > 0, f"{name} never happened: {total}"


def test_host_memory_smaller_than_the_working_set(make_node, tmp_path):
    node = make_node(host_capacity=MEBIBYTE)
    total = play_seeds(tmp_path, node.extra, seeds(12, 200))
    assert total["loads"] > 0


def test_blocks_come_back_from_disk_through_small_host_memory(make_node, tmp_path):
    node = make_node(host_capacity=MEBIBYTE, disk=tmp_path / "disk")
    total = play_seeds(tmp_path, node.extra, seeds(20, 400))
    assert total["loads"] > 0
    assert total["deferred"] > 0, f"nothing was ever staged: {total}"


def test_slow_copies(make_node, fault_library, tmp_path):
    node = make_node(host_capacity=4 * MEBIBYTE, disk=tmp_path / "disk")
    environment = {"KVBM_LIBRARY": str(FAULT_LIBRARY), "KVBM_TEST_COPY_DELAY_US": "400"}
    total = run_isolated(play_seeds, tmp_path, node.extra, seeds(10, 150), environment=environment)
    for name in ("loads", "aborted_while_loading"):
        assert total[name] > 0, f"{name} never happened: {total}"


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("second_runner", [False, True])
def test_every_scheduler_and_runner(make_node, tmp_path, asynchronous, second_runner):
    node = make_node(host_capacity=4 * MEBIBYTE)
    total = play_seeds(
        tmp_path,
        node.extra,
        seeds(3, 60),
        asynchronous=asynchronous,
        second_runner=second_runner,
    )
    assert total["loads"] > 0


def test_the_outputs_do_not_depend_on_the_cache(make_node, tmp_path):
    node = make_node(host_capacity=4 * MEBIBYTE)
    bare = {**node.extra, "node": "unix:/nonexistent/node.sock"}
    for seed in seeds(3, 40):
        options = {"asynchronous": False, "resets": False}
        with_cache = play(tmp_path, node.extra, seed, **options)
        without = _without_waiting(tmp_path, bare, seed, options)
        assert without.loads == 0 and with_cache.loads > 0
        # Aborts fall on different steps: the shorter output is the beginning of the longer one.
        for name, tokens in with_cache.outputs.items():
            other = without.outputs.get(name, [])
            shorter = min(len(tokens), len(other))
            assert tokens[:shorter] == other[:shorter]


def _without_waiting(tmp_path, extra, seed, options):
    from unittest import mock

    with mock.patch("swift_kvbm.attach.START_WAIT_SECONDS", 0.0):
        return play(tmp_path, extra, seed, **options)


def test_the_connector_starts_its_own_node_and_takes_it_along(binaries, tmp_path):
    import random

    extra = {"host": {"capacity": "4MiB"}, "weights_id": "harness"}
    extra["disk"] = {"path": str(tmp_path / "disk"), "capacity": "64MiB"}
    loads = []
    for _ in range(2):
        engine = Engine(tmp_path, extra, random.Random(1))
        keeper = engine.connector._attachment.supervisor._keeper
        assert keeper.pid is not None
        workload = Workload(random.Random(5))
        for index in range(20):
            tokens, salt, _ = workload.prompt()
            engine.add(f"r{index}", tokens, salt, 4)
            while engine.step():
                time.sleep(0.0002)
        engine.settle()
        loads.append(engine.loaded_tokens)
        # Others who do without this node must not take it away from an engine that is here.
        os.kill(keeper.pid, signal.SIGUSR1)
        time.sleep(0.2)
        assert keeper.pid is not None and engine.connector._attachment.native.state().attached
        engine.close()
        deadline = time.monotonic() + 15
        while keeper.pid is not None:
            assert time.monotonic() < deadline, "the node stays after a clean stop"
            time.sleep(0.02)
    # The second node had nothing but the disk: prompts that the first run computed came from it.
    assert loads[1] > loads[0]
