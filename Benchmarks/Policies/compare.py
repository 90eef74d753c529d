"""`make bench-policies`: our eviction policies beside libcachesim's, on one trace.

    compare.py [TRACE] [--host-blocks 1000,5000,...] [--json]

Ours are played by `kvbm replay` on the pool that a node has. libcachesim's caches know nothing of
prefixes, so the adapter asks for them: a request's hits end at its first miss, and its blocks are
used from the last to the first, so that tails go before heads. Exits with 1 when the recommended
policy has fewer hits than the best of the others at some capacity.
"""

import argparse
import gzip
import json
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import libcachesim

ROOT = Path(__file__).resolve().parents[2]
TRACE = ROOT / "Tests/ReplayTests/Traces/mooncake_conversation_trace.jsonl.gz"
OTHERS = [
    *("LRU", "LFU", "FIFO", "Clock", "SLRU", "TwoQ", "ARC", "LIRS"),
    *("S3FIFO", "Sieve", "WTinyLFU", "GDSF", "LeCaR", "Cacheus", "Hyperbolic", "LHD"),
]
RECOMMENDED = "forecast"
# Room for 2^18 objects: the library's default would take 128 MiB a cache.
HASH_POWER = 18


def read(path: Path) -> list[list[int]]:
    """The requests of a trace in Mooncake's format, as lists of block numbers."""
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    return [json.loads(line)["hash_ids"] for line in lines if line.strip()]


def other(name: str, path: Path, blocks: int) -> int:
    """The hits of one of libcachesim's policies, by the prefix rule."""
    cache = getattr(libcachesim, name)(blocks, hashpower=HASH_POWER)
    request = libcachesim.Request()
    request.obj_size = 1
    hits = 0
    for keys in read(path):
        for key in keys:
            request.obj_id = key
            if cache.find(request, update_cache=False) is None:
                break
            hits += 1
        for key in reversed(keys):
            request.obj_id = key
            cache.get(request)
    return hits


def ours(command: Path, path: Path, sizes: list[int]) -> list[dict]:
    """What `kvbm replay` says of all our policies."""
    arguments = ["replay", str(path), "--format", "mooncake", "--eviction", "all", "--json"]
    arguments += ["--host-blocks", ",".join(map(str, sizes))]
    done = subprocess.run(
        [str(command), *arguments], check=True, capture_output=True, text=True, timeout=300
    )
    return json.loads(done.stdout)["results"]


def main() -> int:
    """Plays everything, prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("trace", nargs="?", type=Path, default=TRACE)
    parser.add_argument("--host-blocks", default="1000,5000,10000,20000")
    parser.add_argument("--kvbm", type=Path, default=ROOT / "python/swift_kvbm/bin/kvbm")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    sizes = [int(size) for size in options.host_blocks.split(",")]
    started = time.monotonic()

    rows = ours(options.kvbm, options.trace, sizes)
    total = rows[0]["blocks"]
    rates = {(row["eviction"], row["host_blocks"]): row["hit_rate"] * 100 for row in rows}
    best = {row["host_blocks"]: row["optimal_hit_rate"] * 100 for row in rows}
    own = list(dict.fromkeys(row["eviction"] for row in rows))
    with ProcessPoolExecutor() as workers:
        tasks = {
            (name, size): workers.submit(other, name, options.trace, size)
            for name in OTHERS
            for size in sizes
        }
        for done, (key, task) in enumerate(tasks.items(), 1):
            rates[key] = task.result() / total * 100
            if sys.stderr.isatty():
                print(f"\r{done}/{len(tasks)} ", end="", file=sys.stderr, flush=True)

    leaders = {size: max((rates[name, size], name) for name in OTHERS) for size in sizes}
    if options.json:
        table = {
            name: {str(size): round(rates[name, size], 2) for size in sizes}
            for name in [*own, *OTHERS]
        }
        print(json.dumps({"hit_rates": table, "optimum": best, "seconds": elapsed(started)}))
    else:
        print_table(sizes, own, rates, best, leaders)
        print(f"\n{total:,} blocks needed, hits in percent of them; {elapsed(started)} s")
    return int(any(rates[RECOMMENDED, size] < leaders[size][0] for size in sizes))


def elapsed(started: float) -> float:
    """Seconds since then."""
    return round(time.monotonic() - started, 1)


def print_table(
    sizes: list[int],
    own: list[str],
    rates: dict[tuple[str, int], float],
    optimum: dict[int, float],
    leaders: dict[int, tuple[float, str]],
) -> None:
    """A line a policy, then what nobody can beat, and how far it is."""

    def line(name: str, cells: list[str]) -> None:
        print(f"{name:<24}" + "".join(f"{cell:>18}" for cell in cells))

    line("blocks", [f"{size:,}" for size in sizes])
    for name in [*own, *OTHERS]:
        where = "kvbm" if name in own else "libcachesim"
        line(f"{name} ({where})", [f"{rates[name, size]:.2f}" for size in sizes])
    line("best of libcachesim", [f"{leaders[size][1]} {leaders[size][0]:.2f}" for size in sizes])
    line("offline optimum", [f"{optimum[size]:.2f}" for size in sizes])
    line(
        f"{RECOMMENDED}, of optimum",
        [f"{rates[RECOMMENDED, size] / optimum[size] * 100:.1f} %" for size in sizes],
    )


if __name__ == "__main__":
    sys.exit(main())
