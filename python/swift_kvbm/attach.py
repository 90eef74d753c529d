"""From vLLM's configuration to an attached half: checks, identity, library, node, supervisor."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swift_kvbm import _native
from swift_kvbm._vllm_adapter import TRIED_VERSIONS, read_facts
from swift_kvbm.adapters import Adapters
from swift_kvbm.config import Settings, check_capacities, parse_settings
from swift_kvbm.facts import EngineFacts
from swift_kvbm.geometry import Geometry, NotCovered, describe
from swift_kvbm.handles import Engine, NativeScheduler, NativeWorker
from swift_kvbm.identity import namespace_description
from swift_kvbm.layout import read_layout
from swift_kvbm.log import LOGGER, once
from swift_kvbm.node import NodeKeeper, keeper_for
from swift_kvbm.recording import Recorder
from swift_kvbm.runtime_dir import socket_path
from swift_kvbm.scheduler import SchedulerHalf
from swift_kvbm.sequence import Identities
from swift_kvbm.supervisor import REFUSALS, Supervisor
from swift_kvbm.weights import weights_identity
from swift_kvbm.within_step import StepLoads
from swift_kvbm.worker import WorkerHalf

# How long start-up waits for the node: so long that the first request finds its cache.
START_WAIT_SECONDS = 10.0


@dataclass
class Plan:
    """What both halves of an engine need to attach; `refusal` says why they do not."""

    facts: EngineFacts
    settings: Settings
    refusal: str = ""
    geometry: Geometry | None = None
    engine: Engine | None = None
    library: _native.Library | None = None


@dataclass
class Attachment:
    """A half, its native handle, and the thread that keeps it attached."""

    half: Any
    native: Any
    supervisor: Supervisor
    recorder: Recorder | None = None

    def close(self, clean: bool) -> None:
        """Ends the thread, then the handle; leaves the handle when the thread will not end."""
        if self.recorder is not None:
            self.recorder.close()
        if self.supervisor.stop(clean):
            self.native.close(clean)


def prepare(vllm_config: Any, kv_cache_config: Any) -> Plan:
    """Reads and checks everything. Raises ValueError for a wrong configuration only."""
    extra = vllm_config.kv_transfer_config.kv_connector_extra_config
    settings = parse_settings(extra or {}, os.environ)
    try:
        facts = read_facts(vllm_config, kv_cache_config)
    except Exception as error:  # noqa: BLE001 - another vLLM than the ones tried
        LOGGER.debug("KVBM: reading the configuration failed", exc_info=True)
        plan = Plan(EngineFacts(), settings, f"this vLLM is not understood ({error})")
        return _warned(plan)
    _warn_about(facts)
    plan = Plan(facts, settings)
    try:
        plan.geometry = describe(facts)
    except NotCovered as reason:
        plan.refusal = _not_covered(reason)
        return _warned(plan)
    check_capacities(settings, plan.geometry.block_bytes)
    try:
        plan.engine = _engine(facts, settings, plan.geometry)
        plan.library = _native.Library(_native.library_path())
    except NotCovered as reason:
        plan.refusal = _not_covered(reason)
    except OSError as error:
        plan.refusal = f"library or socket cannot be used: {error}"
    except (TypeError, ValueError) as error:
        plan.refusal = f"the model's settings cannot be described: {error}"
    return _warned(plan)


def start_node(plan: Plan) -> None:
    """Starts the node, without waiting: it gets ready while the engine does."""
    keeper = _keeper(plan) if plan.engine is not None and not plan.refusal else None
    if keeper is not None:
        keeper.ensure()


def attach_scheduler(plan: Plan) -> Attachment | None:
    """The scheduler's half; waits a moment for the node. None when the engine is not covered."""
    if plan.refusal or plan.geometry is None:
        return None
    native = open_scheduler(plan)
    half = SchedulerHalf(native, plan.geometry.block_tokens, plan.geometry.windows)
    adapters = Adapters(plan.facts.lora)
    half.identities = Identities(adapters, plan.facts.media, plan.geometry.block_tokens)
    half.recorder = _recorder(plan.settings)
    half.payer = plan.settings.payer
    if may_load_synchronously(plan):
        half.within_step = StepLoads(plan.geometry.block_bytes, plan.geometry.block_tokens)

    def attached() -> None:
        half.offer_again = True

    supervisor = Supervisor("scheduler", native, _keeper(plan), attached)
    supervisor.start()
    attached_at_start = supervisor.wait_attached(START_WAIT_SECONDS)
    if not attached_at_start and supervisor.lost_code not in REFUSALS:
        LOGGER.warning("KVBM: no node after %.0f s; starting without it", START_WAIT_SECONDS)
    return Attachment(half, native, supervisor, half.recorder)


def may_load_synchronously(plan: Plan) -> bool:
    """Whether vLLM can undo a step that has computed on a failed load.

    Not where the next step has begun by then, where tokens are drafted, where several ranks would
    have to fail together, or where it is told requests instead of blocks. How its second model
    runner drops the tokens of such a step was not tried.
    """
    facts, geometry = plan.facts, plan.geometry
    assert geometry is not None
    engine = not (facts.runs_ahead or facts.speculative) and facts.worker_count == facts.runner == 1
    return (
        engine
        and plan.settings.synchronous_loads
        and facts.load_failure_policy == "recompute"
        and geometry.windows == (0,)
    )


def attach_worker(plan: Plan, tensors: Mapping[str, Any]) -> tuple[Attachment | None, str]:
    """The worker's half over registered memory, or why there is none."""
    if plan.refusal or plan.geometry is None:
        return None, plan.refusal
    try:
        memory = read_layout(plan.facts, plan.geometry, tensors)
        native = open_worker(plan)
        for group, layers in enumerate(memory):
            native.register(group, layers, plan.geometry.device_block_count)
    except (NotCovered, _native.NativeError) as reason:
        plan.refusal = _not_covered(reason)
        _warned(plan)
        return None, plan.refusal
    supervisor = Supervisor(_worker_name(plan.facts), native, _keeper(plan))
    supervisor.start()
    return Attachment(WorkerHalf(native, plan.geometry.share.writes), native, supervisor), ""


def _worker_name(facts: EngineFacts) -> str:
    return f"worker of rank {facts.rank}" if facts.worker_count > 1 else "worker"


def open_scheduler(plan: Plan) -> Any:
    """The native scheduler side; a seam for tests."""
    assert plan.library is not None and plan.engine is not None
    return NativeScheduler(plan.library, plan.engine)


def open_worker(plan: Plan) -> Any:
    """The native worker side; a seam for tests."""
    assert plan.library is not None and plan.engine is not None
    return NativeWorker(plan.library, plan.engine, plan.facts.rank, plan.settings.copy_threads)


def _keeper(plan: Plan) -> NodeKeeper | None:
    assert plan.engine is not None
    return keeper_for(plan.settings, plan.engine.socket_path)


def _engine(facts: EngineFacts, settings: Settings, geometry: Geometry) -> Engine:
    weights = weights_identity(facts, settings.weights_id)
    return Engine(
        socket_path=socket_path(settings),
        instance=facts.instance,
        namespace=namespace_description(facts, geometry, weights),
        geometry=geometry,
        worker_count=facts.worker_count,
        producer_engine=f"{facts.engine} {facts.version}",
        producer_device=facts.device,
        producer_attention=facts.attention,
    )


def _recorder(settings: Settings) -> Recorder | None:
    if settings.record_path is None:
        return None
    try:
        recorder = Recorder(settings.record_path, settings.record_limit_bytes)
    except OSError as error:
        LOGGER.warning(
            "KVBM: record = %r cannot be written (%s); nothing is recorded",
            settings.record_path,
            error.strerror,
        )
        return None
    LOGGER.info("KVBM: recording the keys of requests to %s", recorder.path)
    return recorder


def _warn_about(facts: EngineFacts) -> None:
    if facts.load_failure_policy != "recompute":
        once(
            "policy",
            logging.WARNING,
            "KVBM: kv_load_failure_policy is %r: a request whose load fails ends with an error; "
            'set it to "recompute"',
            facts.load_failure_policy,
        )
    if not facts.version.startswith(TRIED_VERSIONS):
        once(
            "version",
            logging.WARNING,
            "KVBM: vLLM %s was not tried with this version of swift-kvbm (tried: %s)",
            facts.version,
            ", ".join(TRIED_VERSIONS),
        )


def _not_covered(reason: Exception) -> str:
    return f"not covered yet: {reason}"


def _warned(plan: Plan) -> Plan:
    if plan.refusal:
        once(
            ("refusal", plan.refusal),
            logging.WARNING,
            "KVBM: %s. The engine serves without offload.",
            plan.refusal,
        )
    return plan
