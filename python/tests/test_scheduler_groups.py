"""Several block tables and windows, one call at a time: what is loaded, offered and reported."""

from array import array
from types import SimpleNamespace

import pytest
from test_scheduler import BLOCK, Recorder, request, step

from swift_kvbm._native import NO_BLOCK
from swift_kvbm.metadata import KVBMMetadata, KVBMWorkerMetadata, Load
from swift_kvbm.scheduler import SchedulerHalf, blocks_let_go
from swift_kvbm.worker import WorkerHalf

NONE = NO_BLOCK
# Two blocks and a bit: the window of 3 blocks.
WINDOW = 40


def hybrid(ready: int = 100) -> tuple[Recorder, SchedulerHalf]:
    native = Recorder(ready)
    return native, SchedulerHalf(native, BLOCK, (WINDOW, 0))


def allocated(half: SchedulerHalf, item, external: int, *rows: list[int]) -> KVBMMetadata:
    half.allocated(item, SimpleNamespace(get_block_ids=lambda: rows), external)
    return half.build(step())


@pytest.mark.parametrize("tokens", [1, 16, 33, 40, 100])
@pytest.mark.parametrize("computed", [0, 1, 15, 39, 40, 55, 56, 200])
def test_a_block_is_let_go_when_no_token_to_come_attends_to_it(tokens, computed):
    window = tokens + 1
    # The next token, at `computed`, attends to itself and `window - 1` before it.
    attended = range(max(0, computed - window + 1), computed + 1)
    kept = attended.start // BLOCK
    assert blocks_let_go(window, computed, BLOCK) == kept
    assert blocks_let_go(0, computed, BLOCK) == 0


def test_the_last_token_is_left_to_compute_where_there_is_a_window():
    _, half = hybrid()
    assert half.matched(request(64), 0) == (48, True)
    assert half.matched(request(65, request_id="more"), 0) == (64, True)
    full = SchedulerHalf(Recorder(), BLOCK, (0, 0))
    assert full.matched(request(64), 0) == (64, True)


def test_a_load_has_a_row_for_each_group_and_none_before_the_window():
    native, half = hybrid()
    item = request(200)
    assert half.matched(item, 16) == (176, True)
    sliding = [0] * 9 + [21, 22, 23, 24]
    full = list(range(1, 14))
    meta = allocated(half, item, 176, sliding, full)
    rows = [NONE] * 8 + [21, 22, 23] + full[1:12]
    assert native.named("load") == [(1, 1, rows)]
    assert meta.loads == {1: Load("r", array("I", rows), 11, whole=True)}
    # What the load and the next step write, in both tables.
    fences = native.named("step")[0][0]
    assert {21, 22, 23, 24, *full[1:]} <= set(fences) and 1 not in fences


@pytest.mark.parametrize(
    "rows",
    [
        ([21, 22, 23, 24], [1, 2, 0, 4]),
        ([21, 22, 23, 24], [1, 2, 3]),
        ([21, 22, 23, 24],),
    ],
    ids=["nobody's block", "a short table", "a missing table"],
)
def test_a_load_without_a_place_for_every_block_is_none(rows):
    native, half = hybrid()
    item = request(65)
    half.matched(item, 0)
    meta = allocated(half, item, 64, *rows)
    assert native.named("load") == [] and meta.loads == {}
    worker = WorkerHalf(None)
    worker.start_loads(meta)
    assert worker.received() == {"r"} and worker.failed_whole() == {"r"}


def test_offers_leave_out_what_the_window_has_left_behind():
    native, half = hybrid(ready=0)
    item = request(200)
    half.matched(item, 0)
    sliding, full = list(range(30, 43)), list(range(1, 14))
    half.build(step(new=[("r", (sliding, full), 0)], scheduled={"r": 96}))
    # The step writes them all: none has been let go before it.
    assert native.named("store") == [(1, 0, sliding[:6] + full[:6])]
    # A new node: of the first three blocks vLLM may have given two to somebody else by now.
    half.offer_again = True
    item.num_computed_tokens = 96
    half.build(step(cached=[("r", None, 96)], scheduled={"r": 64}))
    assert blocks_let_go(WINDOW, 96, BLOCK) == 3
    assert native.named("store")[1] == (1, 0, [NONE] * 3 + sliding[3:10] + full[:10])


def test_a_table_that_begins_with_nobodys_blocks_is_offered_from_behind_them():
    native, half = hybrid(ready=0)
    item = request(200)
    half.matched(item, 160)
    item.num_computed_tokens = 160
    sliding = [0] * 7 + [37, 38, 39, 40, 41, 42]
    full = list(range(1, 14))
    half.build(step(new=[("r", (sliding, full), 160)], scheduled={"r": 40}))
    rows = [NONE] * 7 + sliding[7:12] + full[:12]
    assert native.named("store") == [(1, 0, rows)]
    assert native.named("step") == [(sliding[10:] + full[10:],)]


def test_nobodys_block_in_a_full_group_is_not_offered():
    native, half = hybrid(ready=0)
    item = request(64)
    half.matched(item, 0)
    half.build(step(new=[("r", ([1, 2, 3, 4], [5, 0, 7, 8]), 0)], scheduled={"r": 64}))
    # The library refuses such a row in a full group; what it must not see is a block of nobody.
    (_, _, row), *_ = native.named("store")
    assert row == [1, 2, 3, 4, NONE, NONE, 7, 8]


def test_new_blocks_of_every_table_are_followed():
    native, half = hybrid(ready=0)
    item = request(64)
    half.matched(item, 0)
    half.build(step(new=[("r", ([1], [2]), 0)], scheduled={"r": 16}))
    item.num_computed_tokens = 16
    half.build(step(cached=[("r", ([3], [4]), 16)], scheduled={"r": 16}))
    assert native.named("store") == [(1, 0, [1, 2]), (1, 1, [3, 4])]
    assert native.named("step")[1] == ([3, 4],)


def test_tables_that_are_too_short_are_not_offered():
    native, half = hybrid(ready=0)
    item = request(64)
    half.matched(item, 0)
    half.build(step(new=[("r", ([1, 2], [3]), 0)], scheduled={"r": 32}))
    assert native.named("store") == []


def test_a_load_of_several_groups_fails_as_a_whole_and_names_no_blocks():
    results = [[(1, 0, 2), (2, 2, 2)], []]
    native = SimpleNamespace(start_loads=lambda plan: None, poll=lambda: results.pop(0))
    worker = WorkerHalf(native)
    loads = {
        handle: Load(name, array("I", [5, 6, 7, 8]), 2, whole=True)
        for handle, name in ((1, "bad"), (2, "good"))
    }
    worker.start_loads(KVBMMetadata(b"plan", loads))
    assert worker.received() == {"bad", "good"}
    assert worker.failed_blocks() == set()
    assert worker.failed_whole() == {"bad"} and worker.failed_whole() == set()
    assert worker.meta() == KVBMWorkerMetadata({"bad"})
    assert worker.received() == set()
