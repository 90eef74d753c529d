"""A covered engine, as facts."""

from dataclasses import replace
from typing import Any

from swift_kvbm.facts import EngineFacts, LayerFacts, TensorFacts


def layer(name: str, **changes: Any) -> LayerFacts:
    """4 heads of 32 in bfloat16, 32 tokens a block: pages of 16 KiB."""
    known = LayerFacts(
        name=name,
        kind="full_attention",
        block_tokens=32,
        head_count=4,
        head_size=32,
        value_head_size=32,
        dtype="bfloat16",
        element_bytes=2,
        page_bytes=16384,
    )
    return replace(known, **changes)


def facts(**changes: Any) -> EngineFacts:
    """Four such layers in LBHNC over 150 blocks."""
    names = tuple(f"model.layers.{index}.self_attn.attn" for index in range(4))
    page = 16384
    known = EngineFacts(
        version="0.32.0",
        instance="engine|instance",
        block_tokens=32,
        block_count=150,
        layout="LBHNC",
        groups=(tuple(layer(name) for name in names),),
        tensors=(TensorFacts(names, 4 * 150 * page, 0, 150 * page, page),),
        model="/somewhere/model",
        model_dtype="bfloat16",
        rope={"rope_theta": 10000.0},
    )
    return replace(known, **changes)
