"""What a run amounts to: figures of every pass, the table, the picture."""

from dataclasses import dataclass
from pathlib import Path

from Benchmarks.common.figures import first_token_difference, quantile

SOURCES = ("device", "host", "disk", "computed")


@dataclass(frozen=True)
class Row:
    """One pass in figures; times in seconds, the rest in tokens."""

    title: str
    p50: float
    p90: float
    tokens_per_second: float
    # Prompt tokens by where their KV came from, keyed by SOURCES.
    tokens: dict[str, int]
    requests: int
    # Requests whose tokens differ from the reference.
    different: int
    # Largest difference of a first token's log probabilities from the reference.
    logprob_difference: float

    def faster_than(self, other: "Row") -> float:
        """How many times lower this pass's median time to first token is."""
        return other.p50 / self.p50


def row(title: str, played: dict, reference: dict, block_tokens: int) -> Row:
    """The figures of one pass against the reference pass."""
    requests = played["requests"]
    known = {r["id"]: r for r in reference["requests"]}
    times = [r["ttft"] for r in requests]
    prompt = sum(r["prompt_tokens"] for r in requests)
    cached = sum(r["cached_tokens"] for r in requests)
    loaded = min(cached, played["counters"].get("blocks_loaded", 0) * block_tokens)
    staged = min(loaded, played["counters"].get("blocks_staged", 0) * block_tokens)
    return Row(
        title=title,
        p50=quantile(times, 0.5),
        p90=quantile(times, 0.9),
        tokens_per_second=prompt / played["seconds"],
        tokens={
            "device": cached - loaded,
            "host": loaded - staged,
            "disk": staged,
            "computed": prompt - cached,
        },
        requests=len(requests),
        different=sum(r["tokens"] != known[r["id"]]["tokens"] for r in requests),
        logprob_difference=max(first_token_difference(r, known[r["id"]]) for r in requests),
    )


def table(rows: list[Row]) -> str:
    """All rows as text; the first one is what the others are compared with."""
    head = ("", "TTFT p50", "p90", "vs first", "prompt tok/s", *SOURCES, "outputs equal")
    lines = [head]
    for r in rows:
        equal = "yes" if not r.different else f"NO, {r.different} of {r.requests} differ"
        lines.append(
            (
                r.title,
                f"{r.p50 * 1000:.1f} ms",
                f"{r.p90 * 1000:.1f} ms",
                f"{r.faster_than(rows[0]):.1f}x",
                f"{r.tokens_per_second:,.0f}",
                *(f"{r.tokens[s]:,}" for s in SOURCES),
                equal,
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = []
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        text.append("  ".join(cells).rstrip())
    rule = "-" * max(map(len, text))
    above = "prompt tokens by where their KV came from: columns device to computed"
    return "\n".join([above, rule, text[0], rule, *text[1:], rule])


def draw(rows: list[Row], path: Path, subtitle: str) -> None:
    """The picture: times to first token beside where the prompts' KV came from."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    ink, faint = "#22303c", "#8795a1"
    colours = {"device": "#9fb3c8", "host": "#2f7ed8", "disk": "#1b9e77", "computed": "#f28e2b"}
    pyplot.rcParams.update({"font.size": 10, "text.color": ink, "axes.labelcolor": ink})
    figure, (times, shares) = pyplot.subplots(
        1, 2, figsize=(12, 0.62 * len(rows) + 2.1), sharey=True, width_ratios=[1.15, 1]
    )
    places = range(len(rows))
    p50 = [r.p50 * 1000 for r in rows]
    p90 = [r.p90 * 1000 for r in rows]
    bars = [colours["host" if "swift-kvbm" in r.title else "device"] for r in rows]
    bars[0] = colours["computed"]
    times.hlines(places, p50, p90, color=faint, linewidth=1.4, zorder=2)
    times.barh(places, p50, color=bars, height=0.56, zorder=3)
    times.plot(p90, places, "|", color=faint, markersize=11, markeredgewidth=1.6, zorder=2)
    for i, r in enumerate(rows):
        text = f"{p50[i]:.1f} ms" + (f"   {r.faster_than(rows[0]):.1f}× lower" if i else "")
        times.text(p90[i] + max(p90) * 0.02, i, text, va="center")
    times.set_xlim(0, max(p90) * 1.42)
    times.set_yticks(places, [r.title for r in rows])
    times.invert_yaxis()
    times.set_xlabel("time to first token, ms (bar: p50, mark: p90)")
    left = [0.0] * len(rows)
    for source in SOURCES:
        share = [100 * r.tokens[source] / max(1, sum(r.tokens.values())) for r in rows]
        shares.barh(
            places, share, left=left, height=0.56, color=colours[source], label=source, zorder=3
        )
        left = [a + b for a, b in zip(left, share, strict=True)]
    shares.set_xlim(0, 100)
    shares.set_xlabel("share of prompt tokens by where their KV came from, %")
    shares.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False)
    for axes in (times, shares):
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#e4e9ee", zorder=0)
    figure.suptitle("Prompts seen before are loaded, not computed", x=0.01, ha="left", size=14)
    figure.text(0.01, 0.925, subtitle, color=faint, ha="left", va="top", size=9)
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    figure.savefig(path, dpi=160)
    pyplot.close(figure)
