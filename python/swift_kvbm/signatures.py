"""Whether the vLLM that we meet has the interface that this connector was written for.

vLLM calls its connector interface experimental. Methods are compared with the base classes that
they override, whatever those look like today; of the objects that hooks are given, the attributes
that this package reads must be there. Only classes are looked at, so that it is known at import,
before vLLM has made anything.
"""

import dataclasses
import dis
import importlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from inspect import Parameter
from typing import Any

_BASE = "vllm.distributed.kv_transfer.kv_connector.v1.base"
_CACHE = "vllm.v1.kv_cache_interface"
_OUTPUT = "vllm.v1.core.sched.output"

# Methods of ours without which a cache would be wrong or useless: vLLM must know them.
HOOKS = (
    *("bind_connector_metadata", "bind_gpu_block_pool", "build_connector_meta"),
    *("build_connector_worker_meta", "get_finished", "get_block_ids_with_load_errors"),
    *("get_handshake_metadata", "get_num_new_matched_tokens", "get_transfer_results"),
    "handle_preemptions",
    *("register_kv_caches", "request_finished", "request_finished_all_groups"),
    *("reset_cache", "set_xfer_handshake_metadata_pp_aware", "update_connector_output"),
    *("update_state_after_alloc", "wait_for_save"),
)

# What this package reads, always: class -> attributes. Reads with a default are not among them.
READ: dict[str, tuple[str, ...]] = {
    f"{_OUTPUT}.SchedulerOutput": (
        *("scheduled_new_reqs", "scheduled_cached_reqs", "num_scheduled_tokens"),
    ),
    f"{_OUTPUT}.NewRequestData": ("req_id", "block_ids", "num_computed_tokens"),
    f"{_OUTPUT}.CachedRequestData": (
        *("req_ids", "resumed_req_ids", "new_block_ids", "num_computed_tokens"),
    ),
    "vllm.v1.request.Request": (
        *("request_id", "num_tokens", "num_computed_tokens", "all_token_ids", "cache_salt"),
        *("lora_request", "mm_features", "prompt_embeds", "prompt_is_token_ids", "resumable"),
        *("skip_reading_prefix_cache", "kv_transfer_params"),
    ),
    "vllm.v1.outputs.KVConnectorOutput": (
        "finished_recving",
        "kv_connector_worker_meta",
    ),
    "vllm.v1.core.kv_cache_manager.KVCacheBlocks": ("get_block_ids",),
    "vllm.v1.core.block_pool.BlockPool": ("get_num_free_blocks", "num_gpu_blocks"),
    f"{_CACHE}.KVCacheConfig": (
        *("num_blocks", "kv_cache_layout", "kv_cache_groups", "kv_cache_tensors"),
        "needs_kv_cache_zeroing",
    ),
    f"{_CACHE}.KVCacheGroupSpec": (
        *("layer_names", "kv_cache_spec", "is_eagle_group", "host_resident"),
        "enable_kv_transfer",
    ),
    f"{_CACHE}.KVCacheTensor": ("layers", "size", "offset", "layer_stride", "block_stride"),
    f"{_CACHE}.FullAttentionSpec": (
        *("block_size", "num_kv_heads", "head_size", "head_size_v", "dtype", "page_size_bytes"),
        *("kv_quant_mode", "tokens_per_state", "num_head_slots", "state_content_bytes"),
        "page_size_padded",
    ),
    f"{_CACHE}.SlidingWindowSpec": ("sliding_window", "extra_retained_tokens"),
    f"{_CACHE}.MLAAttentionSpec": ("model_version", "is_index_group_leader", "cache_role"),
    f"{_BASE}.KVConnectorTransferResults": ("failed_recving",),
}


def first_difference(
    connector: type, others: Iterable[type] = (), read: Mapping[str, tuple[str, ...]] = READ
) -> str:
    """What of the engine the connector does not fit, in words; empty when it fits.

    `others` are our further classes with a base of vLLM's. A class that is gone is a difference.
    """
    return next(differences(connector, others, read), "")


def differences(
    connector: type, others: Iterable[type] = (), read: Mapping[str, tuple[str, ...]] = READ
) -> Iterator[str]:
    """The same, all of them."""
    bases = _bases(connector)
    for name in HOOKS:
        if not any(name in vars(base) for base in bases):
            yield f"has no hook {name}"
    for ours in (connector, *others):
        for name in sorted(getattr(ours, "__abstractmethods__", ())):
            yield f"wants a method {name}, which {ours.__name__} does not have"
        for name, base, member in _overrides(ours):
            yield from _of_method(name, vars(base)[name], member)
    for path, names in read.items():
        yield from _of_class(path, names)


def _bases(ours: type) -> list[type]:
    return [base for base in ours.__mro__ if base.__module__.startswith("vllm.")]


def _overrides(ours: type) -> Iterator[tuple[str, type, Any]]:
    """Every method of a base that our class has anew: name, base, and what ours has."""
    bases = _bases(ours)
    for base in bases:
        for name in vars(base):
            if name.startswith("_") and (name != "__init__" or dataclasses.is_dataclass(ours)):
                continue
            owner = next(cls for cls in ours.__mro__ if name in vars(cls))
            if owner not in bases:
                yield name, base, vars(owner)[name]


def _of_method(name: str, theirs: Any, ours: Any) -> Iterator[str]:
    kinds = _kind(theirs), _kind(ours)
    if kinds[0] != kinds[1]:
        yield f"has {name} as {kinds[0]}, not as {kinds[1]}"
    if "a method" not in kinds[0] or not callable(_function(ours)):
        return
    calls, takes = _parameters(theirs), _parameters(ours)
    if not _takes(calls, takes):
        yield f"calls {name} with {_written(calls)}, not with {_written(takes)}"


def _kind(member: Any) -> str:
    if isinstance(member, property):
        return "a property"
    if isinstance(member, classmethod):
        return "a method of the class"
    return "a method" if callable(_function(member)) else "a value"


def _function(member: Any) -> Any:
    return member.__func__ if isinstance(member, (classmethod, staticmethod)) else member


def _parameters(member: Any) -> list[Parameter]:
    """The parameters without `self` or `cls`."""
    found = list(inspect.signature(_function(member)).parameters.values())
    return found if isinstance(member, staticmethod) else found[1:]


_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def _takes(calls: list[Parameter], takes: list[Parameter]) -> bool:
    """Whether whatever fits `calls`, in place or by name, fits `takes`.

    Names count: vLLM may use them, and a parameter that has another name means something else.
    """
    kinds = {parameter.kind for parameter in takes}
    if Parameter.VAR_POSITIONAL in kinds:
        return True
    places = [parameter for parameter in takes if parameter.kind not in _VARIABLE]
    ours = {parameter.name for parameter in places}
    for index, parameter in enumerate(calls):
        if parameter.kind in _VARIABLE:
            if parameter.kind not in kinds:
                return False
        elif parameter.kind == Parameter.KEYWORD_ONLY:
            if parameter.name not in ours and Parameter.VAR_KEYWORD not in kinds:
                return False
        elif index >= len(places) or places[index].name != parameter.name:
            return False
    named = {parameter.name for parameter in calls}
    return all(p.name in named or p.default is not Parameter.empty for p in places)


def _written(parameters: list[Parameter]) -> str:
    signs = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
    return "(" + ", ".join(signs.get(p.kind, "") + p.name for p in parameters) + ")"


def _of_class(path: str, names: tuple[str, ...]) -> Iterator[str]:
    module, _, class_name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), class_name)
    except (ImportError, AttributeError):
        yield f"has no {path}"
        return
    attributes = attributes_of(found)
    for name in names:
        if name not in attributes:
            yield f"has no {class_name}.{name}"


def attributes_of(found: type) -> set[str]:
    """Names that instances have: of the class, its fields, and what its constructors set."""
    names = set(dir(found))
    if dataclasses.is_dataclass(found):
        names |= {field.name for field in dataclasses.fields(found)}
    for cls in found.__mro__:
        names |= set(vars(cls).get("__annotations__", ()))
        constructor = inspect.unwrap(vars(cls).get("__init__", _nothing))
        if inspect.isfunction(constructor):
            stored = (i for i in dis.get_instructions(constructor) if i.opname == "STORE_ATTR")
            names |= {str(instruction.argval) for instruction in stored}
    return names


def _nothing() -> None:
    """A constructor that sets nothing."""
