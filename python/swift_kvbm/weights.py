"""The weights' identity: declared, a hub commit, or a digest of the files. Never a path."""

import contextlib
import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

from swift_kvbm.facts import EngineFacts
from swift_kvbm.geometry import NotCovered
from swift_kvbm.log import LOGGER

# Tensors up to this size are hashed whole, larger ones in evenly spaced samples.
WHOLE_BYTES = 64 * 1024
SAMPLE_BYTES = 4096
SAMPLE_COUNT = 8
_HEADER_BYTES_MAX = 256 * 2**20
# How the engine may read weights such that the files say what is loaded.
_FILE_FORMATS = ("auto", "hf", "safetensors", "fastsafetensors", "instanttensor")
_COMMIT_LENGTH = 40


def weights_identity(facts: EngineFacts, declared: str | None, cache: Path | None = None) -> dict:
    """`{"kind": "declared"|"commit"|"digest", "value": …}`.

    Reads the weights' files when it must: headers, and about 32 KiB of each tensor. Raises
    NotCovered when nothing identifies the weights.
    """
    if declared is not None:
        return {"kind": "declared", "value": declared}
    if facts.load_format not in _FILE_FORMATS:
        raise NotCovered(
            f"load format {facts.load_format!r} without a declared identity of the weights "
            '(set "weights_id")'
        )
    folder = Path(facts.model)
    if not folder.is_dir():
        commit = _hub_commit(facts.model, facts.revision)
        if commit is None:
            raise NotCovered(f'model {facts.model!r}, whose commit is not known (set "weights_id")')
        return {"kind": "commit", "value": commit}
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise NotCovered(f'a model without safetensors files (set "weights_id"): {folder.name}')
    return {"kind": "digest", "value": _cached_digest(files, cache or _cache_folder())}


def _hub_commit(model: str, revision: str) -> str | None:
    """The immutable commit that the hub's local cache holds for this revision."""
    if len(revision) == _COMMIT_LENGTH and all(c in "0123456789abcdef" for c in revision):
        return revision
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, "config.json", revision=revision or None)
    if not isinstance(found, str):
        return None
    commit = Path(found).parent.name
    return commit if len(commit) == _COMMIT_LENGTH else None


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "swift-kvbm" / "weights"


def _cached_digest(files: list[Path], cache: Path) -> str:
    """The digest, remembered by every file's path, size and time of change."""
    stamps = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    entry = cache / hashlib.sha256(json.dumps(stamps).encode()).hexdigest()
    try:
        known = entry.read_text()
        if len(known) == 64:
            return known
    except OSError:
        pass
    digest = digest_weights(files)
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = entry.with_suffix(f".{os.getpid()}")
        temporary.write_text(digest)
        temporary.replace(entry)
    except OSError as error:
        LOGGER.debug("KVBM: the weights' digest could not be remembered: %s", error)
    return digest


def digest_weights(files: list[Path]) -> str:
    """SHA-256 over name, type, shape and bytes of every tensor, in the order of names.

    The same however the tensors are spread over files. Raises NotCovered for a damaged file.
    """
    tensors = []
    for path in files:
        try:
            tensors += [(name, path, entry) for name, entry in _header(path).items()]
        except (OSError, ValueError, KeyError, struct.error) as error:
            raise NotCovered(f"the weights' file {path.name}, which cannot be read") from error
    digest = hashlib.sha256()
    with contextlib.ExitStack() as stack:
        opened = {path: stack.enter_context(open(path, "rb")) for path in files}
        for name, path, (dtype, shape, begin, end) in sorted(tensors, key=lambda t: t[0]):
            head = json.dumps([name, dtype, shape, end - begin], separators=(",", ":"))
            digest.update(head.encode() + b"\0")
            for offset, length in _samples(begin, end):
                digest.update(os.pread(opened[path].fileno(), length, offset))
    return digest.hexdigest()


def _header(path: Path) -> dict[str, tuple[str, list[int], int, int]]:
    """Tensor name -> (type, shape, first byte, end) with places in the file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > _HEADER_BYTES_MAX:
            raise ValueError("header too long")
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    base = 8 + length
    return {
        name: (
            str(entry["dtype"]),
            [int(side) for side in entry["shape"]],
            base + int(entry["data_offsets"][0]),
            base + int(entry["data_offsets"][1]),
        )
        for name, entry in header.items()
    }


def _samples(begin: int, end: int) -> list[tuple[int, int]]:
    """(offset, length) of what is hashed of one tensor; the first and last bytes are among it."""
    size = end - begin
    if size <= WHOLE_BYTES:
        return [(begin, size)]
    step = (size - SAMPLE_BYTES) / (SAMPLE_COUNT - 1)
    return [(begin + int(index * step), SAMPLE_BYTES) for index in range(SAMPLE_COUNT)]
