"""LoRA adapters by content: which digest stands for what the engine loaded under a number.

The engine loads an adapter's files when it first needs them, and again after it had to make room;
the scheduler's half is not told when. So a digest of the files names the adapter only while they
cannot have been other files at any of these moments: unchanged since before the engine was there,
and unchanged since. A thread of its own reads them and keeps watching; no step waits for a file.
"""

import hashlib
import logging
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swift_kvbm.identity import canonical_json
from swift_kvbm.log import LOGGER, once

ADAPTERS_MAX = 1024
# Of one adapter's files together.
BYTES_MAX = 16 * 2**30
# Requests wait no longer than this for an adapter's digest; then they are served without cache.
WAIT_SECONDS_MAX = 5.0
WATCH_SECONDS = 0.5
# An adapter whose files could not be looked at for so long is not shared meanwhile.
_WATCHED_SECONDS_MAX = 10.0
# File systems keep times this coarsely.
_STAMP_MARGIN_NS = 2 * 10**9
_CONFIG = "adapter_config.json"
_SUFFIXES = (".safetensors", ".bin", ".pt")
_CHUNK_BYTES = 2**20

# What tells one state of the files from another.
Stamps = tuple[tuple[Any, ...], ...]


@dataclass
class Adapter:
    """One adapter number of the engine. Written by the watching thread, read by any."""

    path: str
    is_3d: bool
    # SHA-256 of its content; empty until it is known.
    digest: bytes = b""
    # Why it is not shared, from then on for ever; empty while nothing speaks against it.
    reason: str = ""
    stamps: Stamps = ()
    asked_at: float = 0.0
    watched_at: float = 0.0

    @property
    def usable(self) -> bool:
        """Whether its digest names what the engine has loaded."""
        if not self.digest or self.reason:
            return False
        return time.monotonic() - self.watched_at < _WATCHED_SECONDS_MAX

    @property
    def pending(self) -> bool:
        """Whether its digest is worth waiting for."""
        if self.digest or self.reason:
            return False
        return time.monotonic() - self.asked_at < WAIT_SECONDS_MAX


class Adapters:
    """The adapters of one engine, made before it can have loaded any.

    1. `find` for each request with an adapter; the first makes the thread.
    2. `close` ends it.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._made_ns = time.time_ns()
        self._known: dict[int, Adapter] = {}
        self._overflow = Adapter("", False, reason=f"more than {ADAPTERS_MAX:,} LoRA adapters")
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def find(self, request: Any) -> Adapter:
        """The adapter of a LoRARequest. On the scheduling thread; touches no file."""
        adapter = self._known.get(request.lora_int_id)
        if adapter is None:
            if len(self._known) >= ADAPTERS_MAX:
                return self._overflow
            adapter = Adapter(request.lora_path, _is_3d(request))
            adapter.asked_at = time.monotonic()
            self._known[request.lora_int_id] = adapter
            self._watch()
        # The engine keeps what it has under a number, unless it is told to load in place.
        if request.load_inplace:
            adapter.reason = adapter.reason or "LoRA adapters that are loaded in place"
        elif (adapter.path, adapter.is_3d) != (request.lora_path, _is_3d(request)):
            adapter.reason = adapter.reason or "LoRA adapters that share a number (lora_int_id)"
        return adapter

    def close(self) -> None:
        """Ends the thread; it may still be in a read, which nothing waits for."""
        self._stopping = True
        self._wake.set()

    def _watch(self) -> None:
        self._wake.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="kvbm-adapters", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            for adapter in list(self._known.values()):
                if not adapter.reason and not self._stopping:
                    self._look_at(adapter)
            self._wake.wait(WATCH_SECONDS)

    def _look_at(self, adapter: Adapter) -> None:
        try:
            if not adapter.digest:
                self._identify(adapter)
            elif _stamps(_folder(adapter.path)) != adapter.stamps:
                adapter.reason = "LoRA adapters whose files changed while the engine ran"
        except OSError as error:
            LOGGER.debug("KVBM: the adapter %s cannot be read: %s", adapter.path, error)
            adapter.reason = "LoRA adapters without readable local files"
        except Exception as error:  # noqa: BLE001 - the thread must not end
            once(("adapter", type(error)), logging.ERROR, "KVBM: adapters: %s", error)
            adapter.reason = "LoRA adapters that could not be looked at"
        adapter.watched_at = time.monotonic()

    def _identify(self, adapter: Adapter) -> None:
        folder = _folder(adapter.path)
        stamps = _stamps(folder)
        if max(_changed_ns(stamps)) >= self._made_ns - _STAMP_MARGIN_NS:
            adapter.reason = "LoRA adapters whose files are younger than the engine"
            return
        files = _files(folder)
        if sum(path.stat().st_size for path in files) > BYTES_MAX:
            adapter.reason = f"LoRA adapters of more than {BYTES_MAX // 2**30} GiB"
            return
        digest = _digest(files, {**self._settings, "is_3d": adapter.is_3d})
        if _stamps(folder) != stamps:
            adapter.reason = "LoRA adapters whose files changed while the engine ran"
            return
        adapter.stamps, adapter.digest = stamps, digest


def _is_3d(request: Any) -> bool:
    """How experts' weights lie in the files; older releases read them in one way only."""
    return bool(getattr(request, "is_3d_lora_weight", False))


def adapter_settings(config: Any) -> dict[str, Any]:
    """What of vLLM's LoRAConfig decides what an adapter's files become in the model."""
    if config is None:
        return {}
    targets = getattr(config, "target_modules", None)
    return {
        "dtype": str(config.lora_dtype),
        "targets": None if targets is None else sorted(targets),
        "mixed_moe": bool(getattr(config, "enable_mixed_moe_lora_format", False)),
        "shared_moe": bool(getattr(config, "enable_moe_shared_loras", False)),
    }


def _folder(path: str) -> Path:
    """Where the engine reads the adapter: a folder, or the hub's local snapshot of a name."""
    if os.path.isabs(path) or path.startswith("~") or os.path.exists(path):
        return Path(os.path.abspath(os.path.expanduser(path)))
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(path, local_files_only=True))
    except Exception as error:  # the hub's own errors, of many kinds
        raise FileNotFoundError(f"no local snapshot of {path}") from error


def _files(folder: Path) -> list[Path]:
    """The adapter's configuration and every file that may hold weights, by name."""
    files = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
    if not files:
        raise FileNotFoundError(f"no weights in {folder}")
    return [folder / _CONFIG, *files]


def _stamps(folder: Path) -> Stamps:
    """The folder, what leads to it and its files, with all that changes when they are changed."""
    real = folder.resolve(strict=True)
    places = [folder, real]
    for path in _files(folder):
        places += [path, path.resolve(strict=True)]
    return tuple(_stamp(place) for place in places)


def _stamp(path: Path) -> tuple[Any, ...]:
    status = path.lstat()
    return (
        str(path),
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _changed_ns(stamps: Stamps) -> list[int]:
    """When each last changed: times that no program can set."""
    return [stamp[-1] for stamp in stamps]


def _digest(files: list[Path], settings: dict[str, Any]) -> bytes:
    digest = hashlib.sha256(b"kvbm.adapter.v1\0" + canonical_json(settings) + b"\0")
    for path in files:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(canonical_json([path.name, size]) + b"\0")
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.digest()
