"""Everything that this package imports from vLLM, and the reading of vLLM's configuration."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from prometheus_client import Counter as CounterMetric
from prometheus_client import Gauge as GaugeMetric
from vllm import __version__ as vllm_version
from vllm.distributed.kv_transfer.kv_connector.v1.base import (
    KVConnectorBase_V1,
    KVConnectorHandshakeMetadata,
    KVConnectorMetadata,
    KVConnectorRole,
    KVConnectorTransferResults,
    KVConnectorWorkerMetadata,
    SupportsHMA,
)
from vllm.distributed.kv_transfer.kv_connector.v1.metrics import (
    KVConnectorPromMetrics,
    KVConnectorStats,
)
from vllm.v1.kv_cache_interface import (
    AttentionSpec,
    FullAttentionSpec,
    MLAAttentionSpec,
    SlidingWindowSpec,
    UniformTypeKVCacheSpecs,
)

from swift_kvbm._vllm_versions import TRIED_VERSIONS, CacheHitSource
from swift_kvbm.adapters import adapter_settings
from swift_kvbm.content import media_settings
from swift_kvbm.facts import EngineFacts, LayerFacts, TensorFacts

__all__ = [
    "CacheHitSource",
    "CounterMetric",
    "GaugeMetric",
    "KVConnectorBase_V1",
    "KVConnectorHandshakeMetadata",
    "KVConnectorMetadata",
    "KVConnectorPromMetrics",
    "KVConnectorRole",
    "KVConnectorStats",
    "KVConnectorTransferResults",
    "KVConnectorWorkerMetadata",
    "SupportsHMA",
    "TRIED_VERSIONS",
    "read_facts",
    "vllm_version",
]

# Types whose blocks are what their names say; a type derived from one may keep something else.
_KINDS = {
    FullAttentionSpec: "full_attention",
    SlidingWindowSpec: "sliding_window",
    MLAAttentionSpec: "mla_attention",
}

# Settings of the model that decide how positions enter K.
_ROPE_KEYS = (
    "rope_theta",
    "rope_scaling",
    "rope_parameters",
    "partial_rotary_factor",
    "rope_interleave",
    "original_max_position_embeddings",
    "max_position_embeddings",
)


def read_facts(config: Any, cache: Any) -> EngineFacts:
    """What the connector needs of a VllmConfig and a KVCacheConfig."""
    parallel, model = config.parallel_config, config.model_config
    transfer = config.kv_transfer_config
    text = model.hf_text_config
    return EngineFacts(
        version=vllm_version,
        instance=f"{transfer.engine_id}|{config.instance_id}",
        device=str(config.device_config.device_type),
        attention=_name(getattr(config.attention_config, "backend", None) or ""),
        role=str(transfer.kv_role),
        load_failure_policy=str(transfer.kv_load_failure_policy),
        tensor_parallel=parallel.tensor_parallel_size,
        pipeline_parallel=parallel.pipeline_parallel_size,
        decode_context_parallel=parallel.decode_context_parallel_size,
        prefill_context_parallel=parallel.prefill_context_parallel_size,
        worker_count=parallel.world_size,
        rank=parallel.rank,
        host_count=getattr(parallel, "nnodes_within_dp", 1),
        kv_head_count=model.get_total_num_kv_heads(),
        kv_replicas=getattr(cache, "kv_tp_replicas", 1),
        speculative=_speculative(config),
        runner=2 if getattr(config, "use_v2_model_runner", False) else 1,
        runs_ahead=bool(config.scheduler_config.async_scheduling)
        or getattr(config, "max_concurrent_batches", 2) > 1,
        encoder_decoder=bool(model.is_encoder_decoder),
        needs_zeroing=bool(cache.needs_kv_cache_zeroing),
        dynamic_kv_scales=bool(getattr(config.cache_config, "calculate_kv_scales", False)),
        # vLLM turns this off for MLA where its backend ignores what was computed before.
        resumes_prompts=not model.use_mla or bool(config.scheduler_config.enable_chunked_prefill),
        block_tokens=config.cache_config.block_size,
        block_count=cache.num_blocks,
        layout=cache.kv_cache_layout or "",
        groups=tuple(_group(group) for group in cache.kv_cache_groups),
        tensors=tuple(_tensor(tensor) for tensor in cache.kv_cache_tensors),
        model=model.model,
        revision=model.revision or "",
        load_format=_name(config.load_config.load_format),
        model_dtype=_name(model.dtype),
        quantization=_name(model.quantization or ""),
        quantization_settings=_quantization(model.hf_config, text),
        rope=_rope(text),
        overrides=_overrides(model.hf_overrides),
        lora=adapter_settings(config.lora_config),
        media=media_settings(config, {"vllm": vllm_version, **_releases("transformers")}),
    )


def _releases(*packages: str) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _rope(text: Any) -> dict[str, Any]:
    values = {key: getattr(text, key, None) for key in _ROPE_KEYS}
    if values["rope_parameters"] is not None:
        # They hold the older names' values, which some versions still mirror.
        values["rope_theta"] = values["rope_scaling"] = None
    return {key: value for key, value in values.items() if value is not None}


def _group(group: Any) -> tuple[LayerFacts, ...]:
    spec = group.kv_cache_spec
    specs = spec.kv_cache_specs if isinstance(spec, UniformTypeKVCacheSpecs) else {}
    oddity = ""
    if group.is_eagle_group:
        oddity = "a draft model's cache group"
    elif group.host_resident or not group.enable_kv_transfer:
        oddity = "a cache group that is not transferable"
    return tuple(_layer(name, specs.get(name, spec), oddity) for name in group.layer_names)


def _layer(name: str, spec: Any, oddity: str) -> LayerFacts:
    if not isinstance(spec, AttentionSpec):
        return LayerFacts(name, type(spec).__name__, spec.block_size, oddity=oddity)
    return LayerFacts(
        name=name,
        kind=_KINDS.get(type(spec), type(spec).__name__),
        block_tokens=spec.block_size,
        head_count=spec.num_kv_heads,
        head_size=spec.head_size,
        value_head_size=spec.head_size_v,
        dtype=_name(spec.dtype),
        element_bytes=spec.dtype.itemsize,
        page_bytes=spec.page_size_bytes,
        window_tokens=spec.sliding_window if type(spec) is SlidingWindowSpec else 0,
        oddity=oddity or _oddity(spec),
    )


def _oddity(spec: Any) -> str:
    if int(spec.kv_quant_mode) != 0:
        return f"a quantised KV cache ({spec.kv_quant_mode.name})"
    if getattr(spec, "non_causal", False):
        return "attention that is not causal"
    if spec.tokens_per_state != 1:
        return f"{spec.tokens_per_state} tokens a state"
    if spec.num_head_slots not in (None, spec.num_kv_heads) or spec.state_content_bytes is not None:
        return "a packed KV cache"
    if spec.page_size_padded is not None:
        return "padded KV pages"
    if isinstance(spec, SlidingWindowSpec) and spec.extra_retained_tokens:
        return "a sliding window with extra retained tokens"
    if isinstance(spec, MLAAttentionSpec):
        return _latent_oddity(spec)
    return ""


def _latent_oddity(spec: MLAAttentionSpec) -> str:
    if spec.model_version is not None:
        return f"latents in the form of {spec.model_version}"
    if spec.is_index_group_leader or spec.cache_role.value != "sparse":
        return "latents with an index for sparse attention"
    return ""


def _tensor(tensor: Any) -> TensorFacts:
    return TensorFacts(
        layers=tuple(tensor.layers),
        size=tensor.size,
        offset=tensor.offset,
        layer_stride=tensor.layer_stride,
        block_stride=tensor.block_stride,
    )


def _speculative(config: Any) -> str:
    speculative = config.speculative_config
    if speculative is not None:
        return str(getattr(speculative, "method", None) or "draft model")
    return "diffusion" if getattr(config, "diffusion_config", None) is not None else ""


def _overrides(overrides: Any) -> dict[str, Any]:
    if callable(overrides):
        return {"callable": f"{overrides.__module__}.{overrides.__qualname__}"}
    return dict(overrides or {})


def _quantization(*configs: Any) -> dict[str, Any]:
    found = (getattr(config, "quantization_config", None) for config in configs)
    value = next((value for value in found if value is not None), {})
    return dict(value) if isinstance(value, dict) else dict(value.to_dict())


def _name(value: Any) -> str:
    return str(getattr(value, "value", value)).removeprefix("torch.")
