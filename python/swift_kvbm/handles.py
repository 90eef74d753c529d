"""The two sides of the native library as objects. Arrays cross as they are; no loop over blocks."""

import ctypes
import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from swift_kvbm import _native
from swift_kvbm.geometry import GROUP_KINDS, Geometry
from swift_kvbm.layout import LayerMemory

PLAN_BYTES_DEFAULT = 64 * 1024
_POLL_COUNT = 64
_SPACE_TRIES = 4


@dataclass(frozen=True)
class Engine:
    """Who attaches and with what; but for the share equal on the scheduler side and all workers."""

    socket_path: str
    instance: str
    namespace: bytes
    geometry: Geometry
    worker_count: int
    producer_engine: str
    producer_device: str
    producer_attention: str
    call_timeout_ms: int = 0

    def to_c(self) -> _native.CEngineConfig:
        """The C structure; the library copies it."""
        config = _native.CEngineConfig()
        config.socket_path = self.socket_path.encode()
        digest = hashlib.sha256(self.instance.encode()).digest()
        config.engine_uid[:] = digest[:16]
        config.namespace_description = self.namespace
        config.namespace_description_length = len(self.namespace)
        config.group_count = len(self.geometry.groups)
        for index, group in enumerate(self.geometry.groups):
            config.groups[index] = _native.CGroup(
                GROUP_KINDS[group.kind],
                group.head_count,
                len(group.layers),
                group.block_tokens,
                group.token_bytes,
                group.element_bytes,
                group.window_tokens,
            )
        config.worker_count = self.worker_count
        config.producer_engine = self.producer_engine.encode()
        config.producer_device = self.producer_device.encode()
        config.producer_attention = self.producer_attention.encode()
        config.call_timeout_ms = self.call_timeout_ms
        return config


@dataclass(frozen=True)
class State:
    """An attachment at one moment."""

    attached: bool
    reason: int
    node_instance: int
    attach_count: int
    degraded_calls: int


class _Handle:
    """A native handle; every call after `close` raises NativeError."""

    kind = ""

    def __init__(self, library: _native.Library, pointer: ctypes.c_void_p) -> None:
        self._library = library
        self._pointer: ctypes.c_void_p | None = pointer

    def _open_pointer(self) -> ctypes.c_void_p:
        if self._pointer is None:
            raise _native.NativeError(f"kvbm_{self.kind}", _native.UNAVAILABLE, "closed")
        return self._pointer

    def _call(self, name: str, *arguments: object) -> int:
        function = getattr(self._library, name)
        return self._library.check(name, function(self._open_pointer(), *arguments))

    def _call_quick(self, name: str, *arguments: object) -> int:
        """A call of the engine's thread; keeps the interpreter's lock, but for long waits."""
        function = getattr(self._library.quick, name)
        return self._library.check(name, function(self._open_pointer(), *arguments))

    def attach(self, timeout_ms: int) -> tuple[int, str]:
        """Tries to attach; the code and, when it is negative, its text. For a thread of its own."""
        function = getattr(self._library, f"kvbm_{self.kind}_attach")
        code = function(self._open_pointer(), timeout_ms)
        return code, self._library.last_error() if code < 0 else ""

    def state(self) -> State:
        """May be called beside any other call."""
        state = _native.CState()
        self._call(f"kvbm_{self.kind}_state", _native.reference(state))
        return State(
            bool(state.attached),
            state.reason,
            state.node_instance,
            state.attach_count,
            state.degraded_calls,
        )

    def close(self, clean: bool) -> None:
        """Ends the handle, once."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            getattr(self._library, f"kvbm_{self.kind}_close")(pointer, int(clean))


class NativeScheduler(_Handle):
    """`kvbm_scheduler`. One call at a time; a negative code raises NativeError."""

    kind = "scheduler"

    def __init__(self, library: _native.Library, engine: Engine) -> None:
        pointer = ctypes.c_void_p()
        config = engine.to_c()
        code = library.kvbm_scheduler_open(_native.reference(config), _native.reference(pointer))
        library.check("kvbm_scheduler_open", code)
        super().__init__(library, pointer)
        self._plan = (ctypes.c_uint8 * PLAN_BYTES_DEFAULT)()
        self._group_count = len(engine.geometry.groups)

    def begin(self, salt: bytes, epoch: bytes, name: str = "", adapter: bytes = b"") -> int:
        """Enters a request; `name` is the engine's own for it, which `kvbm explain` knows.

        `adapter` is the content digest of its LoRA adapter.
        """
        identity = _native.CRequestIdentity()
        identity.salt, identity.salt_length = salt, len(salt)
        identity.epoch, identity.epoch_length = epoch, len(epoch)
        identity.adapter, identity.adapter_length = adapter, len(adapter)
        request = ctypes.c_uint64()
        self._call_quick(
            "kvbm_request_begin", _native.reference(identity), _native.reference(request)
        )
        if name:
            self._call_quick("kvbm_request_name", request, name.encode())
        return request.value

    def append(self, request: int, tokens: "array[int]") -> None:
        """Adds confirmed tokens (`array('I')`)."""
        self._call_quick("kvbm_request_append", request, tokens.buffer_info()[0], len(tokens))

    def content(self, request: int, position: int, count: int, digest: bytes) -> None:
        """Tokens `[position, position + count)` stand for content of that digest (1 to 64 bytes).

        To be said before the block of `position` is full.
        """
        self._call_quick("kvbm_request_content", request, position, count, digest, len(digest))

    def retain(
        self, request: int, first: int, end: int, priority: int, duration_ms: int, pin: bool
    ) -> None:
        """Blocks `[first, end)` are worth keeping: priority 0 to 100; duration 0 is for ever.

        `end` is NO_END for all that follow. To be told before the loads and stores that it is for.
        """
        retention = _native.CRetention(first, end, priority, duration_ms, int(pin))
        self._call_quick("kvbm_request_retain", request, _native.reference(retention))

    def expect_back(self, request: int, milliseconds: int) -> None:
        """The conversation will be back so long after the request's end."""
        self._call_quick("kvbm_request_expect_back", request, milliseconds)

    def pay(self, request: int, tenant: str) -> None:
        """That tenant pays for what the request brings, from its first match or store on."""
        self._call_quick("kvbm_request_tenant", request, tenant.encode())

    def keys(self, request: int, first: int, count: int) -> bytes:
        """Keys of full blocks, KEY_BYTES each."""
        buffer = ctypes.create_string_buffer(_native.KEY_BYTES * count)
        self._call_quick("kvbm_request_keys", request, first, count, buffer)
        return buffer.raw

    def match(self, request: int, first: int, count: int) -> tuple[int, int]:
        """(ready blocks, pending blocks) of the range."""
        match = _native.CMatch()
        self._call_quick("kvbm_request_match", request, first, count, _native.reference(match))
        return match.ready_blocks, match.pending_blocks

    def load(self, request: int, first: int, blocks: "array[int]") -> None:
        """Takes the match up: block `first + i` of group `g` goes to `blocks[g * count + i]`.

        `blocks` has a row of equal length for each group; NO_BLOCK before a sliding window.
        """
        address, length = blocks.buffer_info()
        self._call_quick("kvbm_request_load", request, first, length // self._group_count, address)

    def store(self, request: int, first: int, blocks: "array[int]") -> None:
        """Offers blocks that the coming step completes, laid out as in `load`.

        A sliding group's row may begin with NO_BLOCKs: blocks that the engine has let go.
        """
        address, length = blocks.buffer_info()
        self._call_quick("kvbm_request_store", request, first, length // self._group_count, address)

    def note_prefill(self, tokens: int, context_tokens: int, nanoseconds: int) -> None:
        """So many tokens of prompts were computed, with so many before each of them, added up."""
        self._call_quick("kvbm_scheduler_note_prefill", tokens, context_tokens, nanoseconds)

    def end(self, request: int) -> None:
        """The request is over."""
        self._call_quick("kvbm_request_end", request)

    def step(self, fences: "array[int]") -> bytes:
        """Settles the step; the plan for the worker."""
        address, count = fences.buffer_info()
        length = ctypes.c_size_t()
        library = self._library.quick
        for _ in range(_SPACE_TRIES):
            code = library.kvbm_scheduler_step(
                self._open_pointer(),
                address,
                count,
                self._plan,
                len(self._plan),
                _native.reference(length),
            )
            if code != _native.SPACE:
                break
            self._plan = (ctypes.c_uint8 * (2 * length.value))()
        self._library.check("kvbm_scheduler_step", code)
        return ctypes.string_at(self._plan, length.value)

    def stats(self) -> str:
        """The node's counters as a JSON text."""
        length = ctypes.c_size_t(16 * 1024)
        for _ in range(_SPACE_TRIES):
            buffer = ctypes.create_string_buffer(length.value + 1)
            code = self._library.kvbm_scheduler_stats(
                self._open_pointer(), buffer, len(buffer), _native.reference(length)
            )
            if code != _native.SPACE:
                break
        self._library.check("kvbm_scheduler_stats", code)
        return buffer.value.decode()


class NativeWorker(_Handle):
    """`kvbm_worker`. One call at a time; a negative code raises NativeError."""

    kind = "worker"

    def __init__(
        self, library: _native.Library, engine: Engine, rank: int, copy_threads: int
    ) -> None:
        pointer = ctypes.c_void_p()
        config = engine.to_c()
        share = engine.geometry.share
        code = library.kvbm_worker_open(
            _native.reference(config),
            rank,
            share.first_head,
            share.head_count,
            copy_threads,
            _native.reference(pointer),
        )
        library.check("kvbm_worker_open", code)
        super().__init__(library, pointer)
        self._results = (_native.CLoadResult * _POLL_COUNT)()

    def register(self, group: int, layers: Sequence[LayerMemory], block_count: int) -> None:
        """Names the device memory of one group, layers in their stored order."""
        memory = (_native.CLayer * len(layers))(
            *(
                _native.CLayer(
                    layer.base,
                    layer.block_stride,
                    layer.head_stride,
                    layer.token_stride,
                    layer.kv_stride,
                )
                for layer in layers
            )
        )
        self._call("kvbm_worker_register", group, memory, len(layers), block_count)

    def fence(self, plan: bytes) -> None:
        """Waits until no pending copy reads a block that the plan's step overwrites."""
        self._call_quick("kvbm_worker_fence", plan, len(plan))

    def start_loads(self, plan: bytes) -> None:
        """Starts the plan's loads."""
        self._call_quick("kvbm_worker_start_loads", plan, len(plan))

    def start_stores(self, plan: bytes) -> None:
        """Starts the plan's stores."""
        self._call_quick("kvbm_worker_start_stores", plan, len(plan))

    def skip_stores(self, plan: bytes) -> None:
        """Says that another rank writes this rank's part of the plan's stores."""
        self._call_quick("kvbm_worker_skip_stores", plan, len(plan))

    def drop_stores(self, plan: bytes) -> None:
        """Says that the plan's stores will not happen."""
        self._call_quick("kvbm_worker_drop_stores", plan, len(plan))

    def poll(self) -> list[tuple[int, int, int]]:
        """Ended loads as (request, loaded blocks, planned blocks)."""
        ended = []
        count = _POLL_COUNT
        while count == _POLL_COUNT:
            count = self._call_quick("kvbm_worker_poll", self._results, _POLL_COUNT)
            ended += [
                (result.request, result.loaded_blocks, result.planned_blocks)
                for result in self._results[:count]
            ]
        return ended

    def wait(self, timeout_ms: int, idle: bool = False) -> None:
        """Waits until a load has ended; no error when none has in time.

        Where the engine is `idle`, its other threads have the interpreter's lock meanwhile.
        """
        library = self._library if idle else self._library.quick
        code = library.kvbm_worker_wait(self._open_pointer(), timeout_ms)
        if code != _native.TIMEOUT:
            self._library.check("kvbm_worker_wait", code)

    def drain(self, timeout_ms: int) -> None:
        """Waits until no copy runs."""
        self._call("kvbm_worker_drain", timeout_ms)
