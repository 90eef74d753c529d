"""Small models with random weights, made on the spot: nothing is downloaded.

The initialisation is wide, so that attention is peaked and a wrong or swapped KV block changes the
output. Prompts are token ids; there is no tokenizer.
"""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Shape:
    """Size and element type of a model; `window` is of some or all layers, 0 for none."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    positions: int
    dtype: str
    element_bytes: int
    window: int = 0
    family: str = "Llama"

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of K and V of one token over all layers and heads."""
        return 2 * self.element_bytes * self.layers * self.kv_heads * self.head_size

    @property
    def groups(self) -> int:
        """Cache groups that vLLM makes of the layers."""
        return 2 if self.family == "Gemma2" else 1


SHAPES = {
    # 4 KiB of KV per token. Of float32, so that greedy outputs do not hang on rounding: in bfloat16
    # they change with the shapes of matrices, and so with what a prefix cache leaves to compute.
    "llama": Shape(256, 512, 4, 8, 4, 32, 16384, "float32", 4),
    # 16 KiB of KV per token, of bfloat16 as served models are: outputs are equal but for near ties.
    "llama-big": Shape(1024, 2816, 16, 16, 4, 64, 32768, "bfloat16", 2),
    # Two cache groups of 4 KiB per token each, so that a load has about as many bytes as llama's.
    "gemma2": Shape(256, 512, 4, 4, 4, 64, 16384, "float32", 4, window=256, family="Gemma2"),
    # Other shapes and types: two heads of 64, biases, windows in all layers.
    "llama-f16": Shape(256, 512, 4, 8, 4, 32, 16384, "float16", 2),
    "llama-kv2": Shape(256, 512, 3, 4, 2, 64, 16384, "float32", 4),
    "qwen2": Shape(256, 512, 5, 4, 2, 64, 16384, "float32", 4, family="Qwen2"),
    "mistral-sw": Shape(256, 512, 3, 4, 2, 64, 16384, "float32", 4, window=512, family="Mistral"),
}
VOCABULARY = 1024
SEED = 7


def make(name: str, root: Path) -> Path:
    """Makes the model under `root` unless it is there; returns its folder."""
    folder = root / name
    if (folder / "complete").exists():
        return folder
    import torch
    from transformers import AutoModelForCausalLM

    shape = SHAPES[name]
    torch.manual_seed(SEED)
    config = _config(shape)
    config.dtype = shape.dtype
    model = AutoModelForCausalLM.from_config(config).to(getattr(torch, shape.dtype))
    model.save_pretrained(folder)
    described = json.loads((folder / "config.json").read_text())
    described["torch_dtype"] = described["dtype"] = shape.dtype
    (folder / "config.json").write_text(json.dumps(described, indent=1))
    (folder / "complete").touch()
    return folder


def _config(shape: Shape):
    from transformers import Gemma2Config, LlamaConfig, MistralConfig, Qwen2Config

    common = {
        "vocab_size": VOCABULARY,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_size,
        "max_position_embeddings": shape.positions,
        "initializer_range": 1.6 / shape.hidden**0.5,
    }
    if shape.family == "Gemma2":
        return Gemma2Config(
            **common,
            sliding_window=shape.window,
            query_pre_attn_scalar=shape.head_size,
            tie_word_embeddings=True,
        )
    if shape.family == "Mistral":
        return MistralConfig(**common, sliding_window=shape.window)
    return {"Llama": LlamaConfig, "Qwen2": Qwen2Config}[shape.family](
        **common, tie_word_embeddings=False
    )
