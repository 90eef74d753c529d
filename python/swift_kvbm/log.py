"""The package's logger, and messages that are written once for each kind."""

import logging
import threading

# A child of vLLM's logger: its handlers and its level apply, and nothing of vLLM is imported.
LOGGER = logging.getLogger("vllm.swift_kvbm")

_KINDS_MAX = 1024
_seen: set[object] = set()
_lock = threading.Lock()


def once(kind: object, level: int, message: str, *args: object, exc_info: bool = False) -> bool:
    """Writes the message unless one of the same kind was written; says whether it did.

    Safe on every thread. After 1,024 kinds nothing more is written.
    """
    with _lock:
        if kind in _seen or len(_seen) >= _KINDS_MAX:
            return False
        _seen.add(kind)
    LOGGER.log(level, message, *args, exc_info=exc_info)
    return True


def forget() -> None:
    """Lets every kind be written again; for tests."""
    with _lock:
        _seen.clear()
