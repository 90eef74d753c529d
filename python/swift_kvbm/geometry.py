"""From the engine's cache groups to the node's: what is covered, and what is refused by name."""

import re
from dataclasses import dataclass

from swift_kvbm.facts import EngineFacts, LayerFacts

GROUP_KINDS = {"full": 0, "sliding": 1, "state": 2}


class NotCovered(Exception):
    """A configuration that the connector does not cover yet; the text names it."""


@dataclass(frozen=True)
class Group:
    """One cache group over all ranks. `layers` in the order in which they are stored."""

    kind: str
    head_count: int
    head_size: int
    block_tokens: int
    element_bytes: int
    dtype: str
    layers: tuple[str, ...]

    @property
    def token_bytes(self) -> int:
        """K and V together of one token, one head, one layer."""
        return 2 * self.head_size * self.element_bytes

    @property
    def block_bytes(self) -> int:
        """One block, all heads and layers."""
        return self.head_count * len(self.layers) * self.block_tokens * self.token_bytes


@dataclass(frozen=True)
class Geometry:
    """The groups of one engine and its device blocks."""

    groups: tuple[Group, ...]
    block_tokens: int
    device_block_count: int

    @property
    def block_bytes(self) -> int:
        """The largest block of any group."""
        return max(group.block_bytes for group in self.groups)


def describe(facts: EngineFacts) -> Geometry:
    """The geometry of a covered engine; raises NotCovered otherwise."""
    for reason in _engine_reasons(facts):
        raise NotCovered(reason)
    if len(facts.groups) != 1:
        raise NotCovered(f"a model with {len(facts.groups)} cache groups (hybrid attention)")
    group = _group(facts.groups[0])
    if group.block_tokens != facts.block_tokens:
        raise NotCovered(
            f"a cache group with {group.block_tokens} tokens a block under a scheduler that "
            f"counts {facts.block_tokens}"
        )
    return Geometry((group,), group.block_tokens, facts.block_count)


def _engine_reasons(facts: EngineFacts) -> list[str]:
    parallel = (
        (facts.tensor_parallel, "tensor parallelism"),
        (facts.pipeline_parallel, "pipeline parallelism"),
        (facts.decode_context_parallel, "decode context parallelism"),
        (facts.prefill_context_parallel, "prefill context parallelism"),
        (facts.worker_count, "several workers"),
    )
    reasons = [f"{name} of {size}" for size, name in parallel if size > 1]
    if facts.role != "kv_both":
        reasons.append(f"kv_role {facts.role!r} (only 'kv_both' is)")
    if facts.device != "cpu":
        reasons.append(f"device memory of type {facts.device!r}")
    if facts.speculative:
        reasons.append(f"speculative decoding ({facts.speculative})")
    if facts.encoder_decoder:
        reasons.append("an encoder-decoder model")
    if facts.dynamic_kv_scales:
        reasons.append("KV scales that are computed at run time")
    if facts.needs_zeroing:
        reasons.append("a cache that the engine must zero before use")
    return reasons


def _group(layers: tuple[LayerFacts, ...]) -> Group:
    if not layers:
        raise NotCovered("a cache group without layers")
    first = layers[0]
    for layer in layers:
        if layer.kind != "full_attention":
            raise NotCovered(f"layers of kind {layer.kind!r} (only full attention is)")
        if layer.oddity:
            raise NotCovered(f"{layer.oddity} (layer {layer.name})")
        if _shape(layer) != _shape(first):
            raise NotCovered("a cache group whose layers differ in heads, size or element type")
    if first.value_head_size != first.head_size:
        raise NotCovered(
            f"keys of size {first.head_size} with values of size {first.value_head_size}"
        )
    group = Group(
        kind="full",
        head_count=first.head_count,
        head_size=first.head_size,
        block_tokens=first.block_tokens,
        element_bytes=first.element_bytes,
        dtype=first.dtype,
        layers=tuple(sorted((layer.name for layer in layers), key=_natural_order)),
    )
    page_bytes = group.block_bytes // len(layers) if group.block_bytes else 0
    if page_bytes == 0 or first.page_bytes != page_bytes:
        raise NotCovered(f"pages of {first.page_bytes} bytes where {page_bytes} were expected")
    return group


def _natural_order(name: str) -> list[tuple[int, str]]:
    """Numbers by value: the order of layers must not depend on how the engine listed them."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _shape(layer: LayerFacts) -> tuple[object, ...]:
    return (
        layer.block_tokens,
        layer.head_count,
        layer.head_size,
        layer.value_head_size,
        layer.dtype,
        layer.page_bytes,
    )
