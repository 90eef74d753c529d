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
        disable_log_stats=True,
        dtype=job.get("dtype", "auto"),
        tensor_parallel_size=job.get("ranks", 1),
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
        )
        passes.append([_ask(engine, tokens, parameters) for tokens in job["prompts"]])
    engine.llm_engine.engine_core.shutdown()
    return {"passes": passes}


def _ask(engine: Any, tokens: list[int], parameters: Any) -> dict[str, Any]:
    (answer,) = engine.generate({"prompt_token_ids": tokens}, parameters, use_tqdm=False)
    (output,) = answer.outputs
    return {
        "tokens": list(output.token_ids),
        "cached": answer.num_cached_tokens or 0,
        "logprobs": [
            {str(token): entry.logprob for token, entry in step.items()} for step in output.logprobs
        ],
    }


if __name__ == "__main__":
    result = play(json.loads(Path(sys.argv[1]).read_text()))
    Path(sys.argv[2]).write_text(json.dumps(result))
