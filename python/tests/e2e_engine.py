"""One real vLLM engine: plays prompts from a file, twice, and writes what came out.

    python e2e_engine.py JOB.json RESULT.json

Run in a process of its own, so that engines follow each other as they do for users.
"""

import json
import sys
from pathlib import Path
from typing import Any


def play(job: dict[str, Any]) -> dict[str, Any]:
    """Passes over the prompts; those that `"fresh"` says, of two, read no cache at all."""
    from vllm import LLM, SamplingParams

    options = {"kv_transfer_config": job["connector"]} if job.get("connector") else {}
    engine = LLM(
        model=job["model"],
        skip_tokenizer_init=True,
        enforce_eager=True,
        block_size=32,
        num_gpu_blocks_override=job["blocks"],
        max_model_len=job["length"],
        max_num_batched_tokens=job.get("batched_tokens", 512),
        enable_prefix_caching=job.get("prefix_caching", True),
        disable_log_stats=not job.get("statistics", False),
        dtype=job.get("dtype", "auto"),
        tensor_parallel_size=job.get("ranks", 1),
        **job.get("options", {}),
        **options,
    )
    passes = []
    for fresh in job.get("fresh", [False, False]):
        parameters = SamplingParams(
            max_tokens=job["generate"],
            temperature=0.0,
            ignore_eos=True,
            detokenize=False,
            logprobs=5,
            skip_reading_prefix_cache=fresh,
            allowed_token_ids=job.get("allowed"),
        )
        passes.append([_ask(engine, prompt, parameters) for prompt in job["prompts"]])
    if job.get("statistics"):
        # Among what the process prints, which is what a test is given.
        for metric in engine.get_metrics():
            if "spec_decode" in metric.name and hasattr(metric, "value"):
                print(metric.name, int(metric.value), flush=True)
    engine.llm_engine.engine_core.shutdown()
    return {"passes": passes}


def _ask(engine: Any, prompt: Any, parameters: Any) -> dict[str, Any]:
    if isinstance(prompt, dict) and "params" in prompt:
        parameters = parameters.clone()
        parameters.extra_args = {"kv_transfer_params": prompt["params"]}
    prompt, adapter = _understood(prompt)
    (answer,) = engine.generate(prompt, parameters, use_tqdm=False, lora_request=adapter)
    (output,) = answer.outputs
    return {
        "tokens": list(output.token_ids),
        "cached": answer.num_cached_tokens or 0,
        "logprobs": [
            {str(token): entry.logprob for token, entry in step.items()} for step in output.logprobs
        ],
    }


def _understood(prompt: Any) -> tuple[dict[str, Any], Any]:
    """A prompt and its adapter: tokens, or an object with `tokens` or `rows`, and `adapter`.

    `params` beside them are the request's `kv_transfer_params`.
    """
    from vllm.lora.request import LoRARequest

    if isinstance(prompt, list):
        return {"prompt_token_ids": prompt}, None
    adapter = LoRARequest(*prompt["adapter"]) if "adapter" in prompt else None
    if "tokens" in prompt:
        return {"prompt_token_ids": prompt["tokens"]}, adapter
    return {"prompt_embeds": _embeddings(prompt["rows"])}, adapter


def _embeddings(rows: list[int]) -> Any:
    """A row of random numbers for each seed, as wide as the models of models.py are."""
    import torch

    made = [torch.randn(256, generator=torch.Generator().manual_seed(seed)) for seed in rows]
    return torch.stack(made).to(torch.bfloat16)


if __name__ == "__main__":
    result = play(json.loads(Path(sys.argv[1]).read_text()))
    Path(sys.argv[2]).write_text(json.dumps(result))
