"""From what a run left behind to its figures, and what is wrong with it."""

from dataclasses import dataclass, field
from statistics import median
from typing import Any

from Benchmarks.common.figures import first_token_difference, quantile
from Benchmarks.Serve.plan import Part, Run
from Benchmarks.Serve.rivals import RIVALS

# Less of pass 1 from caches than this, and a connector did not do what it is for.
CACHED_SHARE_MIN = 0.5


@dataclass(frozen=True)
class PassFigures:
    """One pass of one run; times in seconds."""

    name: str
    p50: float
    p90: float
    prompt_tokens_per_second: float
    generated_tokens_per_second: float
    # Share of the prompt tokens that were not computed.
    cached_share: float
    staged_blocks: int
    requests: int
    # Requests whose tokens differ from the reference.
    different: int
    # Largest difference of a first token's log probabilities from the reference.
    logprob_difference: float


@dataclass(frozen=True)
class HookTimes:
    """What a connector's hooks took; microseconds."""

    count: int
    p50: float
    p99: float


@dataclass(frozen=True)
class Record:
    """One run in figures."""

    part: str
    rival: str
    concurrency: int
    repeat: int
    start_seconds: float
    passes: tuple[PassFigures, ...]
    # By what was timed: "scheduler step", "worker step", "request".
    hooks: dict[str, HookTimes] = field(default_factory=dict)
    # Asynchronous loads as [seconds, bytes].
    loads: list[tuple[float, int]] = field(default_factory=list)

    def by_name(self, name: str) -> PassFigures | None:
        """The pass of this name, if it was played."""
        return next((p for p in self.passes if p.name == name), None)


def record(part: Part, run: Run, played: dict[str, Any], reference: dict[str, Any]) -> Record:
    """The figures of a run; its outputs are compared with the reference's by request."""
    scheduler, worker = played["times"].get("scheduler", {}), played["times"].get("worker", {})
    timed = {
        "scheduler step": scheduler.get("steps", []),
        "worker step": worker.get("steps", []),
        "request": scheduler.get("requests", []),
    }
    return Record(
        part=run.part,
        rival=run.rival,
        concurrency=run.concurrency,
        repeat=run.repeat,
        start_seconds=played["start_seconds"],
        passes=tuple(_pass(p, reference if part.compared else {}) for p in played["passes"]),
        hooks={name: _hook_times(values) for name, values in timed.items() if values},
        loads=[(spent / 1e9, size) for spent, size in scheduler.get("loads", [])],
    )


def faults(part: Part, figures: Record) -> list[str]:
    """What makes this run worth nothing; empty when it is sound."""
    found = []
    for each in figures.passes:
        if each.different and part.scene.tokens_comparable:
            found.append(f"{each.name}: {each.different} of {each.requests} outputs differ")
        if each.logprob_difference > part.scene.logprob_tolerance:
            found.append(
                f"{each.name}: first log probabilities differ by {each.logprob_difference:.4f}, "
                f"more than {part.scene.logprob_tolerance}"
            )
    rival, again = RIVALS[figures.rival], figures.by_name("pass 1")
    if again is not None and rival.connector:
        if again.cached_share < CACHED_SHARE_MIN:
            found.append(f"pass 1: only {again.cached_share:.0%} of the prompts was not computed")
        # With several at a time the device cache may hold what the disk would be asked for.
        if rival.disk and figures.concurrency == 1 and not again.staged_blocks:
            found.append("pass 1: nothing came from disk")
    return found


def load_seconds_per_mib(loads: list[tuple[float, int]]) -> float:
    """The median load's seconds for each MiB that it brought."""
    return median(seconds / (size / (1 << 20)) for seconds, size in loads)


def _pass(played: dict[str, Any], reference: dict[str, Any]) -> PassFigures:
    requests = played["requests"]
    times = [r["ttft"] for r in requests]
    prompt = sum(r["prompt_tokens"] for r in requests)
    known = {r["id"]: r for r in reference.get("requests", ())}
    pairs = [(r, known[r["id"]]) for r in requests if known]
    return PassFigures(
        name=played["name"],
        p50=quantile(times, 0.5),
        p90=quantile(times, 0.9),
        prompt_tokens_per_second=prompt / played["seconds"],
        generated_tokens_per_second=sum(len(r["tokens"]) for r in requests) / played["seconds"],
        cached_share=sum(r["cached_tokens"] for r in requests) / prompt,
        staged_blocks=played["counters"].get("blocks_staged", 0),
        requests=len(requests),
        different=sum(a["tokens"] != b["tokens"] for a, b in pairs),
        logprob_difference=max((first_token_difference(a, b) for a, b in pairs), default=0.0),
    )


def _hook_times(nanoseconds: list[int]) -> HookTimes:
    return HookTimes(
        len(nanoseconds), quantile(nanoseconds, 0.5) / 1000, quantile(nanoseconds, 0.99) / 1000
    )
