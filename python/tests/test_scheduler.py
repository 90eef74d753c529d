"""The connector's halves one call at a time: what must hold when something fails."""

from array import array
from types import SimpleNamespace

import pytest

from swift_kvbm._native import NO_END
from swift_kvbm.metadata import KVBMMetadata, KVBMWorkerMetadata, Load
from swift_kvbm.scheduler import SchedulerHalf, confirmed_tokens
from swift_kvbm.worker import WorkerHalf

BLOCK = 16


class Recorder:
    """A native scheduler that has `ready` blocks of everything, and remembers."""

    def __init__(self, ready: int = 100, pending: int = 0) -> None:
        self.ready, self.pending = ready, pending
        self.calls: list[tuple] = []
        self.broken: set[str] = set()
        self.adapters: list[bytes] = []
        self.last = 0

    def _note(self, name: str, *arguments) -> None:
        if name in self.broken:
            raise RuntimeError(f"{name} is broken")
        self.calls.append((name, *arguments))

    def begin(self, salt: bytes, epoch: bytes, name: str = "", adapter: bytes = b"") -> int:
        self._note("begin", salt, epoch)
        self.adapters.append(adapter)
        self.last += 1
        return self.last

    def content(self, request, position, count, digest):
        self._note("content", request, position, count, digest)

    def append(self, request, tokens):
        self._note("append", request, list(tokens))

    def retain(self, *arguments):
        self._note("retain", *arguments)

    def expect_back(self, *arguments):
        self._note("expect_back", *arguments)

    def match(self, request, first, count):
        self._note("match", request, first, count)
        return (0, self.pending) if self.pending else (min(self.ready, count), 0)

    def load(self, request, first, blocks):
        self._note("load", request, first, list(blocks))

    def store(self, request, first, blocks):
        self._note("store", request, first, list(blocks))

    def end(self, request):
        self._note("end", request)

    def step(self, fences):
        self._note("step", list(fences))
        return b"plan"

    def named(self, name: str) -> list[tuple]:
        return [call[1:] for call in self.calls if call[0] == name]


def request(tokens: int = 100, request_id: str = "r", **changes):
    known = {
        "request_id": request_id,
        "all_token_ids": list(range(tokens)),
        "num_tokens": tokens,
        "num_computed_tokens": 0,
        "cache_salt": None,
        "skip_reading_prefix_cache": False,
        "lora_request": None,
        "mm_features": [],
        "prompt_embeds": None,
        "prompt_is_token_ids": None,
        "resumable": False,
        "kv_transfer_params": None,
    }
    return SimpleNamespace(**{**known, **changes})


def tables(given) -> tuple[list[int], ...]:
    """A table, or a tuple of one for each group."""
    return tuple(list(t) for t in (given if isinstance(given, tuple) else (given,)))


def blocks(*ids: int):
    return SimpleNamespace(get_block_ids=lambda: (list(ids),))


def step(new=(), cached=(), scheduled=None, resumed=()):
    return SimpleNamespace(
        scheduled_new_reqs=[
            SimpleNamespace(req_id=i, block_ids=tables(t), num_computed_tokens=c) for i, t, c in new
        ],
        scheduled_cached_reqs=SimpleNamespace(
            req_ids=[i for i, _, _ in cached],
            new_block_ids=[None if t is None else tables(t) for _, t, _ in cached],
            num_computed_tokens=[c for _, _, c in cached],
            resumed_req_ids=set(resumed),
        ),
        num_scheduled_tokens=scheduled or {},
    )


def test_confirmed_tokens_are_written_and_certain():
    assert confirmed_tokens(computed=32, scheduled=16, known=100) == 48
    # Asynchronous scheduling: the step runs ahead of what is known.
    assert confirmed_tokens(computed=49, scheduled=1, known=49) == 49


def test_a_match_is_in_whole_blocks_beyond_the_local_hit():
    native = Recorder()
    half = SchedulerHalf(native, BLOCK)
    assert half.matched(request(100), 32) == (64, True)
    assert native.named("match") == [(1, 2, 4)]
    # The same again: nothing is appended twice.
    assert half.matched(request(100, request_id="other"), 0)[0] == 96
    assert [len(tokens) for _, tokens in native.named("append")] == [100, 100]


def test_what_a_request_wants_kept_is_told_under_each_of_its_names():
    native = Recorder()
    half = SchedulerHalf(native, BLOCK)
    one = request(100, kv_transfer_params={"kvbm": {"priority": 90, "duration": 2}})
    half.matched(one, 0)
    half.matched(request(100, request_id="silent"), 0)
    half.reset()
    half.matched(one, 0)
    wanted = (0, NO_END, 90, 2000, False)
    assert native.named("retain") == [(1, *wanted), (3, *wanted)]


def test_a_conversation_that_will_be_back_is_told_under_every_name():
    native = Recorder()
    half = SchedulerHalf(native, BLOCK)
    params = {"kvbm": {"back_in": 1.5}}
    one = request(100, kv_transfer_params=params)
    half.matched(one, 0)
    half.matched(one, 0)
    half.matched(request(100, request_id="s"), 0)
    half.reset()
    half.matched(one, 0)
    assert native.named("expect_back") == [(1, 1500), (3, 1500)]
    # A request that is over says it no more.
    half.finished(one)
    assert len(native.named("expect_back")) == 2 and native.named("end")[-1] == (3,)


def test_nothing_is_promised_where_nothing_can_be():
    half = SchedulerHalf(Recorder(), BLOCK)
    assert half.matched(request(10), 0) == (0, False)
    assert half.matched(request(100, request_id="odd"), 33) == (0, False)
    assert half.matched(request(100, request_id="s", skip_reading_prefix_cache=True), 0)[0] == 0
    empty = SchedulerHalf(Recorder(ready=0), BLOCK)
    assert empty.matched(request(100), 0) == (0, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"mm_features": [object()]},
        {"prompt_is_token_ids": [True, False]},
        {"resumable": True},
    ],
)
def test_requests_that_tokens_do_not_name_are_not_cached(changes):
    native = Recorder()
    half = SchedulerHalf(native, BLOCK)
    item = request(100, **changes)
    assert half.matched(item, 0) == (0, False)
    # Their blocks are fenced all the same: somebody's copies may still read them.
    meta = half.build(step(new=[("r", range(7), 0)], scheduled={"r": 100}))
    assert native.named("step") == [(list(range(7)),)] and meta.plan == b"plan"
    assert native.named("store") == []
    half.finished(item)


def test_staged_blocks_are_waited_for_within_bounds(monkeypatch):
    native = Recorder(pending=3)
    half = SchedulerHalf(native, BLOCK)
    item = request(100)
    assert half.matched(item, 0) == (None, False)
    monkeypatch.setattr("swift_kvbm.scheduler.STAGING_SECONDS_MAX", 0.0)
    assert half.matched(item, 0) == (0, False)


def test_the_load_is_what_vllm_took_up():
    native = Recorder()
    half = SchedulerHalf(native, BLOCK)
    item = request(100)
    half.matched(item, 32)
    half.allocated(item, blocks(5, 6, 7, 8, 9, 10), 32)
    meta = half.build(step())
    assert native.named("load") == [(1, 2, [7, 8])]
    assert meta.loads == {1: Load("r", array("I", [7, 8]), 2)}
    # Everything from the first block on was allocated for it.
    assert native.named("step") == [([7, 8, 9, 10],)]
    half.allocated(item, blocks(5, 6, 7, 8, 9, 10), 0)
    assert half.build(step()).loads == {}


@pytest.mark.parametrize("broken", ["load", "step"])
def test_a_promise_that_cannot_be_planned_is_reported_as_failed(broken):
    native = Recorder()
    half, worker = SchedulerHalf(native, BLOCK), WorkerHalf(None)
    item = request(64)
    half.matched(item, 0)
    native.broken = {broken}
    half.allocated(item, blocks(5, 6, 7, 8), 64)
    meta = half.build(step())
    worker.start_loads(meta)
    assert worker.received() == {"r"} and worker.received() == set()
    assert worker.failed_blocks() == {5, 6, 7, 8}
    told = worker.meta()
    half.finished_loads(SimpleNamespace(kv_connector_worker_meta=told))
    native.broken = set()
    assert half.matched(item, 0) == (0, False), "never offered again"


def test_a_plan_that_cannot_be_made_waits_for_every_copy():
    native = Recorder()
    native.broken = {"step"}
    half = SchedulerHalf(native, BLOCK)
    meta = half.build(step(new=[("r", [1, 2], 0)], scheduled={"r": 20}))
    assert meta.fence_all
    calls = []
    worker = WorkerHalf(SimpleNamespace(drain=calls.append, fence=calls.append))
    worker.fence(meta)
    assert calls == [30_000]


def test_full_blocks_are_offered_once_as_steps_complete_them():
    native = Recorder(ready=0)
    half = SchedulerHalf(native, BLOCK)
    item = request(100)
    half.matched(item, 0)
    half.build(step(new=[("r", range(10, 17), 0)], scheduled={"r": 40}))
    item.num_computed_tokens = 40
    half.build(step(cached=[("r", None, 40)], scheduled={"r": 60}))
    item.num_computed_tokens = 100
    item.num_tokens, item.all_token_ids = 101, list(range(101))
    half.build(step(cached=[("r", None, 100)], scheduled={"r": 1}))
    assert native.named("store") == [(1, 0, [10, 11]), (1, 2, [12, 13, 14, 15])]
    # A new node holds none of it.
    half.offer_again = True
    half.build(step(cached=[("r", [20], 101)], scheduled={"r": 1}))
    assert native.named("store")[2:] == [(1, 0, [10, 11, 12, 13, 14, 15])]


@pytest.mark.parametrize("second_runner", [False, True])
def test_a_resumed_requests_table_is_replaced(second_runner):
    native = Recorder(ready=0)
    half = SchedulerHalf(native, BLOCK)
    item = request(64)
    half.matched(item, 0)
    half.build(step(new=[("r", [1, 2, 3, 4], 0)], scheduled={"r": 32}))
    item.num_computed_tokens = 16
    if second_runner:
        output = step(new=[("r", [1, 7, 8, 9], 16)], scheduled={"r": 48})
    else:
        output = step(cached=[("r", [1, 7, 8, 9], 16)], scheduled={"r": 48}, resumed=["r"])
    half.build(output)
    assert native.named("store") == [(1, 0, [1, 2]), (1, 2, [8, 9])]
    # The local hit, block 1, is read in this step and not written.
    assert native.named("step")[1] == ([7, 8, 9],)


def test_a_reset_parts_before_from_after():
    native = Recorder(ready=0)
    half = SchedulerHalf(native, BLOCK)
    pool = SimpleNamespace(num_gpu_blocks=10, get_num_free_blocks=lambda: 9)
    half.bind_block_pool(pool)
    item = request(64)
    half.matched(item, 0)
    half.reset()
    half.build(step(new=[("r", [1, 2, 3, 4], 0)], scheduled={"r": 64}))
    assert native.named("store") == [], "it may hold old KV"
    half.matched(item, 0)
    (_, first), (_, second) = native.named("begin")
    assert first == b"" and len(second) == 16
    half.build(step(new=[("r", [1, 2, 3, 4], 0)], scheduled={"r": 64}))
    assert native.named("store") == [(2, 0, [1, 2, 3, 4])]


def test_after_a_reset_that_vllm_could_not_finish_local_hits_are_not_stored():
    native = Recorder(ready=0)
    half = SchedulerHalf(native, BLOCK)
    half.bind_block_pool(SimpleNamespace(num_gpu_blocks=10, get_num_free_blocks=lambda: 4))
    half.reset()
    stale, fresh = request(64, request_id="stale"), request(64, request_id="fresh")
    half.matched(stale, 16)
    half.matched(fresh, 0)
    stale.num_computed_tokens = 16
    half.build(
        step(
            new=[("stale", [1, 2, 3, 4], 16), ("fresh", [5, 6, 7, 8], 0)],
            scheduled={"stale": 48, "fresh": 64},
        )
    )
    assert native.named("store") == [(2, 0, [5, 6, 7, 8])]


def test_one_request_that_cannot_be_stored_does_not_keep_the_others():
    native = Recorder(ready=0)
    half = SchedulerHalf(native, BLOCK)
    one, two = request(32, request_id="one"), request(32, request_id="two")
    for item in (one, two):
        half.matched(item, 0)
    inner = native.store

    def store(handle, first, ids):
        if handle == 1:
            raise RuntimeError("no")
        inner(handle, first, ids)

    native.store = store
    meta = half.build(
        step(new=[("one", [1, 2], 0), ("two", [3, 4], 0)], scheduled={"one": 32, "two": 32})
    )
    assert native.named("store") == [(2, 0, [3, 4])] and meta.plan == b"plan"


def test_a_reused_request_id_is_a_new_request():
    native = Recorder()
    half = SchedulerHalf(native, BLOCK)
    half.matched(request(64), 0)
    half.matched(request(64), 0)
    assert native.named("end") == [(1,)] and len(native.named("begin")) == 2


def test_stores_are_dropped_while_an_exception_is_on_its_way():
    calls = []
    native = SimpleNamespace(
        start_stores=lambda plan: calls.append("start"),
        drop_stores=lambda plan: calls.append("drop"),
    )
    worker = WorkerHalf(native)
    meta = KVBMMetadata(b"plan")
    worker.save(meta)
    try:
        raise RuntimeError("forward failed")
    except RuntimeError:
        worker.save(meta)
    assert calls == ["start", "drop"]


def test_a_rank_whose_heads_another_one_writes_says_so_instead_of_storing():
    calls = []
    native = SimpleNamespace(skip_stores=calls.append, drop_stores=calls.append)
    worker = WorkerHalf(native, writes=False)
    worker.save(KVBMMetadata(b"plan"))
    worker.save(KVBMMetadata(b""))
    assert calls == [b"plan"]


def test_a_load_is_reported_once_and_a_partial_one_says_where():
    results = [[(1, 2, 4)], [(1, 2, 4), (9, 1, 1)], []]
    native = SimpleNamespace(start_loads=lambda plan: None, poll=lambda: results.pop(0))
    worker = WorkerHalf(native)
    worker.start_loads(KVBMMetadata(b"plan", {1: Load("r", array("I", [5, 6, 7, 8]), 4)}))
    assert worker.received() == {"r"}
    assert worker.failed_blocks() == {7, 8} and worker.failed_blocks() == set()
    assert worker.meta() == KVBMWorkerMetadata({"r"}) and worker.meta() is None
    assert worker.received() == set()


def test_loads_of_a_handle_that_is_closed_have_failed():
    def poll():
        raise RuntimeError("closed")

    worker = WorkerHalf(SimpleNamespace(start_loads=lambda plan: None, poll=poll))
    worker.start_loads(KVBMMetadata(b"plan", {1: Load("r", array("I", [5, 6]), 2)}))
    assert worker.received() == {"r"} and worker.failed_blocks() == {5, 6}
    assert worker.received() == set()


def test_failures_of_two_workers_are_joined():
    one, two = KVBMWorkerMetadata({"a"}), KVBMWorkerMetadata({"b"})
    assert one.aggregate(two) == KVBMWorkerMetadata({"a", "b"})
