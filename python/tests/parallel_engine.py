"""One real vLLM engine with data-parallel ranks: asks the ranks in turn, and writes the answers.

    python parallel_engine.py JOB.json RESULT.json

It ends as an engine does that vLLM ends by force: itself and all that descends from it, killed.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any


async def play(job: dict[str, Any]) -> None:
    """Every prompt on the rank that the job names, one after the other; does not come back."""
    from vllm import AsyncEngineArgs, SamplingParams
    from vllm.utils.system_utils import kill_process_tree
    from vllm.v1.engine.async_llm import AsyncLLM

    engine = AsyncLLM.from_engine_args(
        AsyncEngineArgs(
            model=job["model"],
            skip_tokenizer_init=True,
            enforce_eager=True,
            block_size=32,
            num_gpu_blocks_override=64,
            max_model_len=640,
            data_parallel_size=job["ranks"],
            kv_transfer_config=job["connector"],
        )
    )
    answers = []
    for index, (rank, tokens, fresh) in enumerate(job["asked"]):
        parameters = SamplingParams(
            max_tokens=8,
            temperature=0.0,
            ignore_eos=True,
            detokenize=False,
            skip_reading_prefix_cache=fresh,
        )
        prompt: Any = {"prompt_token_ids": tokens}
        stream = engine.generate(prompt, parameters, f"request-{index}", data_parallel_rank=rank)
        *_, last = [output async for output in stream]
        cached = last.num_cached_tokens or 0
        answers.append({"tokens": list(last.outputs[0].token_ids), "cached": cached})
    Path(sys.argv[2]).write_text(json.dumps({"answers": answers}))
    kill_process_tree(os.getpid())


if __name__ == "__main__":
    asyncio.run(play(json.loads(Path(sys.argv[1]).read_text())))
