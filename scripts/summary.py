"""Counts the tests of all suites from their reports: summary.py REPORTS SUITE...

Each suite left `SUITE.result` (exit code and seconds) and, where it is made of tests, an xUnit
`SUITE.xml`. A suite that failed without a failed test to show for it (it did not build, it crashed,
a sanitizer spoke) counts as one failure. Exits with 1 unless everything passed.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree


def count(report: Path) -> tuple[int, int, int, list[str]]:
    """Tests passed, failed and skipped in one xUnit file, and the names of those that failed."""
    passed = failed = skipped = 0
    names: list[str] = []
    for case in ElementTree.parse(report).iter("testcase"):
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            failed += 1
            names.append(f"{case.get('classname')}.{case.get('name')}")
        elif "skipped" in outcomes:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped, names


def main() -> int:
    """Prints one line a suite, what failed, and the totals."""
    reports, suites = Path(sys.argv[1]), sys.argv[2:]
    totals = [0, 0, 0]
    print()
    for suite in suites:
        code, seconds = map(int, (reports / f"{suite}.result").read_text().split())
        report = reports / f"{suite}.xml"
        passed, failed, skipped, names = count(report) if report.exists() else (0, 0, 0, [])
        if code and not failed:
            failed, names = 1, [f"{suite}: exit code {code}"]
        if not code and not report.exists():
            passed = 1
        totals = [a + b for a, b in zip(totals, (passed, failed, skipped), strict=True)]
        print(f"{suite:8} {passed:5} passed {failed:4} failed {skipped:4} skipped {seconds:6} s")
        for name in names:
            print(f"         failed: {name}")
    passed, failed, skipped = totals
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
