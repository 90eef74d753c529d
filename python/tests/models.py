"""Makes small models with random weights, about half a second each, without any download.

    python models.py --root DIR [NAME ...]

The weights are spread wide, so that attention is peaked: a wrong or swapped KV block changes what
comes out.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

SEED = 7
_COMMON: dict[str, Any] = {
    "vocab_size": 1024,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
    "hidden_size": 256,
    "intermediate_size": 512,
    "max_position_embeddings": 16384,
}
_LLAMA = {"num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4}
_TWO_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64}

# name: (configuration class, element type, what differs from the common)
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", "bfloat16", _LLAMA),
    "llama-f16": ("LlamaConfig", "float16", _LLAMA),
    "llama-kv2": ("LlamaConfig", "bfloat16", {"num_hidden_layers": 3, **_TWO_HEADS}),
    "qwen2": (
        "Qwen2Config",
        "bfloat16",
        {"num_hidden_layers": 5, "num_attention_heads": 4, "num_key_value_heads": 2},
    ),
    "llama-f32": ("LlamaConfig", "float32", _LLAMA),
    # Heads of 80 elements.
    "llama-h80": (
        "LlamaConfig",
        "bfloat16",
        {
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 80,
        },
    ),
    # Two cache groups, one of them with a window.
    "gemma2": (
        "Gemma2Config",
        "bfloat16",
        {
            "num_hidden_layers": 4,
            "sliding_window": 256,
            "query_pre_attn_scalar": 64,
            "tie_word_embeddings": True,
            **_TWO_HEADS,
        },
    ),
    # Every layer with a window.
    "mistral-sw": (
        "MistralConfig",
        "bfloat16",
        {"num_hidden_layers": 3, "sliding_window": 200, **_TWO_HEADS},
    ),
    # Latents in place of K and V.
    "deepseek2": (
        "DeepseekV2Config",
        "bfloat16",
        {
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "kv_lora_rank": 512,
            "q_lora_rank": None,
            "qk_rope_head_dim": 64,
            "qk_nope_head_dim": 64,
            "v_head_dim": 64,
            "first_k_dense_replace": 3,
        },
    ),
}


def make_model(root: Path, name: str) -> Path:
    """Makes one model under `root`, unless it is there; its folder."""
    import torch
    import transformers

    folder = root / name
    if (folder / "config.json").exists():
        return folder
    class_name, dtype, changes = MODELS[name]
    torch.manual_seed(SEED)
    settings = {**_COMMON, **changes}
    settings["initializer_range"] = 1.6 / settings["hidden_size"] ** 0.5
    config = getattr(transformers, class_name)(**settings)
    config.dtype = dtype
    model = transformers.AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype))
    model.save_pretrained(folder)
    path = folder / "config.json"
    written = json.loads(path.read_text())
    path.write_text(json.dumps({**written, "dtype": dtype, "torch_dtype": dtype}, indent=1))
    return folder


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("names", nargs="*", choices=[[], *MODELS])
    arguments = parser.parse_args()
    for name in arguments.names or MODELS:
        print(make_model(arguments.root, name), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
