"""From the engine's cache groups to the node's: what is covered, and what is refused by name."""

import re
from dataclasses import dataclass

from swift_kvbm._native import GROUP_COUNT_MAX
from swift_kvbm.facts import EngineFacts, LayerFacts

GROUP_KINDS = {"full": 0, "sliding": 1, "state": 2, "mla": 0}
# Speculative decoding whose drafts have no KV of their own: all KV is that of accepted tokens.
DRAFTS_WITHOUT_KV = ("ngram", "ngram_gpu", "suffix")
# What the node serves.
RANK_COUNT_MAX = 32
_KINDS = {"full_attention": "full", "sliding_window": "sliding", "mla_attention": "mla"}


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
    # Tokens that a position of a sliding group attends to, itself included; 0 in other groups.
    window_tokens: int = 0

    @property
    def token_bytes(self) -> int:
        """K and V together, or the latent, of one token, one head, one layer."""
        return (1 if self.kind == "mla" else 2) * self.head_size * self.element_bytes

    @property
    def block_bytes(self) -> int:
        """One block, all heads and layers."""
        return self.head_count * len(self.layers) * self.block_tokens * self.token_bytes


@dataclass(frozen=True)
class Share:
    """The heads of every block that one rank holds, `[first_head, first_head + head_count)`."""

    first_head: int
    head_count: int
    # False when a lower rank holds the same heads: that one writes them, and this one loads them.
    writes: bool = True


@dataclass(frozen=True)
class Geometry:
    """The groups of one engine, its device blocks, and what of them is this rank's."""

    groups: tuple[Group, ...]
    block_tokens: int
    device_block_count: int
    share: Share

    @property
    def block_bytes(self) -> int:
        """The largest block of any group."""
        return max(group.block_bytes for group in self.groups)

    @property
    def windows(self) -> tuple[int, ...]:
        """Each group's `window_tokens`."""
        return tuple(group.window_tokens for group in self.groups)


def describe(facts: EngineFacts) -> Geometry:
    """The geometry of a covered engine; raises NotCovered otherwise."""
    for reason in _engine_reasons(facts):
        raise NotCovered(reason)
    if not 1 <= len(facts.groups) <= GROUP_COUNT_MAX:
        raise NotCovered(f"a model with {len(facts.groups)} cache groups (up to 8 are)")
    if not all(facts.groups):
        raise NotCovered("a cache group without layers")
    share = _share(facts)
    head_count = share.head_count * facts.tensor_parallel // facts.kv_replicas
    groups = tuple(_group(layers, head_count) for layers in facts.groups)
    for group in groups:
        if group.block_tokens != facts.block_tokens:
            raise NotCovered(
                f"a cache group with {group.block_tokens} tokens a block under a scheduler that "
                f"counts {facts.block_tokens}"
            )
    if any(layers[0].head_count != share.head_count for layers in facts.groups):
        raise NotCovered("cache groups that differ in KV heads")
    if facts.tensor_parallel > 1 and facts.kv_head_count != head_count:
        raise NotCovered(
            f"a model of {facts.kv_head_count} KV heads of which {facts.tensor_parallel} ranks "
            f"hold {share.head_count} each"
        )
    return Geometry(groups, facts.block_tokens, facts.block_count, share)


def _share(facts: EngineFacts) -> Share:
    """Ranks hold consecutive heads; `kv_replicas` consecutive ranks hold the same ones."""
    layers, ranks, replicas = facts.groups[0], facts.tensor_parallel, facts.kv_replicas
    if replicas < 1 or ranks % replicas or not 0 <= facts.rank < ranks:
        raise NotCovered(f"rank {facts.rank} of {ranks}, {replicas} of which hold the same heads")
    count = layers[0].head_count
    return Share(facts.rank // replicas * count, count, writes=facts.rank % replicas == 0)


def _engine_reasons(facts: EngineFacts) -> list[str]:
    parallel = (
        (facts.pipeline_parallel, "pipeline parallelism"),
        (facts.decode_context_parallel, "decode context parallelism"),
        (facts.prefill_context_parallel, "prefill context parallelism"),
        (facts.worker_count // facts.tensor_parallel, "several workers a tensor-parallel rank"),
        (facts.host_count, "tensor parallelism over several hosts, a number"),
    )
    reasons = [f"{name} of {size}" for size, name in parallel if size > 1]
    if facts.tensor_parallel > RANK_COUNT_MAX:
        reasons.append(f"tensor parallelism of {facts.tensor_parallel} (up to {RANK_COUNT_MAX} is)")
    if facts.role != "kv_both":
        reasons.append(f"kv_role {facts.role!r} (only 'kv_both' is)")
    if facts.device != "cpu":
        reasons.append(f"device memory of type {facts.device!r}")
    if facts.speculative and facts.speculative not in DRAFTS_WITHOUT_KV:
        reasons.append(f"speculative decoding ({facts.speculative})")
    if facts.encoder_decoder:
        reasons.append("an encoder-decoder model")
    if facts.dynamic_kv_scales:
        reasons.append("KV scales that are computed at run time")
    if facts.needs_zeroing:
        reasons.append("a cache that the engine must zero before use")
    if not facts.resumes_prompts:
        reasons.append("an attention backend that cannot begin in the middle of a prompt")
    return reasons


def _group(layers: tuple[LayerFacts, ...], head_count: int) -> Group:
    """The group over all ranks, of which every one has the same number of heads."""
    first = layers[0]
    for layer in layers:
        if layer.kind not in _KINDS:
            raise NotCovered(
                f"layers of kind {layer.kind!r} (only full, sliding-window and MLA attention are)"
            )
        if layer.oddity:
            raise NotCovered(f"{layer.oddity} (layer {layer.name})")
        if _shape(layer) != _shape(first):
            raise NotCovered("a cache group whose layers differ in heads, size or element type")
    kind = _KINDS[first.kind]
    _check_head(first, kind)
    group = Group(
        kind=kind,
        head_count=head_count,
        head_size=first.head_size,
        block_tokens=first.block_tokens,
        element_bytes=first.element_bytes,
        dtype=first.dtype,
        layers=tuple(sorted((layer.name for layer in layers), key=natural_order)),
        window_tokens=first.window_tokens,
    )
    page_bytes = first.head_count * first.block_tokens * group.token_bytes
    if page_bytes == 0 or first.page_bytes != page_bytes:
        raise NotCovered(f"pages of {first.page_bytes} bytes where {page_bytes} were expected")
    return group


def _check_head(layer: LayerFacts, kind: str) -> None:
    """What one head of one token is made of."""
    if kind == "mla":
        # The library checks a head in two halves, which here are no K and V.
        if layer.head_count != 1 or layer.value_head_size or layer.head_size % 2:
            raise NotCovered(
                f"latents of {layer.head_count} x {layer.head_size} with values of size "
                f"{layer.value_head_size}"
            )
    elif layer.value_head_size != layer.head_size:
        raise NotCovered(
            f"keys of size {layer.head_size} with values of size {layer.value_head_size}"
        )
    if (layer.window_tokens > 0) != (kind == "sliding"):
        raise NotCovered(f"{kind} attention with a window of {layer.window_tokens} tokens")
    if layer.window_tokens == 1:
        raise NotCovered("a sliding window of 1 token")


def natural_order(name: str) -> list[tuple[int, str]]:
    """Numbers by value: the order of layers must not depend on how the engine listed them."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _shape(layer: LayerFacts) -> tuple[object, ...]:
    return (
        layer.kind,
        layer.window_tokens,
        layer.block_tokens,
        layer.head_count,
        layer.head_size,
        layer.value_head_size,
        layer.dtype,
        layer.page_bytes,
    )
