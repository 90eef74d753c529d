"""The C interface of libkvbm.so (kvbm.h, ABI version 5): structures, prototypes, loading."""

import ctypes
import os
from ctypes import (
    CDLL,
    POINTER,
    PyDLL,
    Structure,
    byref,
    c_char_p,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
    cast,
)
from pathlib import Path
from typing import Any

ABI_VERSION = 5
GROUP_COUNT_MAX = 8
# No device block: a position before a sliding group's window.
NO_BLOCK = 2**32 - 1
CONTENT_BYTES_MAX = 64
RETENTION_COUNT_MAX = 16
# The end of a retention of all blocks that follow.
NO_END = 2**32 - 1
KEY_BYTES = 16

OK = 0
UNAVAILABLE = -2
TIMEOUT = -3
PROTOCOL = -6
REFUSED = -7
SPACE = -9
_CODE_NAMES = {
    -1: "wrong argument",
    -2: "no node attached",
    -3: "the node did not answer in time",
    -4: "stale handle",
    -5: "limit reached",
    -6: "protocol error",
    -7: "refused by the node",
    -8: "system call failed",
    -9: "buffer too small",
}


class NativeError(Exception):
    """A call answered a negative code."""

    def __init__(self, call: str, code: int, text: str) -> None:
        self.code = code
        super().__init__(f"{call}: {text or _CODE_NAMES.get(code, code)} ({code})")


class CGroup(Structure):
    """`kvbm_group`."""

    _fields_ = [
        ("kind", c_uint32),
        ("head_count", c_uint32),
        ("layer_count", c_uint32),
        ("block_tokens", c_uint32),
        ("token_bytes", c_uint32),
        ("element_bytes", c_uint32),
        ("window_tokens", c_uint32),
    ]


class CEngineConfig(Structure):
    """`kvbm_engine_config`."""

    _fields_ = [
        ("socket_path", c_char_p),
        ("engine_uid", c_uint8 * 16),
        ("namespace_description", c_char_p),
        ("namespace_description_length", c_size_t),
        ("group_count", c_uint32),
        ("groups", CGroup * GROUP_COUNT_MAX),
        ("worker_count", c_uint32),
        ("producer_engine", c_char_p),
        ("producer_device", c_char_p),
        ("producer_attention", c_char_p),
        ("call_timeout_ms", c_uint32),
    ]


class CState(Structure):
    """`kvbm_state`."""

    _fields_ = [
        ("attached", c_uint32),
        ("reason", c_int32),
        ("node_instance", c_uint64),
        ("attach_count", c_uint64),
        ("degraded_calls", c_uint64),
    ]


class CRequestIdentity(Structure):
    """`kvbm_request_identity`."""

    _fields_ = [
        ("tenant", c_char_p),
        ("tenant_length", c_size_t),
        ("salt", c_char_p),
        ("salt_length", c_size_t),
        ("adapter", c_char_p),
        ("adapter_length", c_size_t),
        ("epoch", c_char_p),
        ("epoch_length", c_size_t),
    ]


class CRetention(Structure):
    """`kvbm_retention`."""

    _fields_ = [
        ("first_block", c_uint32),
        ("end_block", c_uint32),
        ("priority", c_uint32),
        ("duration_ms", c_uint32),
        ("pin", c_uint32),
    ]


class CMatch(Structure):
    """`kvbm_match`."""

    _fields_ = [("ready_blocks", c_uint32), ("pending_blocks", c_uint32)]


class CLayer(Structure):
    """`kvbm_layer`."""

    _fields_ = [
        ("base", c_void_p),
        ("block_stride", c_int64),
        ("head_stride", c_int64),
        ("token_stride", c_int64),
        ("kv_stride", c_int64),
    ]


class CLoadResult(Structure):
    """`kvbm_load_result`."""

    _fields_ = [("request", c_uint64), ("loaded_blocks", c_uint32), ("planned_blocks", c_uint32)]


# Pointers to token and block arrays are passed as addresses: no copy, no object for each element.
_ADDRESS = c_void_p
_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "kvbm_abi_version": (c_uint32, []),
    "kvbm_version": (c_char_p, []),
    "kvbm_last_error": (c_size_t, [c_char_p, c_size_t]),
    "kvbm_set_interpreter_lock": (None, [c_void_p, c_void_p, c_void_p]),
    "kvbm_scheduler_open": (c_int32, [POINTER(CEngineConfig), POINTER(c_void_p)]),
    "kvbm_scheduler_close": (None, [c_void_p, c_int32]),
    "kvbm_scheduler_attach": (c_int32, [c_void_p, c_uint32]),
    "kvbm_scheduler_state": (c_int32, [c_void_p, POINTER(CState)]),
    "kvbm_request_begin": (c_int32, [c_void_p, POINTER(CRequestIdentity), POINTER(c_uint64)]),
    "kvbm_request_name": (c_int32, [c_void_p, c_uint64, c_char_p]),
    "kvbm_request_append": (c_int32, [c_void_p, c_uint64, _ADDRESS, c_size_t]),
    "kvbm_request_content": (
        c_int32,
        [c_void_p, c_uint64, c_uint32, c_uint32, c_char_p, c_size_t],
    ),
    "kvbm_scheduler_note_prefill": (c_int32, [c_void_p, c_uint32, c_uint64, c_uint64]),
    "kvbm_request_retain": (c_int32, [c_void_p, c_uint64, POINTER(CRetention)]),
    "kvbm_request_expect_back": (c_int32, [c_void_p, c_uint64, c_uint32]),
    "kvbm_request_tenant": (c_int32, [c_void_p, c_uint64, c_char_p]),
    "kvbm_request_block_count": (c_int64, [c_void_p, c_uint64]),
    "kvbm_request_keys": (c_int32, [c_void_p, c_uint64, c_uint32, c_uint32, c_char_p]),
    "kvbm_request_match": (c_int32, [c_void_p, c_uint64, c_uint32, c_uint32, POINTER(CMatch)]),
    "kvbm_request_load": (c_int32, [c_void_p, c_uint64, c_uint32, c_uint32, _ADDRESS]),
    "kvbm_request_store": (c_int32, [c_void_p, c_uint64, c_uint32, c_uint32, _ADDRESS]),
    "kvbm_request_end": (c_int32, [c_void_p, c_uint64]),
    "kvbm_scheduler_step": (
        c_int32,
        [c_void_p, _ADDRESS, c_size_t, c_void_p, c_size_t, POINTER(c_size_t)],
    ),
    "kvbm_scheduler_stats": (c_int32, [c_void_p, c_char_p, c_size_t, POINTER(c_size_t)]),
    "kvbm_worker_open": (
        c_int32,
        [POINTER(CEngineConfig), c_uint32, c_uint32, c_uint32, c_uint32, POINTER(c_void_p)],
    ),
    "kvbm_worker_close": (None, [c_void_p, c_int32]),
    "kvbm_worker_register": (c_int32, [c_void_p, c_uint32, POINTER(CLayer), c_size_t, c_uint32]),
    "kvbm_worker_attach": (c_int32, [c_void_p, c_uint32]),
    "kvbm_worker_state": (c_int32, [c_void_p, POINTER(CState)]),
    "kvbm_worker_fence": (c_int32, [c_void_p, c_char_p, c_size_t]),
    "kvbm_worker_start_loads": (c_int32, [c_void_p, c_char_p, c_size_t]),
    "kvbm_worker_start_stores": (c_int32, [c_void_p, c_char_p, c_size_t]),
    "kvbm_worker_drop_stores": (c_int32, [c_void_p, c_char_p, c_size_t]),
    "kvbm_worker_skip_stores": (c_int32, [c_void_p, c_char_p, c_size_t]),
    "kvbm_worker_poll": (c_int32, [c_void_p, POINTER(CLoadResult), c_size_t]),
    "kvbm_worker_wait": (c_int32, [c_void_p, c_uint32]),
    "kvbm_worker_drain": (c_int32, [c_void_p, c_uint32]),
}


class Library:
    """A loaded libkvbm.so. Raises OSError when it cannot be loaded or is another version."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._library = CDLL(path)
        # The same functions, called without giving up the interpreter's lock: for the engine's
        # thread. Whoever gives it up gets it back when the engine's other threads are done, which
        # takes longer than these calls do. Where one waits for long, it gives the lock up itself.
        self.quick = PyDLL(path)
        try:
            for name, (result, arguments) in _PROTOTYPES.items():
                for library in (self._library, self.quick):
                    function = getattr(library, name)
                    function.restype = result
                    function.argtypes = arguments
        except AttributeError as error:
            raise OSError(f"{path} is not a usable libkvbm.so: {error}") from error
        version = self._library.kvbm_abi_version()
        if version != ABI_VERSION:
            raise OSError(f"{path} has ABI version {version}, this package needs {ABI_VERSION}")
        self.version = self._library.kvbm_version().decode()
        python = ctypes.pythonapi
        lock = (python.PyGILState_Check, python.PyEval_SaveThread, python.PyEval_RestoreThread)
        self._library.kvbm_set_interpreter_lock(*(cast(each, c_void_p) for each in lock))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def last_error(self) -> str:
        """The calling thread's last error text."""
        buffer = ctypes.create_string_buffer(1024)
        self._library.kvbm_last_error(buffer, len(buffer))
        return buffer.value.decode(errors="replace")

    def check(self, call: str, code: int) -> int:
        """`code` unless it is negative; then NativeError with the library's text."""
        if code < 0:
            raise NativeError(call, code, self.last_error())
        return code


def library_path() -> str:
    """$KVBM_LIBRARY, or the library beside this file."""
    return os.environ.get("KVBM_LIBRARY") or str(Path(__file__).with_name("libkvbm.so"))


def reference(value: Any) -> Any:
    """A pointer argument to a ctypes value."""
    return byref(value)
