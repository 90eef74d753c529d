"""What the connector knows of an engine, without any of the engine's own types."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class LayerFacts:
    """One attention layer's cache on one rank, as the engine's own spec describes it."""

    name: str
    # "full_attention", "sliding_window", "mla_attention", or the name of the engine's own type.
    kind: str
    block_tokens: int
    head_count: int = 0
    head_size: int = 0
    value_head_size: int = 0
    # "bfloat16", "float16", "float32", …
    dtype: str = ""
    element_bytes: int = 0
    page_bytes: int = 0
    # Tokens that a position of a sliding window attends to, itself included.
    window_tokens: int = 0
    # What of the spec the connector has no answer for; empty when there is nothing.
    oddity: str = ""


@dataclass(frozen=True)
class TensorFacts:
    """Where the engine placed some layers in its one allocation. Bytes."""

    layers: tuple[str, ...]
    size: int
    offset: int
    layer_stride: int
    block_stride: int


@dataclass(frozen=True)
class EngineFacts:
    """One engine, as configured. Empty texts and dictionaries mean "not known" or "not set"."""

    engine: str = "vllm"
    version: str = ""
    instance: str = ""
    device: str = "cpu"
    attention: str = ""
    role: str = "kv_both"
    load_failure_policy: str = "recompute"
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    decode_context_parallel: int = 1
    prefill_context_parallel: int = 1
    worker_count: int = 1
    rank: int = 0
    # Hosts that the workers of one engine are spread over.
    host_count: int = 1
    # KV heads of the model over all ranks; 0: not known.
    kv_head_count: int = 0
    # Consecutive tensor-parallel ranks that hold the same heads.
    kv_replicas: int = 1
    speculative: str = ""
    # Whether a step may be scheduled before the outcome of the one before is known.
    runs_ahead: bool = True
    # vLLM's model runner: 1, or 2.
    runner: int = 1
    encoder_decoder: bool = False
    needs_zeroing: bool = False
    dynamic_kv_scales: bool = False
    # Whether a prompt's beginning may be there already when it is computed.
    resumes_prompts: bool = True
    block_tokens: int = 0
    block_count: int = 0
    layout: str = ""
    # One entry a cache group, layers in order.
    groups: tuple[tuple[LayerFacts, ...], ...] = ()
    tensors: tuple[TensorFacts, ...] = ()
    model: str = ""
    revision: str = ""
    load_format: str = "auto"
    model_dtype: str = ""
    quantization: str = ""
    quantization_settings: dict[str, Any] = field(default_factory=dict)
    rope: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    # What decides how adapters and media become KV, beside their content; None: media have no name.
    lora: dict[str, Any] = field(default_factory=dict)
    media: dict[str, Any] | None = None
