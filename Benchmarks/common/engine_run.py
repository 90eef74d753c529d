"""Plays the workload on one vLLM engine, in a process of its own, and records every request.

    python -m Benchmarks.common.engine_run SPEC.json RESULT.json LOG

Standard output is the progress, a line a round; whatever the engine prints goes to LOG. The engine
is ended in good order, so that a node that it started ends too.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from Benchmarks.common.node import Node
from Benchmarks.common.workload import Conversations, Workload

TOP_LOGPROBS = 5
# Share of the machine's memory that the engine may count on; it needs a small part of it.
MEMORY_SHARE = 0.25
# An engine that is given less is killed on a busy machine, and its node waits for another one.
ENGINE_END_SECONDS = 60
# Lengths of the requests before the first measured one: compile, allocate, attach.
WARM_UP_TOKENS = (64, 300)
WARM_UP_GENERATED = 16


@dataclass
class Spec:
    """What to run; the fields are the keys of SPEC.json."""

    label: str
    model: str
    dtype: str
    block_tokens: int
    device_blocks: int
    prefix_caching: bool
    # What to play, in this order: each has a `name` and the fields of its `workload`.
    passes: list[dict]
    # Requests at a time.
    concurrency: int = 1
    kv_transfer_config: dict | None = None
    # Result whose generated tokens continue the conversations; absent for the reference itself.
    reference: str | None = None
    # Where the engine's node has its socket: it is asked for its counters around every pass.
    runtime_directory: str | None = None


class Run:
    """One engine and the passes that are played on it."""

    def __init__(self, spec: Spec, progress) -> None:
        self.spec = spec
        self.passes = [(p["name"], Workload(**p["workload"])) for p in spec.passes]
        self.places = asyncio.Semaphore(spec.concurrency)
        self.progress = progress
        self.node = Node(spec.runtime_directory) if spec.runtime_directory else None
        self.reference = None
        if spec.reference:
            passes = json.loads(Path(spec.reference).read_text())["passes"]
            self.reference = {r["id"]: r["tokens"] for r in passes[0]["requests"]}

    def say(self, text: str) -> None:
        """One line of progress."""
        print(f"  [{self.spec.label}] {text}", file=self.progress, flush=True)

    async def play(self) -> dict:
        """Starts the engine, plays all passes, ends the engine; returns the result."""
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        self.say("starting the engine")
        started = time.perf_counter()
        arguments = AsyncEngineArgs(
            model=self.spec.model,
            # As it is: "auto" takes bfloat16 for a model of float32.
            dtype=self.spec.dtype,
            skip_tokenizer_init=True,
            enforce_eager=True,
            block_size=self.spec.block_tokens,
            num_gpu_blocks_override=self.spec.device_blocks,
            max_model_len=max(w.longest_tokens for _, w in self.passes) + self.spec.block_tokens,
            enable_prefix_caching=self.spec.prefix_caching,
            kv_transfer_config=self.spec.kv_transfer_config,
            # Of the memory that is free at start: other processes use it as well.
            gpu_memory_utilization=MEMORY_SHARE,
        )
        self.engine = AsyncLLM.from_engine_args(arguments)
        try:
            for count in WARM_UP_TOKENS:
                await self.request(f"warm-{count}", [7] * count, WARM_UP_GENERATED)
            start_seconds = time.perf_counter() - started
            self.say(f"engine ready after {start_seconds:.0f} s")
            passes = [await self.play_pass(*each) for each in self.passes]
        finally:
            self.engine.shutdown(timeout=ENGINE_END_SECONDS)
        return {"label": self.spec.label, "start_seconds": start_seconds, "passes": passes}

    async def play_pass(self, name: str, workload: Workload) -> dict:
        """All turns of all conversations, `concurrency` requests at a time."""
        conversations = Conversations(workload)
        before = self.node.counters() if self.node else {}
        requests: list[dict] = []
        started = time.perf_counter()
        for turn in range(workload.turns):
            turns = (
                self.play_turn(name, workload, c, turn, conversations.ask(c, turn))
                for c in range(workload.conversations)
            )
            played = await asyncio.gather(*turns)
            for c, result in enumerate(played):
                tokens = self.reference[result["id"]] if self.reference else result["tokens"]
                conversations.answer(c, tokens)
            requests += played
            self.say(self.describe_round(f"{name}, round {turn + 1} of {workload.turns}", played))
        seconds = time.perf_counter() - started
        after = self.node.counters() if self.node else {}
        counters = {k: v - before.get(k, 0) for k, v in after.items()}
        return {"name": name, "seconds": seconds, "requests": requests, "counters": counters}

    async def play_turn(
        self, name: str, workload: Workload, conversation: int, turn: int, prompt: list[int]
    ) -> dict:
        """One request, once there is a place for it."""
        key = f"c{conversation}t{turn}"
        async with self.places:
            result = await self.request(f"{name}-{key}", prompt, workload.generated_tokens)
        return {"id": key, **result}

    @staticmethod
    def describe_round(title: str, played: list[dict]) -> str:
        """One round in a line."""
        first = statistics.median(r["ttft"] for r in played) * 1000
        prompt = sum(r["prompt_tokens"] for r in played)
        cached = sum(r["cached_tokens"] for r in played)
        return (
            f"{title}: {len(played)} requests, "
            f"TTFT p50 {first:.1f} ms, {cached:,} of {prompt:,} prompt tokens not computed"
        )

    async def request(self, request_id: str, prompt: list[int], generated: int) -> dict:
        """One greedy request from its arrival to its last token."""
        from vllm import SamplingParams

        sampling = SamplingParams(
            max_tokens=generated,
            temperature=0,
            ignore_eos=True,
            detokenize=False,
            logprobs=TOP_LOGPROBS,
        )
        started = time.perf_counter()
        first = last = None
        async for output in self.engine.generate(
            {"prompt_token_ids": prompt}, sampling, request_id
        ):
            first = first or time.perf_counter()
            last = output
        completion = last.outputs[0]
        return {
            "prompt_tokens": len(prompt),
            "cached_tokens": last.num_cached_tokens or 0,
            "ttft": first - started,
            "tokens": list(completion.token_ids),
            "logprobs": [
                {str(token): p.logprob for token, p in step.items()} for step in completion.logprobs
            ],
        }


def main() -> None:
    """Reads the specification, plays it, writes the result."""
    spec_path, result_path, log_path = sys.argv[1:4]
    progress = os.fdopen(os.dup(1), "w")
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    run = Run(Spec(**json.loads(Path(spec_path).read_text())), progress)
    Path(result_path).write_text(json.dumps(asyncio.run(run.play())))


if __name__ == "__main__":  # the engine's process imports this file again
    main()
