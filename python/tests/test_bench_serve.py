"""The serving benchmark without an engine: what is run, what is wrong, what is told."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from Benchmarks.Serve import bars
from Benchmarks.Serve.host_worker import HostMemoryWorker
from Benchmarks.Serve.micro_report import CallTimes, Micro
from Benchmarks.Serve.plan import MODELS, Run, parts, remaining_seconds, runs
from Benchmarks.Serve.records import HookTimes, faults, load_seconds_per_mib, record
from Benchmarks.Serve.report import Report, Spread, markdown, plain
from Benchmarks.Serve.rivals import RIVALS, TIMES_VARIABLE, Sizes, device_blocks, transfer_config
from Benchmarks.Serve.timed import Timed
from vllm.distributed.kv_transfer.kv_connector.v1.base import KVConnectorRole
from vllm.v1.kv_offload.base import (
    CanonicalKVCacheRef,
    CanonicalKVCaches,
    CanonicalKVCacheTensor,
    GPULoadStoreSpec,
)
from vllm.v1.kv_offload.cpu.common import CPULoadStoreSpec

PARTS = parts(quick=False)


def played(cached: int = 100, tokens: int = 3, logprob: float = -1.0, staged: int = 0) -> dict:
    """What an engine run leaves: two passes of four requests of 100 tokens, 10 to 40 ms."""
    passes = []
    for name, scale in (("pass 0", 2.0), ("pass 1", 1.0)):
        requests = [
            {
                "id": f"c{c}t0",
                "prompt_tokens": 100,
                "cached_tokens": cached,
                "ttft": scale * 0.01 * (c + 1),
                "tokens": [tokens, 4],
                "logprobs": [{"3": logprob}],
            }
            for c in range(4)
        ]
        counters = {"blocks_staged": staged}
        passes.append({"name": name, "seconds": 0.5, "requests": requests, "counters": counters})
    return {"start_seconds": 9.0, "passes": passes, "times": {}}


REFERENCE = played()["passes"][0]


def one(part: str = "A", rival: str = "kvbm-host", repeat: int = 0, **changes):
    """A record of a run that was played so."""
    return record(PARTS[part], Run(part, rival, 1, repeat), played(**changes), REFERENCE)


# MARK: Order


def test_rivals_take_turns_and_another_one_begins_with_each_repeat():
    order = runs([PARTS["A"]], {"quarter", "offloading", "kvbm-host"}, [1, 4], 2)
    assert order[0] == Run("A", "recompute", 1, -1)
    told = [(run.rival, run.concurrency, run.repeat) for run in order[1:]]
    assert told == [
        *(("quarter", 1, 0), ("offloading", 1, 0), ("kvbm-host", 1, 0)),
        *(("quarter", 4, 0), ("offloading", 4, 0), ("kvbm-host", 4, 0)),
        *(("offloading", 1, 1), ("kvbm-host", 1, 1), ("quarter", 1, 1)),
        *(("offloading", 4, 1), ("kvbm-host", 4, 1), ("quarter", 4, 1)),
    ]


def test_every_compared_part_has_its_reference_before_anything_else():
    order = runs(list(PARTS.values()), set(RIVALS), None, 1)
    references = [run.part for run in order if run.repeat < 0]
    assert references == ["A", "B", "groups", *MODELS]
    assert [run.part for run in order[: len(references)]] == references


def test_the_reference_is_recomputes_first_repeat():
    order = runs([PARTS["A"]], {"recompute", "kvbm-host"}, None, 2)
    told = [(run.concurrency, run.repeat) for run in order if run.rival == "recompute"]
    assert told == [(1, -1), (4, 0), (1, 1), (4, 1)]


def test_only_the_workloads_that_are_compared_are_played_as_told():
    order = runs(list(PARTS.values()), {"kvbm-host"}, [2], 1)
    seen = {(run.part, run.concurrency) for run in order}
    others = {(name, 1) for name in ("groups", *MODELS)}
    assert seen == {("A", 2), ("B", 2), ("fresh", 4)} | others


def test_the_largest_workload_is_repeated_half_as_often():
    order = runs([PARTS["A"], PARTS["B"]], {"kvbm-host"}, [1], 4)
    assert sum(run.part == "A" and run.repeat >= 0 for run in order) == 4
    assert sum(run.part == "B" and run.repeat >= 0 for run in order) == 2


def test_what_is_left_is_reckoned_by_what_the_others_took():
    run_a, run_b = Run("A", "quarter", 1, 0), Run("B", "quarter", 1, 0)
    guesses = {"A": 10.0, "B": 50.0}
    assert remaining_seconds([run_a, run_b], [], guesses) == 60.0
    # Twice as long as guessed, so what was not seen yet will take that much longer too.
    assert remaining_seconds([run_a, run_b], [(run_a, 20.0)], guesses) == 120.0


# MARK: Settings


def test_a_quarter_is_never_less_than_what_runs_at_a_time():
    workload = PARTS["A"].scene.workload
    quarter, plenty = RIVALS["quarter"], RIVALS["plenty"]
    assert device_blocks(quarter, workload, "llama", 1) == workload.working_set_tokens // 4 // 32
    assert device_blocks(quarter, workload, "llama", 4) == 4 * workload.request_blocks(32)
    # Two groups share the device's blocks.
    one_group = device_blocks(quarter, workload, "llama", 1)
    assert device_blocks(quarter, workload, "gemma2", 1) == 2 * one_group
    assert device_blocks(plenty, workload, "llama", 1) * 32 > workload.working_set_tokens


def test_only_staging_fits_the_host_tier_of_the_disk_rival(tmp_path):
    sizes = Sizes.of(PARTS["B"].scene.workload, "llama-big")
    host, disk = (
        transfer_config(RIVALS[name], sizes, tmp_path, timed=True)["kv_connector_extra_config"]
        for name in ("kvbm-host", "kvbm-disk")
    )
    assert int(disk["host"]["capacity"].removesuffix("MiB")) * 2**20 < sizes.working_set / 2
    assert int(host["host"]["capacity"].removesuffix("MiB")) * 2**20 > sizes.working_set
    assert int(disk["disk"]["capacity"].removesuffix("MiB")) * 2**20 > sizes.working_set
    assert transfer_config(RIVALS["quarter"], sizes, tmp_path, timed=True) is None


# MARK: Faults


def test_a_sound_run_has_no_fault():
    assert faults(PARTS["A"], one()) == []


@pytest.mark.parametrize(
    ("rival", "changes", "words"),
    [
        ("kvbm-host", {"tokens": 5}, "pass 0: 4 of 4 outputs differ"),
        ("quarter", {"logprob": -1.01}, "first log probabilities differ by 0.0100"),
        ("offloading", {"cached": 40}, "only 40% of the prompts"),
        ("kvbm-disk", {"staged": 0}, "nothing came from disk"),
    ],
)
def test_a_run_that_shows_nothing_is_named(rival, changes, words):
    assert any(words in fault for fault in faults(PARTS["A"], one(rival=rival, **changes)))


def test_tokens_may_differ_where_equality_means_nothing():
    assert faults(PARTS["B"], one(part="B", tokens=5)) == []
    assert faults(PARTS["B"], one(part="B", logprob=-1.2)) != []


def test_vllms_own_cache_need_not_hold_much():
    assert faults(PARTS["A"], one(rival="quarter", cached=10)) == []


# MARK: Report


def test_a_spread_is_the_median_and_both_quartiles():
    assert Spread.of([4.0, 1.0, 2.0, 3.0, 5.0]) == Spread(3.0, 2.0, 4.0, 5)
    assert Spread.of([0.0015]).text(1000, 1) == "1.5"
    assert Spread.of([0.001, 0.002, 0.003]).text(1000, 1) == "2.0 (1.5-2.5)"


def test_tables_have_a_row_for_each_rival_that_ran():
    report = Report(
        [PARTS["A"]], [one(rival="offloading"), one(), one(rival="recompute", repeat=-1)]
    )
    ((heading, table),) = report.sections()
    assert heading == "A: a tiny Llama, llama, 1 at a time"
    assert [line[0] for line in table[1:]] == [
        "recompute, no cache",
        "quarter + OffloadingConnector",
        "quarter + swift-kvbm, host",
    ]
    assert table[1][1:5] == ("60.0", "80.0", "30.0", "40.0")
    assert table[1][5:] == ("800", "100%", "all, log probabilities within 0")
    assert markdown(table).splitlines()[1].startswith("| --- |")
    rule, head, _, first, *_ = plain(table).splitlines()
    assert set(rule) == {"-"} and len(head) <= len(rule)
    # Figures end where their headings do.
    assert first.index("60.0") + 4 == head.index("pass 0 TTFT p50, ms") + len("pass 0 TTFT p50, ms")


def test_loads_are_compared_by_the_median_of_their_time_a_byte():
    mib = 1 << 20
    assert load_seconds_per_mib([(0.001, mib), (0.004, 2 * mib), (1.0, mib)]) == 0.002


def verdicts(records, micro=None) -> dict[str, str]:
    report = Report(list(PARTS.values()), records)
    return {bar.what: bar.verdict for bar in bars.bars(report, micro)}


def slower(figures, factor: float):
    """The same run, every pass slower by a factor."""
    passes = tuple(replace(p, p50=p.p50 * factor, p90=p.p90 * factor) for p in figures.passes)
    return replace(figures, passes=passes)


def test_slower_than_vllms_own_is_missed_unless_the_repeats_reach_each_other():
    what = "TTFT, A, 1 at a time, pass 1, p50"
    theirs = one(rival="offloading")
    assert verdicts([theirs, one()])[what] == "ok"
    assert verdicts([theirs, slower(one(), 1.1)])[what] == "MISSED"
    spread = [slower(one(repeat=n), factor) for n, factor in enumerate((0.8, 1.1, 1.2))]
    assert verdicts([theirs, *spread])[what] == "ok, equal but for noise"


def test_disk_may_take_twice_as_long_as_host():
    what = "disk by host, A, 1 at a time, pass 1, p50"
    assert verdicts([one(), slower(one(rival="kvbm-disk"), 1.9)])[what] == "ok"
    assert verdicts([one(), slower(one(rival="kvbm-disk"), 2.1)])[what] == "MISSED"


def test_every_model_comes_back_faster_than_it_is_computed():
    what = "TTFT, qwen2, pass 1 by recompute, p50"
    computed = one(part="qwen2", rival="recompute", repeat=-1)
    assert verdicts([computed, one(part="qwen2")])[what] == "ok"
    assert verdicts([computed, slower(one(part="qwen2"), 2.1)])[what] == "MISSED"


def test_groups_are_held_against_one_group_by_the_byte():
    what = "time per byte, two groups by one"
    single = replace(one(rival="kvbm-async"), loads=[(0.001, 1 << 20)])
    double = replace(one(part="groups"), loads=[(0.0026, 2 << 20)])
    assert verdicts([single]).get(what) is None
    assert verdicts([single, double])[what] == "MISSED"
    assert verdicts([single, replace(double, loads=[(0.002, 2 << 20)])])[what] == "ok"


def test_single_calls_have_their_bars():
    fast, slow = CallTimes(10, 40.0, 90.0), CallTimes(10, 160.0, 190.0)
    micro = Micro({"step": fast}, {"back to back": slow}, {}, {"1 GiB": [0.1], "100 GiB": [0.3]})
    seen = verdicts([], micro)
    assert seen["empty round trip, p50"] == "ok"
    assert seen["match of 2,048 blocks, p50"] == "MISSED"
    assert seen["cold start, 100 GiB less 1 GiB"] == "ok"


# MARK: Timed hooks


class Fake:
    """A connector of which every hook does nothing."""

    def __init__(self, vllm_config, role, kv_cache_config=None) -> None:
        pass

    def __getattr__(self, name):
        return lambda *arguments, **keywords: None

    def shutdown(self) -> None:
        """Ends nothing."""


class TimedFake(Timed, Fake):
    """The same, timed."""


def test_hooks_are_noted_by_step_request_and_load(tmp_path, monkeypatch):
    monkeypatch.setenv(TIMES_VARIABLE, str(tmp_path / "run.times"))
    spec = SimpleNamespace(page_size_bytes=1000)
    caches = SimpleNamespace(
        kv_cache_groups=[SimpleNamespace(kv_cache_spec=spec, layer_names=["a", "b"])] * 2
    )
    config = SimpleNamespace(cache_config=SimpleNamespace(block_size=16))
    timed = TimedFake(config, KVConnectorRole.SCHEDULER, caches)
    warm, real = SimpleNamespace(request_id="warm-64-1"), SimpleNamespace(request_id="pass 0-c0t0")
    # The second group has places for its last block only.
    blocks = SimpleNamespace(get_block_ids=lambda: ([9, 1, 2, 3], [0, 0, 0, 4]))
    for request in (warm, real):
        timed.get_num_new_matched_tokens(request, 16)
        timed.update_state_after_alloc(request, blocks, 48)
        timed.build_connector_meta(None)
        timed.update_connector_output(SimpleNamespace(finished_recving={request.request_id}))
        timed.build_connector_meta(None)
        timed.request_finished(request, [])
    timed.shutdown()
    told = json.loads((tmp_path / "run.times.scheduler.json").read_text())
    # What the warm-up took is forgotten.
    assert len(told["steps"]) == 2
    assert len(told["requests"]) == 1 and told["requests"][0] > 0
    assert [size for _, size in told["loads"]] == [4 * 2000]


def test_times_of_hooks_become_microseconds():
    run = {**played(), "times": {"scheduler": {"steps": [1000, 2000, 9000], "loads": [[10**6, 5]]}}}
    figures = record(PARTS["A"], Run("A", "kvbm-host", 1, 0), run, REFERENCE)
    assert figures.hooks == {"scheduler step": HookTimes(3, 2.0, 9.0)}
    assert figures.loads == [(0.001, 5)]


# MARK: The host worker


def test_the_host_worker_brings_every_page_of_every_group_back():
    generator = torch.Generator().manual_seed(1)
    layers = [
        torch.randint(-128, 128, (8, 64), dtype=torch.int8, generator=generator) for _ in range(2)
    ]
    before = [layer.clone() for layer in layers]
    # Groups overlay the same memory, as vLLM's do: the second one has a layer where the first has.
    caches = CanonicalKVCaches(
        tensors=[CanonicalKVCacheTensor(layer, 64) for layer in layers],
        group_data_refs=[
            [CanonicalKVCacheRef(0, 64), CanonicalKVCacheRef(1, 64)],
            [CanonicalKVCacheRef(0, 64)],
        ],
    )
    worker = HostMemoryWorker(caches, row_count=6)
    stored = GPULoadStoreSpec([2, 4, 6], (2, 1), (0, 0))
    assert worker.submit_store(1, stored, CPULoadStoreSpec([5, 0, 3]))
    for layer in layers:
        layer.zero_()
    loaded = GPULoadStoreSpec([1, 3], (1, 1), (1, 0))
    assert worker.submit_load(2, CPULoadStoreSpec([0, 3]), loaded)
    assert [(done.job_id, done.success) for done in worker.get_finished()] == [(1, True), (2, True)]
    assert worker.get_finished() == []
    for index, moved in enumerate(({1: 4, 3: 6}, {1: 4})):
        wanted = np.zeros((8, 64), dtype=np.int8)
        for target, source in moved.items():
            wanted[target] = before[index][source].numpy()
        np.testing.assert_array_equal(layers[index].numpy(), wanted)


def test_the_host_worker_refuses_chunks_of_several_blocks():
    layer = torch.zeros((4, 16), dtype=torch.int8)
    caches = CanonicalKVCaches([CanonicalKVCacheTensor(layer, 16)], [[CanonicalKVCacheRef(0, 16)]])
    worker = HostMemoryWorker(caches, row_count=2)
    with pytest.raises(ValueError, match="more than one device block"):
        worker.submit_store(1, GPULoadStoreSpec([0, 1], (2,), (0,)), CPULoadStoreSpec([0]))
