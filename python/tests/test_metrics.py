"""Counts on their way from the scheduler's half into vLLM's registry and log line."""

from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from test_scheduler import Recorder, blocks, request

from swift_kvbm import _native, metrics
from swift_kvbm.connector import KVBMConnector
from swift_kvbm.metadata import KVBMWorkerMetadata
from swift_kvbm.metrics import COUNTERS, KVBMStats, Tally, reason_name
from swift_kvbm.scheduler import SchedulerHalf

TYPES = {Counter: Counter, Gauge: Gauge, Histogram: Histogram}
LABELS = ["model_name", "engine"]


@pytest.fixture(autouse=True)
def empty_registry():
    yield
    for series in metrics._registered.values():
        REGISTRY.unregister(series)
    metrics._registered.clear()


def build(engines=(0, 1)):
    config = SimpleNamespace(kv_transfer_config=None)
    values = {engine: ["m", str(engine)] for engine in engines}
    return KVBMConnector.build_prom_metrics(config, TYPES, LABELS, values)


def sample(name: str, engine: int = 0, **more: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"model_name": "m", "engine": str(engine), **more})


def test_nothing_new_is_nothing_to_tell():
    tally = Tally()
    assert tally.take("") is None
    tally.add("kvbm_loads")
    assert tally.take("").data == {"kvbm_loads": 1, "kvbm_degraded": ""}
    assert tally.take("") is None
    assert tally.take("no_node").data == {"kvbm_degraded": "no_node"}
    assert tally.take("no_node") is None


def test_intervals_add_up_and_the_last_reason_holds():
    first = KVBMStats(data={"kvbm_loads": 1, "kvbm_degraded": "no_node"})
    both = first.aggregate(KVBMStats(data={"kvbm_loads": 2, "kvbm_degraded": ""}))
    assert both.reduce() == {"kvbm_loads": 3}
    assert not both.is_empty()
    both.reset()
    assert both.is_empty()


def test_the_registry_shows_them_for_each_engine():
    shown = build()
    assert sample("kvbm_loads_total") == 0
    shown.observe({"kvbm_loads": 2, "kvbm_degraded": "no_node"}, 1)
    assert sample("kvbm_loads_total", 1) == 2 and sample("kvbm_loads_total", 0) == 0
    assert sample("kvbm_degraded", 1, reason="no_node") == 1
    shown.observe({"kvbm_degraded": "silent"}, 1)
    assert sample("kvbm_degraded", 1, reason="no_node") == 0
    assert sample("kvbm_degraded", 1, reason="silent") == 1
    shown.observe({"kvbm_degraded": ""}, 1)
    assert sample("kvbm_degraded", 1, reason="silent") == 0
    # What vLLM hands over is not ours to trust.
    shown.observe({"kvbm_loads": "many"}, 7)


def test_a_second_engine_in_the_process_gets_the_same_series():
    assert build() is not None and build() is not None
    clash = Counter("kvbm_clash", "x")
    REGISTRY.unregister(clash)


def test_an_engine_starts_without_metrics_rather_than_not():
    config = SimpleNamespace(kv_transfer_config=None)
    assert KVBMConnector.build_prom_metrics(config, {}, LABELS, {}) is None


def test_the_scheduler_counts_what_is_admitted_once():
    native = Recorder()
    native.ready = 2
    half = SchedulerHalf(native, 16)
    asked = request(100)
    assert half.matched(asked, 0) == (32, True)
    assert half.matched(asked, 0) == (32, True)
    half.allocated(asked, blocks(1, 2, 3), 32)
    half.allocated(asked, blocks(1, 2, 3), 0)
    half.finished_loads(SimpleNamespace(kv_connector_worker_meta=KVBMWorkerMetadata({"r"})))
    counts = half.tally.take("").data
    assert set(counts) - {"kvbm_degraded"} <= set(COUNTERS)
    assert counts["kvbm_requested_tokens"] == 96
    assert counts["kvbm_matched_tokens"] == 32
    assert (counts["kvbm_loads"], counts["kvbm_failed_loads"]) == (1, 1)
    native.pending = 3
    assert half.matched(request(100, "s"), 0) == (None, False)
    assert half.tally.take("").data["kvbm_deferrals"] == 1


def test_codes_have_names():
    assert reason_name(_native.UNAVAILABLE) == "no_node"
    assert reason_name(-8) == "system"
