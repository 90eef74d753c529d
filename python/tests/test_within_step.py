"""Loads within the step that computes the rest."""

import random
from array import array
from contextlib import nullcontext
from types import SimpleNamespace
from unittest import mock

import pytest
from harness.engine import Engine
from harness.isolated import Raised, run_isolated
from harness.mishaps import Uneven
from harness.model import WrongBytes
from harness.play import Workload, play
from harness.runs import play_seeds, seeds
from harness.shapes import SHAPES
from test_scheduler import BLOCK, Recorder, blocks, request, step

from swift_kvbm.metadata import KVBMMetadata, KVBMWorkerMetadata, Load
from swift_kvbm.scheduler import SchedulerHalf
from swift_kvbm.within_step import BYTES_ALONE_MAX, BYTES_BESIDE_MAX, StepLoads
from swift_kvbm.worker import WorkerHalf

MEBIBYTE = 2**20


class Pool:
    hash_block_size = BLOCK

    def __init__(self):
        self.evicted = set()

    def evict_blocks(self, blocks):
        self.evicted |= blocks


def loads(block_bytes=1):
    made = StepLoads(block_bytes, BLOCK)
    made.bind_block_pool(Pool())
    return made


def test_a_load_within_its_step_is_bounded_by_who_waits_for_it():
    within = StepLoads(BYTES_ALONE_MAX // 8, BLOCK)
    assert not within.may_load(asking("a"), 1), "nobody has said that it is there"
    within.entered("a")
    assert not within.may_load(asking("a"), 1), "there is no block pool that could forget"
    within.bind_block_pool(Pool())
    assert within.may_load(asking("a"), 8)
    assert not within.may_load(asking("a"), 9), "more than BYTES_ALONE_MAX"
    assert not within.may_load(asking("a"), 0)
    within.entered("b")
    most = BYTES_BESIDE_MAX // (BYTES_ALONE_MAX // 8)
    assert within.may_load(asking("a"), most)
    assert not within.may_load(asking("a"), most + 1), "more than BYTES_BESIDE_MAX"
    within.loads(asking("a"), 0, {1}, 1)
    assert within.may_load(asking("b"), most - 1)
    assert not within.may_load(asking("b"), most), "others load in this step"
    within.begins()
    assert within.may_load(asking("b"), most)
    within.left("b")
    assert within.may_load(asking("a"), 8)
    within.bind_block_pool(object())
    assert not within.may_load(asking("a"), 1), "a block pool that cannot forget single blocks"


def test_no_load_is_synchronous_unless_that_is_switched_on():
    within = StepLoads()
    within.bind_block_pool(Pool())
    within.entered("a")
    assert not within.may_load(asking("a"), 1)


def test_only_the_blocks_of_the_last_steps_loads_are_forgotten():
    within = loads()
    pool = Pool()
    within.bind_block_pool(pool)
    within.loads(asking("a"), 0, {1, 2}, 2)
    within.loads(asking("b"), 0, {3}, 1)
    within.begins()
    assert not within.failed("c")
    assert pool.evicted == set()
    assert within.failed("a")
    assert pool.evicted == {1, 2}
    within.begins()
    assert not within.failed("b")
    assert pool.evicted == {1, 2}


def test_who_shares_a_load_of_the_coming_step():
    within = loads()
    within.loads(asking("a", "pqrs"), 2, {1}, 1)
    assert within.shares(asking("b", "pqrx"), 3 * BLOCK)
    assert within.shares(asking("b", "pqr"), 2 * BLOCK), "vLLM may copy a part of that block"
    assert not within.shares(asking("b", "pqrs"), BLOCK), "it has none of the loaded blocks"
    assert not within.shares(asking("b", "pqyz"), 4 * BLOCK)
    within.begins()
    assert not within.shares(asking("b", "pqrx"), 3 * BLOCK)


def test_blocks_may_have_several_hashes():
    within = StepLoads(1, 2 * BLOCK)
    within.bind_block_pool(Pool())
    within.loads(asking("a", "pqrs"), 1, {1}, 1)
    assert within.shares(asking("b", "pqrs"), 2 * BLOCK)
    assert not within.shares(asking("b", "pqxy"), 2 * BLOCK)


def asking(request_id, hashes="pqrs"):
    return SimpleNamespace(request_id=request_id, block_hashes=list(hashes))


# MARK: In the harness

ALONE = {"live_max": 1, "asynchronous": False}


def test_requests_that_are_alone_load_within_their_step(make_node, tmp_path):
    node = make_node(host_capacity=16 * MEBIBYTE)
    total = play_seeds(tmp_path, node.extra, seeds(3, 200), **ALONE)
    assert total["synchronous_loads"] == total["loads"] > 0
    assert total["failed_blocks"] == 0


def test_among_others_they_do_as_well(make_node, tmp_path):
    node = make_node(host_capacity=16 * MEBIBYTE)
    total = play_seeds(tmp_path, node.extra, seeds(4, 60), asynchronous=False)
    assert total["synchronous_loads"] > total["loads"] / 2


def test_among_others_none_does_that_would_keep_them_waiting(make_node, tmp_path, monkeypatch):
    monkeypatch.setattr("swift_kvbm.within_step.BYTES_BESIDE_MAX", 0)
    node = make_node(host_capacity=16 * MEBIBYTE)
    total = play_seeds(tmp_path, node.extra, seeds(4, 60), asynchronous=False)
    assert total["synchronous_loads"] < total["loads"] / 2


@pytest.mark.parametrize(
    "options",
    [
        {"asynchronous": True},
        {"drafts": 3},
        {"ranks": 2},
        {"shape": SHAPES["hybrid"]},
        {"shape": SHAPES["sliding"]},
    ],
    ids=["asynchronous", "drafts", "ranks", "hybrid", "sliding"],
)
def test_where_a_step_cannot_be_undone_none_does(make_node, tmp_path, options):
    node = make_node(host_capacity=16 * MEBIBYTE)
    total = play_seeds(tmp_path, node.extra, seeds(2, 30), **{**ALONE, **options})
    assert total["loads"] > 0 == total["synchronous_loads"]


def test_none_does_when_the_user_says_so(make_node, tmp_path):
    node = make_node(host_capacity=16 * MEBIBYTE)
    extra = {**node.extra, "synchronous_loads": "never"}
    total = play_seeds(tmp_path, extra, seeds(2, 30), **ALONE)
    assert total["loads"] > 0 == total["synchronous_loads"]


def play_failing(folder, extra, which, patch=None, **options):
    """A part of the synchronous loads bring nothing of use behind some block."""
    made = []

    def make(*arguments, **settings):
        engine = Engine(*arguments, **settings)
        Uneven(engine.ranks[0], random.Random(len(made)), 0.2, 0.4)
        made.append(engine)
        return engine

    def run():
        return [play(folder, extra, seed, make=make, **options) for seed in which]

    if patch is None:
        reports = run()
    else:
        with mock.patch(*patch):
            reports = run()
    return sum(r.synchronous_loads for r in reports), sum(r.failed_blocks for r in reports)


# Now and then a second one comes while the first still computes: it must not find what was spoiled.
PAIRS = {"live_max": 2, "asynchronous": False, "max_num_batched_tokens": 48}
# Many in one step, of whom some have the same prefix.
CROWD = {"live_max": 6, "asynchronous": False}


@pytest.mark.parametrize("options", [ALONE, PAIRS, CROWD], ids=["alone", "pairs", "crowd"])
@pytest.mark.parametrize("second_runner", [False, True])
def test_a_load_that_fails_within_its_step_spoils_nothing(
    make_node, tmp_path, options, second_runner
):
    node = make_node(host_capacity=16 * MEBIBYTE)
    which = seeds(4, 60)
    loads, failed_blocks = play_failing(
        tmp_path, node.extra, which, second_runner=second_runner, **options
    )
    assert loads > 0 and failed_blocks > 0


def store_all_the_same(self, meta):
    """Stores what the step has computed, whatever it has computed on."""
    if self._native is not None and meta.plan:
        self._native.start_stores(meta.plan)


def hide_failures(self):
    """Tells vLLM of no block that is of no use."""
    return set()


def await_nothing(self):
    """Lets the forward pass begin while loads run."""


@pytest.mark.faults
@pytest.mark.parametrize(
    "patch",
    [
        ("swift_kvbm.worker.WorkerHalf.save", store_all_the_same),
        ("swift_kvbm.worker.WorkerHalf.failed_blocks", hide_failures),
        ("swift_kvbm.worker.WorkerHalf._await_synchronous", await_nothing),
    ],
    ids=["stored", "hidden", "not awaited"],
)
def test_what_keeps_a_failed_load_from_harm_is_needed(make_node, tmp_path, patch):
    node = make_node(host_capacity=16 * MEBIBYTE)
    with pytest.raises(Raised) as error:
        run_isolated(
            *(play_failing, tmp_path, node.extra, list(range(60))),
            patch=patch,
            environment={},
            **PAIRS,
        )
    assert error.value.kind == "WrongBytes"


def abort_after_failure(folder, extra, patch=None, together=False):
    """A load fails within its step, its request is aborted, and another one asks for the same.

    Afterwards, or `together` with it.
    """
    engine = Engine(folder, extra, random.Random(1))
    tokens = Workload(random.Random(2)).bases[0]

    def serve(name):
        engine.add(name, tokens, "", 1)
        while engine.live():
            engine.step()

    try:
        serve("first")
        engine.ranks[0].connector._attachment.native.drain(10_000)
        engine.scheduler.reset_prefix_cache()
        uneven = Uneven(engine.ranks[0], random.Random(3), 0, 1)
        with mock.patch(*patch) if patch else nullcontext():
            engine.add("second", tokens, "", 4)
            if together:
                engine.add("third", tokens, "", 1)
            while not uneven.failed:
                engine.step()
            engine.settle()
            engine.abort("second")
            if not together:
                engine.add("third", tokens, "", 1)
            while engine.live():
                engine.step()
        assert engine.synchronous_loads > 0
        return engine.outputs["first"] == engine.outputs["third"]
    finally:
        engine.close()


def forget_nothing(self, request_id):
    """Leaves vLLM's prefix cache as it is."""


def test_vllm_forgets_the_blocks_that_a_failed_load_spoiled(make_node, tmp_path):
    node = make_node(host_capacity=16 * MEBIBYTE)
    assert abort_after_failure(tmp_path, node.extra)
    with pytest.raises(WrongBytes):
        patch = ("swift_kvbm.within_step.StepLoads.failed", forget_nothing)
        abort_after_failure(tmp_path, node.extra, patch)


def share_all(self, request, computed):
    """Lets a request compute on what another one's load brings in the same step."""
    return False


def test_nobody_computes_on_what_another_load_of_the_same_step_brings(make_node, tmp_path):
    node = make_node(host_capacity=16 * MEBIBYTE)
    assert abort_after_failure(tmp_path, node.extra, together=True)
    with pytest.raises(WrongBytes):
        patch = ("swift_kvbm.within_step.StepLoads.shares", share_all)
        abort_after_failure(tmp_path, node.extra, patch, together=True)


# MARK: Both halves


class Native:
    """A native side whose only load ends as it is told."""

    def __init__(self, loaded):
        self.loaded, self.calls = loaded, []

    def start_loads(self, plan):
        self.calls.append("load")

    def wait(self, timeout_ms, idle=False):
        self.calls.append("wait")

    def poll(self):
        return [(1, self.loaded, 2)]

    def start_stores(self, plan):
        self.calls.append("store")

    def drop_stores(self, plan):
        self.calls.append("drop")


@pytest.mark.parametrize(("loaded", "last", "failed"), [(2, "store", set()), (1, "drop", {6})])
def test_the_worker_waits_tells_nothing_of_success_and_drops_what_is_spoiled(loaded, last, failed):
    native = Native(loaded)
    worker = WorkerHalf(native)
    load = Load("r", array("I", [5, 6]), 2, synchronous=True)
    meta = KVBMMetadata(plan=b"plan", loads={1: load})
    worker.start_loads(meta)
    assert native.calls == ["load", "wait"]
    worker.save(meta)
    assert native.calls[-1] == last
    assert worker.received() == set()
    assert worker.failed_blocks() == failed
    assert (worker.meta() is None) == (not failed)


def alone(tokens):
    half = SchedulerHalf(Recorder(), BLOCK)
    half.within_step = StepLoads(1, BLOCK)
    half.bind_block_pool(Pool())
    one = request(tokens)
    one.block_hashes = list(range(tokens // BLOCK))
    half.entered(one)
    return half, one


def test_a_whole_prompt_leaves_a_token_to_compute():
    half, one = alone(4 * BLOCK)
    assert half.matched(one, 0) == (4 * BLOCK - 1, False)
    assert half.matched(one, 3 * BLOCK) == (BLOCK - 1, False)
    half.allocated(one, blocks(1, 2, 3, 4), BLOCK - 1)
    assert half.build(step(new=[("r", [1, 2, 3, 4], 4 * BLOCK - 1)])).loads[1] == Load(
        "r", array("I", [4]), 1, synchronous=True
    )


def test_what_is_staged_for_a_request_that_is_alone_is_waited_for_a_moment():
    answers = [(0, 4), (1, 3), (4, 0)]
    half, one = alone(100)
    half._native.match = lambda handle, first, count: answers.pop(0)
    assert half.matched(one, 0) == (4 * BLOCK, False)
    # Among others it is asked once, and vLLM comes again.
    answers = [(0, 4)]
    half.entered(request(100, request_id="other"))
    assert half.matched(one, 0) == (None, False)


def test_that_moment_is_short():
    half, one = alone(100)
    half._native.pending = 4
    assert half.matched(one, 0) == (None, False)
    assert len(half._native.named("match")) > 1


def test_what_a_failed_load_spoiled_is_forgotten_even_of_an_aborted_request():
    half, one = alone(100)
    assert half.matched(one, 32) == (64, False)
    half.allocated(one, blocks(1, 2, 3, 4, 5, 6, 7), 64)
    half.build(step(new=[("r", [1, 2, 3, 4, 5, 6, 7], 96)], scheduled={"r": 4}))
    half.finished(one)
    meta = KVBMWorkerMetadata({"r"})
    half.finished_loads(SimpleNamespace(kv_connector_worker_meta=meta))
    assert half._block_pool.evicted == {3, 4, 5, 6, 7}
