"""Plays random workloads on an engine and says what came of it."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .config import MODEL_LENGTH_MAX
from .engine import Engine
from .model import VOCABULARY, mix

STALL_SECONDS_MAX = 60.0


@dataclass
class Report:
    """What happened in one run."""

    seed: int
    requests: int = 0
    aborted: int = 0
    steps: int = 0
    checked_positions: int = 0
    loads: int = 0
    # Those of them that were over before their step's forward pass.
    synchronous_loads: int = 0
    loaded_tokens: int = 0
    failed_blocks: int = 0
    # Those that failed as a whole.
    failed_loads: int = 0
    accepted: int = 0
    rejected: int = 0
    preemptions: int = 0
    # Answers "ask again later".
    deferred: int = 0
    aborted_while_loading: int = 0
    resets: int = 0
    outputs: dict[str, list[int]] = field(default_factory=dict)

    def __str__(self) -> str:
        counts = {k: v for k, v in vars(self).items() if k != "outputs"}
        return " ".join(f"{name}={value}" for name, value in counts.items())


@dataclass
class Workload:
    """Prompts with shared prefixes, some repeated, in a few salts."""

    rng: random.Random
    vocabulary: range = VOCABULARY

    def __post_init__(self) -> None:
        lengths = (150, 110, 70, 200)
        self.bases = [self._tokens(length) for length in lengths]
        self.seen: list[tuple[list[int], str]] = []

    def _tokens(self, count: int) -> list[int]:
        return [self.rng.choice(self.vocabulary) for _ in range(count)]

    def prompt(self) -> tuple[list[int], str, int]:
        """(tokens, salt, tokens to generate)"""
        rng = self.rng
        if self.seen and rng.random() < 0.45:
            tokens, salt = rng.choice(self.seen[-30:])
            if rng.random() < 0.3:
                tokens = tokens[: rng.randint(1, len(tokens))]
            # The same tokens under another salt are other KV.
            if rng.random() < 0.3:
                salt = rng.choice(("", "alice", "bob"))
        else:
            base = rng.choice(self.bases)
            tokens = base[: rng.randint(1, len(base))] + self._tokens(rng.randint(0, 60))
            salt = rng.choice(("", "", "alice", "bob"))
        self.seen.append((tokens, salt))
        limit = MODEL_LENGTH_MAX - len(tokens) - 1
        return tokens, salt, min(rng.choice((1, 4, 20, 40)), limit)


def play(
    folder: Path,
    extra: dict[str, Any],
    seed: int,
    *,
    requests: int = 60,
    on_step: Callable[[Engine], None] | None = None,
    resets: bool = True,
    live_max: int = 12,
    make: Callable[..., Engine] = Engine,
    **options: Any,
) -> Report:
    """One run under one seed. Raises when anything that the contract forbids happens."""
    rng = random.Random(seed)
    options.setdefault("asynchronous", rng.random() < 0.5)
    options.setdefault("second_runner", rng.random() < 0.5)
    # Every group has blocks of its own for each position, if only while its window covers it.
    groups = len(options["shape"].windows) if options.get("shape") else 1
    options.setdefault("block_count", rng.choice((22, 28, 44)) * groups)
    options.setdefault("max_num_batched_tokens", rng.choice((48, 96, 512)))
    options.setdefault("scheduler_reserve_full_isl", rng.random() < 0.3)
    engine = make(folder, extra, random.Random(seed + 1), **options)
    report = Report(seed)
    try:
        _run(engine, rng, report, requests, on_step, resets, live_max)
        _finish(engine, report)
    finally:
        engine.close()
    return report


def _run(
    engine: Engine,
    rng: random.Random,
    report: Report,
    requests: int,
    on_step: Callable[[Engine], None] | None,
    resets: bool,
    live_max: int,
) -> None:
    # Of its own: what is asked for does not depend on how fast it is answered.
    workload = Workload(random.Random(report.seed + 2))
    moved_at = time.monotonic()
    seen = (0, 0)
    while report.requests < requests or engine.live():
        if report.requests < requests and rng.random() < 0.35 and len(engine.live()) < live_max:
            engine.add(f"r{report.requests}", *workload.prompt())
            report.requests += 1
        if engine.live() and rng.random() < 0.02:
            _abort(engine, rng, report)
        if resets and rng.random() < 0.01:
            _reset(engine, rng, report)
        engine.step()
        if on_step is not None:
            on_step(engine)
        progress = (engine.model.checked_positions, len(engine.live()) + report.requests)
        if progress != seen:
            seen, moved_at = progress, time.monotonic()
        else:
            time.sleep(0.0005)
            if time.monotonic() - moved_at > STALL_SECONDS_MAX:
                raise AssertionError(f"stalled with {engine.live()}")


def _abort(engine: Engine, rng: random.Random, report: Report) -> None:
    victims = engine.live()
    loading = [i for i in victims if i in engine.promised and i not in engine.reported]
    # Loads are short: prefer them, or they are hardly ever hit.
    victim = rng.choice(loading or victims)
    status = engine.scheduler.requests[victim].status.name
    report.aborted_while_loading += status == "WAITING_FOR_REMOTE_KVS"
    engine.abort(victim)
    report.aborted += 1


def _reset(engine: Engine, rng: random.Random, report: Report) -> None:
    if rng.random() < 0.5:
        # vLLM's own cache only: whatever comes back comes from the node.
        engine.scheduler.reset_prefix_cache()
    else:
        report.resets += engine.new_weights(mix(report.seed * 1000 + report.resets + 1))


def _finish(engine: Engine, report: Report) -> None:
    """Lets the last loads of aborted requests end, then settles the accounts."""
    deadline = time.monotonic() + STALL_SECONDS_MAX
    while engine.step() or engine.scheduler.has_requests():
        assert time.monotonic() < deadline, "requests that never end"
        time.sleep(0.0005)
    report.steps = engine.steps
    report.checked_positions = engine.model.checked_positions
    report.synchronous_loads = engine.synchronous_loads
    report.loads = len(engine.promised) + engine.synchronous_loads
    report.loaded_tokens = engine.loaded_tokens
    report.failed_blocks, report.failed_loads = engine.failed_blocks, engine.failed_loads
    report.accepted, report.rejected = engine.model.accepted, engine.model.rejected
    report.preemptions = engine.preemptions
    report.deferred = engine.deferred
    report.outputs = engine.outputs
    assert sorted(engine.promised) == sorted(engine.reported), "a load was not reported once"
    assert engine.free_blocks() == engine.block_count - 1, "device blocks are still held"
    assert not engine.scheduler.requests
