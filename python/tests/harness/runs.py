"""Runs of many seeds, and which ones."""

import os
from pathlib import Path
from typing import Any

from .play import Report, play

_COUNTS = (
    *("requests", "aborted", "steps", "checked_positions", "loaded_tokens"),
    *("loads", "synchronous_loads"),
    *("failed_blocks", "failed_loads", "accepted", "rejected"),
    *("preemptions", "deferred", "aborted_while_loading", "resets"),
)


def seeds(default: int, full: int) -> list[int]:
    """$KVBM_HARNESS_SEEDS ("40" for so many, "3,17" for these), or the default."""
    text = os.environ.get("KVBM_HARNESS_SEEDS", "")
    if "," in text:
        return [int(part) for part in text.split(",") if part.strip()]
    count = full if os.environ.get("KVBM_FULL") == "1" else default
    return list(range(int(text or count)))


def play_seeds(
    folder: Path, extra: dict[str, Any], which: list[int], **options: Any
) -> dict[str, int]:
    """Plays each seed, printing its report; the sums of all counts."""
    total = dict.fromkeys(_COUNTS, 0)
    for seed in which:
        report = _play_named(folder, extra, seed, options)
        print(report, flush=True)
        for name in _COUNTS:
            total[name] += getattr(report, name)
    return total


def _play_named(folder: Path, extra: dict[str, Any], seed: int, options: dict[str, Any]) -> Report:
    try:
        return play(folder, extra, seed, **options)
    except Exception as error:
        error.add_note(f"seed {seed}: KVBM_HARNESS_SEEDS={seed}, {options}")
        raise
