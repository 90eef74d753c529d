"""Figures of single calls, and their table."""

from dataclasses import dataclass
from statistics import median
from typing import Any

from Benchmarks.common.figures import quantile


@dataclass(frozen=True)
class CallTimes:
    """One call, many times; microseconds."""

    count: int
    p50: float
    p99: float

    @classmethod
    def of(cls, nanoseconds: list[int]) -> "CallTimes":
        """The figures of these times."""
        ordered = [float(n) for n in nanoseconds]
        return cls(len(ordered), quantile(ordered, 0.5) / 1000, quantile(ordered, 0.99) / 1000)


@dataclass(frozen=True)
class Micro:
    """All of it."""

    round_trips: dict[str, CallTimes]
    matches: dict[str, CallTimes]
    # What the calls are made of.
    parts: dict[str, CallTimes]
    # Seconds of every start, by host capacity, the small one first.
    start_seconds: dict[str, list[float]]

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Micro":
        """What `asdict` and JSON made of it."""
        times = {
            name: {what: CallTimes(**figures) for what, figures in value[name].items()}
            for name in ("round_trips", "matches", "parts")
        }
        return cls(**times, start_seconds=value["start_seconds"])

    def table(self) -> list[tuple[str, ...]]:
        """All calls, then the starts."""
        matches = {f"match of 2,048 ready blocks, {name}": t for name, t in self.matches.items()}
        lines = [("", "count", "p50", "p99")]
        for what, times in {**self.round_trips, **matches, **self.parts}.items():
            lines.append((what, f"{times.count:,}", f"{times.p50:.1f} µs", f"{times.p99:.1f} µs"))
        for capacity, seconds in self.start_seconds.items():
            what = f"cold start with {capacity} of host memory, until a block is stored and found"
            figures = (f"{median(seconds) * 1000:.0f} ms", f"{max(seconds) * 1000:.0f} ms (most)")
            lines.append((what, f"{len(seconds)}", *figures))
        return lines
