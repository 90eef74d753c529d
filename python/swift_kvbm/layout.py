"""From registered tensors to addresses and strides: read, compared with the engine's plan, never
guessed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swift_kvbm.facts import EngineFacts
from swift_kvbm.geometry import Geometry, Group, NotCovered


@dataclass(frozen=True)
class LayerMemory:
    """One layer's device memory: an address, and strides in bytes."""

    base: int
    block_stride: int
    head_stride: int
    token_stride: int
    kv_stride: int


def read_layout(
    facts: EngineFacts, geometry: Geometry, tensors: Mapping[str, Any]
) -> list[list[LayerMemory]]:
    """Each group's layers in this rank's memory, in their stored order.

    `tensors` are views `[block, head, token, K|V]`, or `[block, 1, token, latent]`, over one
    allocation, whose bytes the groups share: a block belongs to one of them at a time. Raises
    NotCovered for anything that contradicts the engine's own specs.
    """
    planned = _planned_addresses(facts)
    return [_read_group(group, geometry, planned, tensors) for group in geometry.groups]


def _read_group(
    group: Group,
    geometry: Geometry,
    planned: Mapping[str, tuple[int, int]],
    tensors: Mapping[str, Any],
) -> list[LayerMemory]:
    layers = []
    for name in group.layers:
        tensor = tensors.get(name)
        if tensor is None:
            raise NotCovered(f"layer {name} without registered memory")
        _check_tensor(name, tensor, group, geometry)
        memory = _memory(tensor, group)
        if name not in planned:
            raise NotCovered(f"layer {name} without a place in the engine's plan")
        offset, block_stride = planned[name]
        begin = tensor.untyped_storage().data_ptr()
        if memory.base - begin != offset or memory.block_stride != block_stride:
            raise NotCovered(
                f"layer {name} at {memory.base - begin} with block stride {memory.block_stride} "
                f"where the engine planned {offset} and {block_stride}"
            )
        _check_bounds(name, memory, group, geometry, tensor)
        layers.append(memory)
    return layers


def _planned_addresses(facts: EngineFacts) -> dict[str, tuple[int, int]]:
    """Layer name -> (offset of its block 0 in the allocation, block stride), in bytes."""
    return {
        name: (tensor.offset + index * tensor.layer_stride, tensor.block_stride)
        for tensor in facts.tensors
        for index, name in enumerate(tensor.layers)
    }


def _check_tensor(name: str, tensor: Any, group: Group, geometry: Geometry) -> None:
    heads, blocks = geometry.share.head_count, geometry.device_block_count
    expected = (blocks, heads, group.block_tokens, group.token_bytes // group.element_bytes)
    if tensor.device.type != "cpu":
        raise NotCovered(f"device memory of type {tensor.device.type!r} (layer {name})")
    if tuple(tensor.shape) != expected:
        raise NotCovered(
            f"layer {name} with shape {list(tensor.shape)} where {list(expected)} was expected"
        )
    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype != group.dtype or tensor.element_size() != group.element_bytes:
        raise NotCovered(f"layer {name} of type {dtype} where {group.dtype} was expected")
    if tensor.stride(3) != 1:
        raise NotCovered(f"layer {name} whose elements of a token are not contiguous")


def _memory(tensor: Any, group: Group) -> LayerMemory:
    size = group.element_bytes
    return LayerMemory(
        base=tensor.data_ptr(),
        block_stride=tensor.stride(0) * size,
        head_stride=tensor.stride(1) * size,
        token_stride=tensor.stride(2) * size,
        kv_stride=group.token_bytes // 2,
    )


def _check_bounds(
    name: str, memory: LayerMemory, group: Group, geometry: Geometry, tensor: Any
) -> None:
    """All that will be touched lies in the allocation, and no two elements overlap."""
    head_count, block_count = geometry.share.head_count, geometry.device_block_count
    storage = tensor.untyped_storage()
    last = (
        (block_count - 1) * memory.block_stride
        + (head_count - 1) * memory.head_stride
        + (group.block_tokens - 1) * memory.token_stride
        + group.token_bytes
    )
    if memory.base + last > storage.data_ptr() + storage.nbytes():
        raise NotCovered(f"layer {name} that reaches beyond its allocation")
    sides = sorted(
        (
            (memory.token_stride, group.block_tokens),
            (memory.head_stride, head_count),
            (memory.block_stride, block_count),
        )
    )
    reach = group.token_bytes
    for stride, count in sides:
        if count > 1 and stride < reach:
            raise NotCovered(f"layer {name} whose strides overlap")
        if count > 1:
            reach = stride * (count - 1) + reach
