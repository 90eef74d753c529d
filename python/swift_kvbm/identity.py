"""The namespace: what must be equal for two engines' blocks to be exchangeable.

Its canonical form is JSON with sorted keys, no spaces, UTF-8; the node names the namespace by the
SHA-256 of these bytes. Nothing in it names a host, a path, a device layout or a degree of
parallelism.
"""

import json
from typing import Any

from swift_kvbm.facts import EngineFacts
from swift_kvbm.geometry import Geometry, Group, natural_order

SCHEME_VERSION = 1
# Raised whenever equal tokens and shapes stop to mean equal KV.
KV_GENERATION = 1


def namespace_description(facts: EngineFacts, geometry: Geometry, weights: dict[str, Any]) -> bytes:
    """The canonical bytes; `weights` is what `weights_identity` answers."""
    first = geometry.groups[0]
    return canonical_json(
        {
            "scheme": SCHEME_VERSION,
            "weights": weights,
            "kv_dtype": first.dtype,
            "kv_scales": None,
            "quantization": {
                "method": facts.quantization or None,
                "compute_dtype": facts.model_dtype,
                "settings": facts.quantization_settings,
            },
            "block_tokens": geometry.block_tokens,
            "groups": [_group(group, geometry) for group in geometry.groups],
            "rope": facts.rope,
            "overrides": facts.overrides,
            "draft": None,
            "kv_semantics": {"engine": facts.engine, "generation": KV_GENERATION},
        }
    )


def _group(group: Group, geometry: Geometry) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "kind": group.kind,
        "heads": group.head_count,
        "head_size": group.head_size,
        "layers": len(group.layers),
        "block_tokens": group.block_tokens,
    }
    if group.window_tokens:
        entry["window"] = group.window_tokens
    if len(geometry.groups) > 1:
        # Which layers: engines may deal the same numbers of them out in another way.
        every = sorted((n for g in geometry.groups for n in g.layers), key=natural_order)
        entry["places"] = [every.index(name) for name in group.layers]
    return entry


def canonical_json(value: Any) -> bytes:
    """One form for equal values; raises TypeError or ValueError for what JSON cannot say."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()
