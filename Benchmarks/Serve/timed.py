"""Connectors whose hooks are timed, inside the engine's process.

Each class is a connector as it is, and what its hooks take is noted beside it: by scheduler step,
by request, and for every asynchronous load from its taking up until vLLM is told that it has ended.
When the connector shuts down the figures go to `$SERVE_BENCH_TIMES.ROLE.json`.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from Benchmarks.Serve.rivals import TIMES_VARIABLE
from vllm.distributed.kv_transfer.kv_connector.v1.base import KVConnectorRole
from vllm.distributed.kv_transfer.kv_connector.v1.example_connector import ExampleConnector
from vllm.distributed.kv_transfer.kv_connector.v1.offloading_connector import OffloadingConnector

from swift_kvbm.connector import KVBMConnector

# What is kept of each kind of figure.
FIGURES_MAX = 200_000
# Requests whose names begin so are no part of the measurement, nor is what was before the others.
WARM_UP = "warm-"

_REQUEST_HOOKS = (
    "get_num_new_matched_tokens",
    "update_state_after_alloc",
    "request_finished",
    "request_finished_all_groups",
)
_SCHEDULER_HOOKS = (
    "on_new_request",
    "update_connector_output",
    "get_external_cache_hit_sources",
    "get_loaded_kv_cache_group_ids",
    "has_pending_block_frees",
    "has_pending_push_work",
    "get_kv_connector_stats",
    "take_events",
)
_WORKER_HOOKS = (
    "handle_preemptions",
    "bind_connector_metadata",
    "start_load_kv",
    "wait_for_layer_load",
    "save_kv_layer",
    "wait_for_save",
    "get_transfer_results",
    "get_kv_connector_stats",
    "get_kv_connector_kv_cache_events",
    "build_connector_worker_meta",
)


class Times:
    """What one side's hooks took; nanoseconds."""

    def __init__(self) -> None:
        self.measuring = False
        self.depth = 0
        self.step = 0
        self.steps: list[int] = []
        self.open: dict[str, int] = {}
        self.requests: list[int] = []
        # By name: how often it was called, and how long all calls took together.
        self.hooks: dict[str, list[int]] = {}
        self.loading: dict[str, tuple[int, int]] = {}
        self.loads: list[tuple[int, int]] = []

    def note_request(self, request_id: str, spent: int, ends: bool) -> None:
        """Adds to a request's time; its first one that is no warm-up starts the measurement."""
        if not self.measuring and not request_id.startswith(WARM_UP):
            self.measuring, self.step = True, 0
            self.steps.clear()
            self.requests.clear()
            self.hooks.clear()
            self.loads.clear()
        total = self.open.pop(request_id, 0) + spent
        if not ends:
            self.open[request_id] = total
        elif len(self.requests) < FIGURES_MAX:
            self.requests.append(total)

    def note_hook(self, name: str, spent: int) -> None:
        """Adds a call to its hook's and to the step's time."""
        total = self.hooks.setdefault(name, [0, 0])
        total[0] += 1
        total[1] += spent
        self.step += spent

    def end_step(self) -> None:
        """The step's last hook has been called."""
        if len(self.steps) < FIGURES_MAX:
            self.steps.append(self.step)
        self.step = 0

    def write(self, role: str) -> None:
        """Puts all figures into the role's file."""
        name = os.environ.get(TIMES_VARIABLE)
        if name:
            figures = {
                "steps": self.steps,
                "requests": self.requests,
                "hooks": self.hooks,
                "loads": self.loads,
            }
            Path(f"{name}.{role}.json").write_text(json.dumps(figures))


class Timed:
    """Goes before a connector class; its instance's hooks are replaced by timed ones."""

    def __init__(
        self, vllm_config: Any, role: KVConnectorRole, kv_cache_config: Any = None
    ) -> None:
        super().__init__(vllm_config, role, kv_cache_config)
        self._times = Times()
        self._side = role.name.lower()
        groups = kv_cache_config.kv_cache_groups
        self._block_bytes = [g.kv_cache_spec.page_size_bytes * len(g.layer_names) for g in groups]
        self._block_tokens = vllm_config.cache_config.block_size
        if role == KVConnectorRole.WORKER:
            self._replace(*_WORKER_HOOKS)
            self._replace("clear_connector_metadata", step=True)
        else:
            self._replace(*_SCHEDULER_HOOKS)
            self._replace(*_REQUEST_HOOKS, request=True)
            self._replace("build_connector_meta", step=True)

    def _replace(self, *names: str, request: bool = False, step: bool = False) -> None:
        # Not every connector has every hook.
        for name in names:
            if hasattr(self, name):
                setattr(self, name, self._timed(name, request, step))

    def _timed(self, name: str, request: bool, step: bool) -> Any:
        """The hook of this name, timed; hooks that it calls are part of it."""
        hook, times, clock = getattr(self, name), self._times, time.perf_counter_ns
        ends = name.startswith("request_finished")

        def timed(*arguments: Any, **keywords: Any) -> Any:
            if times.depth:
                return hook(*arguments, **keywords)
            times.depth = 1
            started = clock()
            try:
                return hook(*arguments, **keywords)
            finally:
                spent = clock() - started
                times.depth = 0
                if request:
                    times.note_request(arguments[0].request_id, spent, ends)
                times.note_hook(name, spent)
                if step:
                    times.end_step()
                self._watch_loads(name, arguments)

        return timed

    def _watch_loads(self, name: str, arguments: tuple[Any, ...]) -> None:
        times = self._times
        if name == "update_state_after_alloc" and arguments[2] > 0:
            request, blocks, tokens = arguments
            size = self._load_bytes(request, blocks.get_block_ids(), tokens)
            times.loading[request.request_id] = (time.perf_counter_ns(), size)
        elif name == "update_connector_output":
            for request_id in arguments[0].finished_recving or ():
                started, size = times.loading.pop(request_id, (0, 0))
                if size and len(times.loads) < FIGURES_MAX:
                    times.loads.append((time.perf_counter_ns() - started, size))

    def _load_bytes(self, request: Any, tables: Any, tokens: int) -> int:
        """Bytes of the last `tokens` tokens' blocks that have a place on the device (0 is none)."""
        count = -(-tokens // self._block_tokens)
        loaded = [sum(block != 0 for block in table[-count:]) for table in tables]
        return sum(n * size for n, size in zip(loaded, self._block_bytes, strict=True))

    def shutdown(self) -> None:
        """Writes what was noted, then ends the connector."""
        self._times.write(self._side)
        super().shutdown()


class TimedKVBM(Timed, KVBMConnector):
    """swift-kvbm's."""


class TimedOffloading(Timed, OffloadingConnector):
    """vLLM's own offloading."""


class TimedExample(Timed, ExampleConnector):
    """vLLM's example, which writes files."""
