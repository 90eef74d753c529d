"""All records as tables, and what was to be shown beside what was seen."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median, quantiles

from Benchmarks.Serve.plan import Part
from Benchmarks.Serve.records import PassFigures, Record, load_seconds_per_mib
from Benchmarks.Serve.rivals import RIVALS

Table = list[tuple[str, ...]]


@dataclass(frozen=True)
class Spread:
    """A figure over the repeats: the median and both quartiles."""

    middle: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """The spread of some values, at least one."""
        if len(values) < 2:
            return cls(values[0], values[0], values[0], 1)
        low, _, high = quantiles(values, n=4, method="inclusive")
        return cls(median(values), low, high, len(values))

    def text(self, scale: float = 1.0, digits: int = 1) -> str:
        """The median, with the quartiles when there are several values."""
        middle = f"{self.middle * scale:,.{digits}f}"
        if self.count < 2:
            return middle
        return f"{middle} ({self.low * scale:,.{digits}f}-{self.high * scale:,.{digits}f})"


class Report:
    """The records of a session, by part, rival and concurrency."""

    def __init__(self, parts: list[Part], records: list[Record]) -> None:
        self.parts = {part.name: part for part in parts}
        self.records = records

    def of(self, part: str, rival: str, concurrency: int) -> list[Record]:
        """The repeats of one rival."""
        wanted = (part, rival, concurrency)
        return [r for r in self.records if (r.part, r.rival, r.concurrency) == wanted]

    def spread(
        self, part: str, rival: str, concurrency: int, name: str, figure: str
    ) -> Spread | None:
        """A figure of a pass over the repeats; None when it was not played."""
        passes = [r.by_name(name) for r in self.of(part, rival, concurrency)]
        values = [getattr(p, figure) for p in passes if p is not None]
        return Spread.of(values) if values else None

    def concurrencies(self, part: str) -> list[int]:
        """How many requests at a time this part was played with."""
        return sorted({r.concurrency for r in self.records if r.part == part})

    def sections(self) -> Iterator[tuple[str, Table]]:
        """(heading, table) of everything that was measured on engines."""
        for part in self.parts.values():
            for concurrency in self.concurrencies(part.name):
                heading = f"{part.name}: {part.title}, {part.scene.model}, {concurrency} at a time"
                table = self._times(part, concurrency) if part.compared else self._speeds(part)
                yield heading, table
        hooks = self._hooks()
        if len(hooks) > 1:
            yield "Time in the connector, microseconds", hooks
        loads = self._loads()
        if len(loads) > 1:
            yield (
                "Asynchronous loads, from vLLM's taking them up until it hears of their end",
                loads,
            )

    def _times(self, part: Part, concurrency: int) -> Table:
        table: Table = [
            (
                *("", "pass 0 TTFT p50, ms", "p90", "pass 1 TTFT p50, ms", "p90"),
                *("prompt tok/s", "not computed", "outputs as recomputed"),
            )
        ]
        for name in part.rivals:
            records = self.of(part.name, name, concurrency)
            if not records:
                continue

            def cell(each: str, figure: str, scale: float, digits: int, rival: str = name) -> str:
                spread = self.spread(part.name, rival, concurrency, each, figure)
                return spread.text(scale, digits) if spread else ""

            last = records[0].passes[-1].name
            table.append(
                (
                    RIVALS[name].title,
                    cell("pass 0", "p50", 1000, 1),
                    cell("pass 0", "p90", 1000, 1),
                    cell("pass 1", "p50", 1000, 1),
                    cell("pass 1", "p90", 1000, 1),
                    cell(last, "prompt_tokens_per_second", 1, 0),
                    f"{median(r.passes[-1].cached_share for r in records):.0%}",
                    _outputs([p for r in records for p in r.passes]),
                )
            )
        return table

    def _speeds(self, part: Part) -> Table:
        table: Table = [("", "prompt tok/s", "generated tok/s")]
        (concurrency,) = self.concurrencies(part.name)
        for name in part.rivals:
            prompt = self.spread(
                part.name, name, concurrency, "prompts", "prompt_tokens_per_second"
            )
            decode = self.spread(
                part.name, name, concurrency, "decode", "generated_tokens_per_second"
            )
            if prompt and decode:
                table.append((RIVALS[name].title, prompt.text(digits=0), decode.text(digits=0)))
        return table

    def _hooks(self) -> Table:
        table: Table = [("", "", "what", "count", "p50", "p99")]
        for part, rival, concurrency in self._timed_keys():
            records = self.of(part, rival, concurrency)
            for what in records[0].hooks:
                seen = [r.hooks[what] for r in records if what in r.hooks]
                table.append(
                    (
                        f"{part}, {concurrency} at a time",
                        RIVALS[rival].title,
                        what,
                        f"{sum(h.count for h in seen):,}",
                        Spread.of([h.p50 for h in seen]).text(),
                        Spread.of([h.p99 for h in seen]).text(),
                    )
                )
        return table

    def _loads(self) -> Table:
        table: Table = [("", "", "count", "MiB a load", "ms a load", "ms a MiB")]
        for part, rival, concurrency in self._timed_keys():
            loads = [load for r in self.of(part, rival, concurrency) for load in r.loads]
            if not loads:
                continue
            table.append(
                (
                    f"{part}, {concurrency} at a time",
                    RIVALS[rival].title,
                    f"{len(loads):,}",
                    f"{median(size for _, size in loads) / (1 << 20):.2f}",
                    f"{median(seconds for seconds, _ in loads) * 1000:.2f}",
                    f"{load_seconds_per_mib(loads) * 1000:.3f}",
                )
            )
        return table

    def _timed_keys(self) -> list[tuple[str, str, int]]:
        keys = {(r.part, r.rival, r.concurrency) for r in self.records if r.hooks}
        order = list(RIVALS)
        return sorted(keys, key=lambda key: (key[0], key[2], order.index(key[1])))


def _outputs(passes: list[PassFigures]) -> str:
    """How exact a rival was over all its passes."""
    different, requests = sum(p.different for p in passes), sum(p.requests for p in passes)
    tokens = "all" if not different else f"all but {different} of {requests}"
    return f"{tokens}, log probabilities within {max(p.logprob_difference for p in passes):.1g}"


def plain(table: Table) -> str:
    """A table for the console."""
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    texts = [
        "  ".join(_aligned(cell, widths[i], i) for i, cell in enumerate(line)).rstrip()
        for line in table
    ]
    rule = "-" * max(map(len, texts))
    return "\n".join([rule, texts[0], rule, *texts[1:], rule])


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)


def markdown(table: Table) -> str:
    """A table for a document."""
    lines = [table[0], ("---",) * len(table[0]), *table[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def written(
    sections: list[tuple[str, Table]], form: Callable[[Table], str], heading: str = ""
) -> str:
    """All sections, each with its heading."""
    return "\n\n".join(f"{heading}{title}\n{form(table)}" for title, table in sections)
