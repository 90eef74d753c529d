"""`KVBMConnector`: vLLM's KV connector interface over the two halves."""

from collections.abc import Iterable
from typing import Any

from swift_kvbm._vllm_adapter import (
    CacheHitSource,
    KVConnectorBase_V1,
    KVConnectorHandshakeMetadata,
    KVConnectorMetadata,
    KVConnectorPromMetrics,
    KVConnectorRole,
    KVConnectorStats,
    KVConnectorTransferResults,
    KVConnectorWorkerMetadata,
    SupportsHMA,
)
from swift_kvbm.attach import Attachment, attach_scheduler, attach_worker, prepare, start_node
from swift_kvbm.guard import guarded
from swift_kvbm.log import LOGGER
from swift_kvbm.metadata import KVBMHandshake, KVBMMetadata
from swift_kvbm.metrics import KVBMPromMetrics, KVBMStats, reason_name
from swift_kvbm.scheduler import SchedulerHalf
from swift_kvbm.worker import WorkerHalf

# vLLM's name for layer, block, head, token, K|V: a rank's heads are contiguous in it.
REQUIRED_LAYOUT = "LBHNC"


class KVBMConnector(KVConnectorBase_V1, SupportsHMA):
    """One half of the connector, as `role` says. Inert (no cache, no harm) when not covered.

    Raises ValueError from the constructor for a wrong configuration, and nothing from any hook.
    """

    _cache_hit_source = CacheHitSource.HOST

    def __init__(
        self, vllm_config: Any, role: KVConnectorRole, kv_cache_config: Any = None
    ) -> None:
        super().__init__(vllm_config, role, kv_cache_config)
        self._scheduler: SchedulerHalf | None = None
        self._worker: WorkerHalf | None = None
        self._attachment: Attachment | None = None
        self._plan = prepare(vllm_config, kv_cache_config)
        self._refusal = self._plan.refusal
        if role == KVConnectorRole.SCHEDULER:
            self._attachment = attach_scheduler(self._plan)
            if self._attachment is not None:
                self._scheduler = self._attachment.half
        else:
            # Without memory or library it still reports what the scheduler half hands over.
            self._worker = WorkerHalf(None)
            start_node(self._plan)

    # MARK: Class

    @classmethod
    def get_required_kvcache_layout(cls, vllm_config: Any) -> str | None:
        """A wish: what vLLM really uses is read from the tensors."""
        return REQUIRED_LAYOUT

    @property
    def requires_kv_delivery(self) -> bool:
        """A cache: a store that is dropped is a miss."""
        return False

    # MARK: Scheduler

    @guarded(None)
    def bind_gpu_block_pool(self, gpu_block_pool: Any) -> None:
        """vLLM's device blocks."""
        if self._scheduler is not None:
            self._scheduler.bind_block_pool(gpu_block_pool)

    @guarded(None)
    def on_new_request(self, request: Any) -> None:
        """Who else is there decides how a request may load."""
        if self._scheduler is not None:
            self._scheduler.entered(request)

    @guarded((0, False))
    def get_num_new_matched_tokens(
        self, request: Any, num_computed_tokens: int
    ) -> tuple[int | None, bool]:
        """Tokens beyond `num_computed_tokens` that are ready, and whether vLLM waits for them."""
        if self._scheduler is None:
            return 0, False
        return self._scheduler.matched(request, num_computed_tokens)

    @guarded(None)
    def update_state_after_alloc(self, request: Any, blocks: Any, num_external_tokens: int) -> None:
        """Takes up a promise."""
        if self._scheduler is not None:
            self._scheduler.allocated(request, blocks, num_external_tokens)

    @guarded(lambda self, output: KVBMMetadata(fence_all=True))
    def build_connector_meta(self, scheduler_output: Any) -> KVConnectorMetadata:
        """The step's plan."""
        if self._scheduler is None:
            return KVBMMetadata()
        return self._scheduler.build(scheduler_output)

    @guarded(None)
    def update_connector_output(self, connector_output: Any) -> None:
        """What the worker reported."""
        if self._scheduler is not None:
            self._scheduler.finished_loads(connector_output)

    @guarded((False, None))
    def request_finished(
        self, request: Any, block_ids: list[int]
    ) -> tuple[bool, dict[str, Any] | None]:
        """Blocks may be freed at once: fences protect what is still copied."""
        if self._scheduler is not None:
            self._scheduler.finished(request)
        return False, None

    @guarded((False, None))
    def request_finished_all_groups(
        self, request: Any, block_ids: tuple[list[int], ...]
    ) -> tuple[bool, dict[str, Any] | None]:
        """The same, for models with several groups."""
        return self.request_finished(request, [])

    @guarded(True)
    def reset_cache(self) -> bool | None:
        """The engine's KV may mean something else from now on: a new epoch."""
        if self._scheduler is not None:
            self._scheduler.reset()
        return True

    @guarded(None)
    def set_xfer_handshake_metadata_pp_aware(self, metadata: dict[Any, Any]) -> None:
        """A worker that cannot copy turns the scheduler's half off."""
        for handshake in metadata.values():
            refusal = getattr(handshake, "refusal", "")
            if refusal and self._scheduler is not None:
                self._scheduler = None
                self._close(clean=True)

    @guarded(None)
    def get_kv_connector_stats(self) -> KVConnectorStats | None:
        """What has happened since the last call; the workers have nothing of their own to tell."""
        if self._scheduler is None or self._attachment is None:
            return None
        code = self._attachment.supervisor.lost_code
        return self._scheduler.tally.take("" if code is None else reason_name(code))

    @classmethod
    def build_kv_connector_stats(
        cls, data: dict[str, Any] | None = None
    ) -> KVConnectorStats | None:
        """The same on vLLM's other side."""
        return KVBMStats(data=data or {})

    @classmethod
    def build_prom_metrics(cls, *arguments: Any) -> KVConnectorPromMetrics | None:
        """The series in vLLM's registry; without them rather than without an engine."""
        try:
            return KVBMPromMetrics(*arguments)
        except Exception as error:  # noqa: BLE001 - the boundary to the engine
            LOGGER.warning("KVBM: no metrics: %s", error)
            return None

    # MARK: Worker

    @guarded(None)
    def register_kv_caches(self, kv_caches: dict[str, Any]) -> None:
        """The device memory; from here on the worker can copy."""
        if self._worker is None or self._refusal:
            return
        attachment, self._refusal = attach_worker(self._plan, kv_caches)
        if attachment is not None:
            self._attachment = attachment
            self._worker = attachment.half

    @guarded(None)
    def get_handshake_metadata(self) -> KVConnectorHandshakeMetadata | None:
        """Whether this worker can copy."""
        return KVBMHandshake(self._refusal) if self._refusal else None

    @guarded(None)
    def handle_preemptions(self, kv_connector_metadata: KVConnectorMetadata) -> None:
        """Called before every step touches device memory."""
        if self._worker is not None and isinstance(kv_connector_metadata, KVBMMetadata):
            self._worker.fence(kv_connector_metadata)

    def bind_connector_metadata(self, connector_metadata: KVConnectorMetadata) -> None:
        """The step begins; its blocks are prepared, so that its loads can start."""
        super().bind_connector_metadata(connector_metadata)
        self._start_loads(connector_metadata)

    @guarded(None)
    def _start_loads(self, metadata: KVConnectorMetadata) -> None:
        if self._worker is not None and isinstance(metadata, KVBMMetadata):
            self._worker.start_loads(metadata)

    def start_load_kv(self, forward_context: Any, **kwargs: Any) -> None:
        """Nothing: loads are asynchronous and began with the step."""

    def wait_for_layer_load(self, layer_name: str) -> None:
        """Nothing: no step waits for a load."""

    def save_kv_layer(
        self, layer_name: str, kv_layer: Any, attn_metadata: Any, **kwargs: Any
    ) -> None:
        """Nothing: stores begin after the forward pass."""

    @guarded(None)
    def wait_for_save(self) -> None:
        """Starts the step's stores; they run beside the next steps."""
        metadata = self._connector_metadata
        if self._worker is not None and isinstance(metadata, KVBMMetadata):
            self._worker.save(metadata)

    @guarded((None, None))
    def get_finished(self, finished_req_ids: set[str]) -> tuple[set[str] | None, set[str] | None]:
        """Loads that ended, well or not."""
        if self._worker is None:
            return None, None
        metadata = self._connector_metadata
        idle = isinstance(metadata, KVBMMetadata) and metadata.idle
        return None, self._worker.received(idle) or None

    def get_transfer_results(self, finished_req_ids: set[str]) -> KVConnectorTransferResults:
        """The same, with those of which nothing is of use where blocks cannot be named."""
        results = super().get_transfer_results(finished_req_ids)
        if self._worker is not None:
            results.failed_recving.update(self._worker.failed_whole())
        return results

    @guarded(lambda self: set())
    def get_block_ids_with_load_errors(self) -> set[int]:
        """Device blocks of the loads reported in this step that hold nothing of use."""
        return self._worker.failed_blocks() if self._worker is not None else set()

    @guarded(None)
    def build_connector_worker_meta(self) -> KVConnectorWorkerMetadata | None:
        """Which requests' loads failed, and which step is over."""
        if self._worker is None:
            return None
        metadata = self._connector_metadata
        return self._worker.meta(metadata.step if isinstance(metadata, KVBMMetadata) else 0)

    # MARK: End

    @guarded(None)
    def shutdown(self) -> None:
        """Stops on purpose: waits for running copies, within bounds, and says goodbye."""
        self._scheduler = None
        self._close(clean=True)

    def _close(self, clean: bool) -> None:
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            attachment.close(clean)

    def take_events(self) -> Iterable[Any]:
        """None: vLLM's own events describe its device blocks."""
        return ()

    def stats(self) -> str:
        """The node's counters as JSON, "{}" without a node. Not a vLLM hook."""
        try:
            return self._attachment.native.stats() if self._attachment is not None else "{}"
        except Exception as error:  # noqa: BLE001 - the boundary to the engine
            LOGGER.debug("KVBM: no counters: %s", error)
            return "{}"
