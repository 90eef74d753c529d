"""What travels between the connector's halves with each step. Plain data: it is pickled."""

from array import array
from dataclasses import dataclass, field

from swift_kvbm._vllm_adapter import (
    KVConnectorHandshakeMetadata,
    KVConnectorMetadata,
    KVConnectorWorkerMetadata,
)


@dataclass(frozen=True)
class Load:
    """A load that vLLM waits for: the request, and the device blocks that it fills.

    `blocks` has a row of `count` device blocks for each cache group, in order.
    """

    request_id: str
    blocks: "array[int]"
    count: int
    # Several groups, or a window: it has failed as a whole when any part of it has, and vLLM is
    # told the request, not the blocks.
    whole: bool = False
    # The step that begins it computes on it: it is over before the forward pass.
    synchronous: bool = False


@dataclass
class KVBMMetadata(KVConnectorMetadata):
    """Scheduler to worker: one step."""

    # The native library's plan; opaque.
    plan: bytes = b""
    # The plan's loads, by the library's name of the request.
    loads: dict[int, Load] = field(default_factory=dict)
    # Loads that vLLM waits for and that no plan holds: the worker reports them as failed.
    failed: list[Load] = field(default_factory=list)
    # The plan could not be made, so its fences are not known: the worker waits for every copy.
    fence_all: bool = False
    # The step has no forward pass: nothing but loads can be waited for.
    idle: bool = False
    # The number that the worker gives back when the step is over; 0 when it is not timed.
    step: int = 0


@dataclass
class KVBMWorkerMetadata(KVConnectorWorkerMetadata):
    """Worker to scheduler: the requests whose load failed in this step, and which step it was."""

    failed: set[str] = field(default_factory=set)
    step: int = 0

    def aggregate(self, other: "KVConnectorWorkerMetadata") -> "KVConnectorWorkerMetadata":
        """Both workers' failures, of the one step."""
        assert isinstance(other, KVBMWorkerMetadata)
        return KVBMWorkerMetadata(self.failed | other.failed, max(self.step, other.step))


@dataclass
class KVBMHandshake(KVConnectorHandshakeMetadata):
    """Worker to scheduler, once, after registration: why it cannot copy; empty if it can."""

    refusal: str = ""
