"""What serving is measured against: each bar beside what was seen. Noise is not a failure, so these
are told and not enforced.
"""

from dataclasses import dataclass

from Benchmarks.Serve.micro_report import Micro
from Benchmarks.Serve.plan import MODELS
from Benchmarks.Serve.records import load_seconds_per_mib
from Benchmarks.Serve.report import Report, Spread, Table

# Times of the host tier that a prompt from disk may take, and of one group's bytes that another
# model's may.
DISK_FACTOR = 2.0
GROUPS_FACTOR = 1.2
# Throughput that counts as not measurably lower.
THROUGHPUT_SHARE = 0.98
MATCH_MICROSECONDS = 150.0
ROUND_TRIP_MICROSECONDS = 50.0
START_SECONDS = 1.0


@dataclass(frozen=True)
class Bar:
    """A figure and what it should be at most."""

    what: str
    seen: str
    wanted: str
    verdict: str

    @classmethod
    def at_most(cls, what: str, seen: float, most: float, unit: str, digits: int = 2) -> "Bar":
        """Holds when `seen` is not above `most`."""
        verdict = "ok" if seen <= most else "MISSED"
        return cls(what, f"{seen:.{digits}f}{unit}", f"at most {most:g}{unit}", verdict)


def bars(report: Report, micro: Micro | None) -> list[Bar]:
    """Every bar for which there are figures."""
    found = [*_beside_offloading(report), *_disk(report), *_groups(report)]
    found += [*_models(report), *_throughput(report)]
    if micro is None:
        return found
    round_trip = min(micro.round_trips.values(), key=lambda t: t.p50)
    match = micro.matches["back to back"]
    found += [
        Bar.at_most("empty round trip, p50", round_trip.p50, ROUND_TRIP_MICROSECONDS, " µs", 1),
        Bar.at_most("match of 2,048 blocks, p50", match.p50, MATCH_MICROSECONDS, " µs", 1),
    ]
    if micro.start_seconds:
        small, large = (Spread.of(values).middle for values in micro.start_seconds.values())
        what = f"cold start, {' less '.join(reversed(list(micro.start_seconds)))}"
        found.append(Bar.at_most(what, large - small, START_SECONDS, " s"))
    return found


def table(found: list[Bar]) -> Table:
    """The bars as a table."""
    lines: Table = [("", "seen", "wanted", "")]
    return lines + [(bar.what, bar.seen, bar.wanted, bar.verdict) for bar in found]


def _beside_offloading(report: Report) -> list[Bar]:
    found = []
    for part in ("A", "B"):
        for concurrency in report.concurrencies(part):
            for name in ("pass 0", "pass 1"):
                for figure in ("p50", "p90"):
                    ours, theirs = (
                        report.spread(part, rival, concurrency, name, figure)
                        for rival in ("kvbm-host", "offloading")
                    )
                    if ours and theirs:
                        what = f"{part}, {concurrency} at a time, {name}, {figure}"
                        found.append(_no_worse(what, ours, theirs))
    return found


def _no_worse(what: str, ours: Spread, theirs: Spread) -> Bar:
    """Above in the median, but not beyond the repeats' spread, is neither better nor worse."""
    ratio = ours.middle / theirs.middle
    verdict = "ok" if ratio <= 1 else "ok, equal but for noise" if ours.low <= theirs.high else ""
    wanted = "at most 1 of OffloadingConnector's"
    return Bar(f"TTFT, {what}", f"{ratio:.2f}", wanted, verdict or "MISSED")


def _disk(report: Report) -> list[Bar]:
    found = []
    for part in ("A", "B"):
        for concurrency in report.concurrencies(part):
            disk, host = (
                report.spread(part, rival, concurrency, "pass 1", "p50")
                for rival in ("kvbm-disk", "kvbm-host")
            )
            if disk and host:
                what = f"disk by host, {part}, {concurrency} at a time, pass 1, p50"
                found.append(Bar.at_most(what, disk.middle / host.middle, DISK_FACTOR, ""))
    return found


def _groups(report: Report) -> list[Bar]:
    per_mib = []
    # With several groups all loads are asynchronous; of the others there are no times.
    for place in (("groups", "kvbm-host"), ("A", "kvbm-async")):
        ones = [r for r in report.records if (r.part, r.rival) == place]
        loads = [load for r in ones if r.concurrency == 1 for load in r.loads]
        if loads:
            per_mib.append(load_seconds_per_mib(loads))
    if len(per_mib) < 2:
        return []
    what = "time per byte, two groups by one"
    return [Bar.at_most(what, per_mib[0] / per_mib[1], GROUPS_FACTOR, "")]


def _models(report: Report) -> list[Bar]:
    """Every model's prompts come back faster than they are computed."""
    found = []
    for part in (*MODELS, "A", "B"):
        ours = report.spread(part, "kvbm-host", 1, "pass 1", "p50")
        computed = report.spread(part, "recompute", 1, "pass 0", "p50")
        if ours and computed:
            what = f"TTFT, {part}, pass 1 by recompute, p50"
            found.append(Bar.at_most(what, ours.middle / computed.middle, 1, ""))
    return found


def _throughput(report: Report) -> list[Bar]:
    found = []
    for concurrency in report.concurrencies("fresh"):
        for name, figure in (
            ("prompts", "prompt_tokens_per_second"),
            ("decode", "generated_tokens_per_second"),
        ):
            on, off = (
                report.spread("fresh", rival, concurrency, name, figure)
                for rival in ("kvbm-host", "quarter")
            )
            if on and off:
                share = on.middle / off.middle
                noise = on.high >= off.low
                verdict = "ok" if share >= THROUGHPUT_SHARE or noise else "MISSED"
                found.append(
                    Bar(
                        f"throughput of {name} with the connector by without",
                        f"{share:.3f}",
                        f"at least {THROUGHPUT_SHARE}, or not beyond noise",
                        verdict,
                    )
                )
    return found
