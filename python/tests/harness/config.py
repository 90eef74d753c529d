"""What vLLM would be configured with, for the pretend model."""

import json
from pathlib import Path
from typing import Any

from vllm.config import (
    CacheConfig,
    DeviceConfig,
    KVTransferConfig,
    ModelConfig,
    ParallelConfig,
    SchedulerConfig,
    SpeculativeConfig,
    VllmConfig,
)
from vllm.v1.kv_cache_interface import (
    FullAttentionSpec,
    KVCacheConfig,
    KVCacheGroupSpec,
    KVCacheSpec,
    KVCacheTensor,
    MLAAttentionSpec,
    SlidingWindowSpec,
)

from .model import Shape

MODEL_LENGTH_MAX = 512
_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_attention_heads": 16,
    "head_dim": 8,
    "num_hidden_layers": 2,
    "vocab_size": 64,
    "max_position_embeddings": MODEL_LENGTH_MAX,
    "torch_dtype": "float32",
}
# So much of it that vLLM says how many heads there are: one latent.
_MLA = {
    "model_type": "deepseek_v2",
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
}


def vllm_config(
    folder: Path,
    extra: dict[str, Any],
    block_count: int,
    shape: Shape,
    ranks: int = 1,
    drafts: int = 0,
    **scheduler: Any,
) -> VllmConfig:
    """A configuration of a tiny model that is never loaded."""
    folder.mkdir(parents=True, exist_ok=True)
    described = {**_CONFIG, "num_key_value_heads": shape.heads, **(_MLA if shape.latent else {})}
    (folder / "config.json").write_text(json.dumps(described))
    model = ModelConfig(
        model=str(folder), skip_tokenizer_init=True, dtype="float32", max_model_len=MODEL_LENGTH_MAX
    )
    cache = CacheConfig(block_size=shape.block_tokens, enable_prefix_caching=True)
    asynchronous = scheduler.pop("async_scheduling", False)
    parallel = ParallelConfig(
        tensor_parallel_size=ranks, distributed_executor_backend="mp" if ranks > 1 else None
    )
    config = VllmConfig(
        model_config=model,
        cache_config=cache,
        scheduler_config=SchedulerConfig(
            max_model_len=MODEL_LENGTH_MAX, is_encoder_decoder=False, **scheduler
        ),
        device_config=DeviceConfig("cpu"),
        parallel_config=parallel,
        speculative_config=_ngram(model, parallel, drafts) if drafts else None,
        kv_transfer_config=KVTransferConfig(
            kv_connector="KVBMConnector",
            kv_connector_module_path="swift_kvbm.vllm",
            kv_role="kv_both",
            kv_load_failure_policy="recompute",
            kv_connector_extra_config=extra,
        ),
    )
    # vLLM turns these off on a CPU, the last ones for MLA.
    config.scheduler_config.async_scheduling = asynchronous
    config.scheduler_config.enable_chunked_prefill = True
    if "max_num_batched_tokens" in scheduler:
        config.scheduler_config.max_num_batched_tokens = scheduler["max_num_batched_tokens"]
    config.cache_config.enable_prefix_caching = True
    config.cache_config.num_gpu_blocks = block_count
    return config


def _ngram(model: ModelConfig, parallel: ParallelConfig, drafts: int) -> SpeculativeConfig:
    return SpeculativeConfig(
        method="ngram",
        num_speculative_tokens=drafts,
        prompt_lookup_max=4,
        prompt_lookup_min=2,
        target_model_config=model,
        target_parallel_config=parallel,
    )


def layer_spec(shape: Shape, window: int) -> KVCacheSpec:
    """A layer's cache, as the model's own attention layer would say."""
    common = {
        "block_size": shape.block_tokens,
        "num_kv_heads": shape.heads,
        "head_size": shape.head_size,
        "dtype": shape.dtype,
    }
    if shape.latent:
        return MLAAttentionSpec(**common, max_tp_shards=1, cache_dtype_str="auto")
    if window:
        return SlidingWindowSpec(**common, sliding_window=window)
    return FullAttentionSpec(**common)


def layer_names(shape: Shape) -> list[list[str]]:
    """Each group's layers: they are dealt out in turns, and the last ones go short."""
    groups = range(len(shape.windows))
    every = [
        [index * len(groups) + group for index in range(count)]
        for group, count in zip(groups, shape.group_layers, strict=True)
    ]
    return [[f"model.layers.{number}.self_attn.attn" for number in group] for group in every]


def kv_cache_config(shape: Shape, block_count: int, replicas: int = 1) -> KVCacheConfig:
    """What vLLM would plan for a rank of the pretend model: LBHNC, groups over the same bytes."""
    groups = [
        KVCacheGroupSpec(names, layer_spec(shape, window))
        for names, window in zip(layer_names(shape), shape.windows, strict=True)
    ]
    page = groups[0].kv_cache_spec.page_size_bytes
    tensors = [
        KVCacheTensor(
            size=page * block_count * shape.layers,
            layers=list(group.layer_names),
            layer_stride=page * block_count,
            block_stride=page,
        )
        for group in groups
    ]
    # vLLM 0.31 has no such fields.
    newer = {"hash_block_size": shape.block_tokens, "prefix_cache_retention_interval": 0}
    known = {k: v for k, v in newer.items() if k in KVCacheConfig.__dataclass_fields__}
    return KVCacheConfig(
        num_blocks=block_count,
        kv_cache_tensors=tensors,
        kv_cache_groups=groups,
        kv_cache_layout="LBHNC",
        kv_tp_replicas=replicas,
        **known,
    )
