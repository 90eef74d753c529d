"""Content that a request's token ids do not tell, by digest and place: media and embeddings."""

import hashlib
import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from swift_kvbm.identity import canonical_json

# The library's limit for one request.
ITEMS_MAX = 4096
# Embeddings that are hashed here, on the scheduling thread; vLLM has hashed whole blocks before.
HASHED_BYTES_MAX = 64 * 2**20
# A digest in hexadecimal, as vLLM's hasher makes it; what clients call their media is none.
_DIGEST = re.compile(r"[0-9a-f]{64,128}")
# Files of a model that say how media become tensors, and these KV.
_PROCESSOR_FILES = ("config.json", "preprocessor_config.json", "*processor_config.json")
# Fields of vLLM's MultiModalConfig that decide no content.
_INDIFFERENT = {"limit_per_prompt", "skip_mm_profiling", "mm_encoder_tp_mode", "mm_tensor_ipc"}
_INDIFFERENT |= {"mm_processor_cache_gb", "mm_processor_cache_type", "mm_ipc_gpu_memory_gb"}
_INDIFFERENT |= {"mm_shm_cache_max_object_size_mb", "enable_mm_embeds"}
_INDIFFERENT |= {"allow_missing_mm_embeddings"}
_FILE_BYTES_MAX = 2**20


class Unidentified(Exception):
    """Nothing names this content; the text says of which kind of request, in the plural."""


@dataclass(frozen=True)
class Item:
    """Tokens `[position, position + count)` of a request stand for the content with this digest."""

    position: int
    count: int
    digest: bytes


def content_items(request: Any, block_tokens: int, media: dict[str, Any] | None) -> list[Item]:
    """All content of a vLLM request; raises Unidentified.

    `media` is what `media_settings` answers. Of embeddings every block has an item of its own, so
    that prompts share blocks as far as they are equal.
    """
    items: list[Item] = []
    if request.mm_features:
        items += _media_items(request, media)
    if request.prompt_embeds is not None:
        items += _embedding_items(request, block_tokens)
    elif request.prompt_is_token_ids is not None and not all(request.prompt_is_token_ids):
        raise Unidentified("requests with prompt embeddings that are not there")
    if len(items) > ITEMS_MAX:
        raise Unidentified(f"requests with more than {ITEMS_MAX:,} pieces of media or embeddings")
    return items


# MARK: Media


def media_settings(config: Any, releases: dict[str, str]) -> dict[str, Any] | None:
    """What decides how this engine turns media into input, beside the media; None: not known.

    `config` is a VllmConfig, `releases` the versions of the programs that do it.
    """
    media = getattr(config.model_config, "multimodal_config", None)
    if media is None:
        return None
    if not media.mm_processor_cache_gb and not config.cache_config.enable_prefix_caching:
        # vLLM then hashes nothing: it numbers media, from 1 in every process.
        return None
    if getattr(config, "ec_transfer_config", None) is not None:
        # Embeddings then come from elsewhere, by names that nobody has checked.
        return None
    try:
        files = _processor_files(Path(config.model_config.model))
    except OSError:
        return None
    settings = {name: repr(value) for name, value in vars(media).items()}
    return {
        "settings": {name: settings[name] for name in settings.keys() - _INDIFFERENT},
        "files": files,
        "releases": releases,
    }


def _processor_files(model: Path) -> dict[str, str]:
    """Digests of a local model's files; of one from the hub the commit says it all."""
    digests = {}
    for pattern in _PROCESSOR_FILES:
        for path in model.glob(pattern) if model.is_dir() else ():
            with open(path, "rb") as file:
                digests[path.name] = hashlib.sha256(file.read(_FILE_BYTES_MAX)).hexdigest()
    return digests


def _media_items(request: Any, settings: dict[str, Any] | None) -> list[Item]:
    if settings is None:
        raise Unidentified("requests with images or other media that vLLM does not hash")
    base = hashlib.sha256(b"kvbm.media.v1\0" + canonical_json(settings) + b"\0")
    adapter = request.lora_request
    items = []
    for feature in request.mm_features:
        name = str(feature.identifier or "")
        # Where an adapter changes the encoder, vLLM puts its name before the digest.
        plain = name if adapter is None else name.removeprefix(f"{adapter.lora_name}:")
        if not _DIGEST.fullmatch(plain):
            raise Unidentified("requests with media that their client named")
        place = feature.mm_position
        if place.length <= 0:
            raise Unidentified("requests with media that take no place in the prompt")
        digest = base.copy()
        digest.update(canonical_json([str(feature.modality), name]))
        items.append(Item(place.offset, place.length, digest.digest()))
    return items


# MARK: Prompt embeddings


def _embedding_items(request: Any, block_tokens: int) -> list[Item]:
    rows = request.prompt_embeds
    runs = _embedded_runs(request, block_tokens)
    # Of ranges [first, end) of rows: SHA-256 of their bytes.
    hashed = getattr(request, "_prompt_embeds_per_block_hashes", {})
    row_bytes = rows.element_size() * rows[0].numel() if len(rows) else 0
    missing = sum(count for first, count in runs if (first, first + count) not in hashed)
    if len(runs) > ITEMS_MAX or missing * row_bytes > HASHED_BYTES_MAX:
        raise Unidentified("requests with very long prompt embeddings")
    head = b"kvbm.embeddings.v1\0" + f"{rows.dtype} {tuple(rows.shape[1:])}".encode() + b"\0"
    items = []
    for first, count in runs:
        end = first + count
        digest = hashed.get((first, end)) or hashlib.sha256(_row_bytes(rows[first:end])).digest()
        items.append(Item(first, count, hashlib.sha256(head + digest).digest()))
    return items


def _embedded_runs(request: Any, block_tokens: int) -> list[tuple[int, int]]:
    """(first, count) of the positions that take embeddings, cut at the ends of blocks."""
    count = len(request.prompt_embeds)
    runs = [(first, min(block_tokens, count - first)) for first in range(0, count, block_tokens)]
    mask = request.prompt_is_token_ids
    if mask is None:
        return runs
    if len(mask) != count:
        raise Unidentified("requests with prompt embeddings for some other prompt")
    found = []
    for first, length in runs:
        position = first
        for is_token, group in groupby(mask[first : first + length]):
            size = sum(1 for _ in group)
            if not is_token:
                found.append((position, size))
            position += size
    return found


def _row_bytes(rows: Any) -> memoryview:
    import torch

    return rows.flatten().cpu().contiguous().view(torch.uint8).numpy().data
