"""What vLLM shows of the cache, in its own metrics and its own log line.

The scheduler's half counts; each step's counts travel to vLLM's front end as plain data. The names
are those of KVBM where the meaning is the same (`kvbm_matched_tokens`). The node has figures of its
own: `kvbm status`.
"""

from typing import Any

from swift_kvbm import _native
from swift_kvbm._vllm_adapter import (
    CounterMetric,
    GaugeMetric,
    KVConnectorPromMetrics,
    KVConnectorStats,
)
from swift_kvbm.guard import guarded

# By name: what each counts. Prometheus shows them with `_total` at the end.
COUNTERS = {
    "kvbm_requested_tokens": "Tokens that admitted requests asked for, beyond vLLM's own cache.",
    "kvbm_matched_tokens": "Tokens that were promised to admitted requests, to be loaded.",
    "kvbm_deferrals": "Answers that a request should ask again, while its blocks are staged.",
    "kvbm_loads": "Loads that vLLM was promised.",
    "kvbm_failed_loads": "Loads that failed; what they should have brought is computed.",
    "kvbm_ignored_params": "Requests whose kv_transfer_params could not be read.",
    "kvbm_offered_blocks": "Full blocks that were offered to the node.",
}
DEGRADED = "kvbm_degraded"
_REASONS = {
    _native.OK: "starting",
    _native.UNAVAILABLE: "no_node",
    _native.TIMEOUT: "silent",
    _native.PROTOCOL: "protocol",
    _native.REFUSED: "refused",
}


# Series that this process has registered: a second engine in it gets the same ones.
_registered: dict[tuple[Any, str, tuple[str, ...]], Any] = {}


def _series(kind: Any, name: str, text: str, labels: list[str], **options: Any) -> Any:
    key = (kind, name, tuple(labels))
    if key not in _registered:
        _registered[key] = kind(name=name, documentation=text, labelnames=labels, **options)
    return _registered[key]


def reason_name(code: int) -> str:
    """A result code as the label of `kvbm_degraded`."""
    return _REASONS.get(code, "system")


class Tally:
    """Counts since the last `take`; one thread."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._reason = ""

    def add(self, name: str, count: int = 1) -> None:
        """Counts; `name` is one of `COUNTERS`."""
        self._counts[name] = self._counts.get(name, 0) + count

    def take(self, reason: str) -> "KVBMStats | None":
        """What is new, or None; `reason` says why there is no node, "" if there is one."""
        if not self._counts and reason == self._reason:
            return None
        counts, self._counts = self._counts, {}
        self._reason = reason
        return KVBMStats(data={**counts, DEGRADED: reason})


class KVBMStats(KVConnectorStats):
    """Counts of an interval, and the reason that held at its end."""

    def reset(self) -> None:
        """Nothing has happened."""
        self.data = {}

    def aggregate(self, other: KVConnectorStats) -> KVConnectorStats:
        """Adds a later interval."""
        for name, value in other.data.items():
            self.data[name] = value if name == DEGRADED else self.data.get(name, 0) + value
        return self

    def reduce(self) -> dict[str, int | float]:
        """For the log line."""
        shown = {name: value for name, value in self.data.items() if name != DEGRADED}
        if self.data.get(DEGRADED):
            shown[DEGRADED] = self.data[DEGRADED]
        return shown

    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.data


class KVBMPromMetrics(KVConnectorPromMetrics):
    """The counters and the gauge in vLLM's own registry, one series an engine."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        vllm_config, metric_types, labels, self._engines = arguments
        del vllm_config
        make_counter, make_gauge = metric_types[CounterMetric], metric_types[GaugeMetric]
        self._counters = {
            name: _series(make_counter, name, text, labels) for name, text in COUNTERS.items()
        }
        self._degraded = _series(
            make_gauge,
            DEGRADED,
            "1 for the reason why the engine serves without cache.",
            [*labels, "reason"],
            multiprocess_mode="mostrecent",
        )
        self._reasons: dict[int, str] = {}
        for values in self._engines.values():
            for counter in self._counters.values():
                counter.labels(*values)

    @guarded(None)
    def observe(self, transfer_stats_data: dict[str, Any], engine_idx: int = 0) -> None:
        """Adds an interval."""
        values = self._engines[engine_idx]
        for name, counter in self._counters.items():
            if transfer_stats_data.get(name):
                counter.labels(*values).inc(transfer_stats_data[name])
        self._show(transfer_stats_data.get(DEGRADED, ""), engine_idx, values)

    def _show(self, reason: str, engine_idx: int, values: list[object]) -> None:
        before = self._reasons.get(engine_idx, "")
        if before and before != reason:
            self._degraded.labels(*values, before).set(0)
        if reason:
            self._degraded.labels(*values, reason).set(1)
        self._reasons[engine_idx] = reason
