"""The rules of the house that no formatter checks. Prints what breaks them, and then exits with 1.

Source files: at most 400 lines of at most 100 characters, no tabs, no white space at a line's end,
a newline at the file's end, nothing left to do later, no call that ends a process on an I/O error.
Markdown: links inside the repository lead somewhere.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {".swift", ".c", ".h", ".py", ".sh"}
LINE_COUNT_MAX = 400
LINE_LENGTH_MAX = 100
# Spelled in two halves, so that this file passes its own check.
UNFINISHED = re.compile(r"\b(TO" + "DO|FIX" + r"ME|XX" + r"X)\b")
TRAPS = re.compile(r"\btry" + r"!|\bfatal" + r"Error\(")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def files() -> list[Path]:
    """Every file that git tracks or would track, where there is a git; else every file."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        hidden = {".git", ".venv", ".build", "build"}
        paths = [p for p in ROOT.rglob("*") if not hidden & set(p.relative_to(ROOT).parts)]
    return sorted(p for p in paths if p.is_file())


def source_faults(path: Path, text: str) -> Iterator[str]:
    """What is wrong with one source file, as `line: reason`."""
    lines = text.split("\n")
    if len(lines) - 1 > LINE_COUNT_MAX:
        yield f"1: {len(lines) - 1} lines, more than {LINE_COUNT_MAX}: split it by concern"
    if text and not text.endswith("\n"):
        yield f"{len(lines)}: no newline at the end"
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_LENGTH_MAX:
            yield f"{number}: {len(line)} characters, more than {LINE_LENGTH_MAX}"
        if line != line.rstrip():
            yield f"{number}: white space at the end"
        if "\t" in line:
            yield f"{number}: a tab"
        if UNFINISHED.search(line):
            yield f"{number}: unfinished work"
        if path.suffix == ".swift" and TRAPS.search(line) and "Tests" not in path.parts:
            yield f"{number}: ends the process; throw instead"


def link_faults(path: Path, text: str) -> Iterator[str]:
    """Links of one Markdown file that lead to no file here, as `line: reason`."""
    for number, line in enumerate(text.split("\n"), 1):
        for target in LINK.findall(line):
            if re.match(r"[a-z]+:|#", target):
                continue
            if not (path.parent / target.split("#")[0]).exists():
                yield f"{number}: the link {target} leads nowhere"


def main() -> int:
    """Checks every file; returns the exit code."""
    found = 0
    for path in files():
        if path.suffix in SOURCES:
            faults = source_faults(path, path.read_text())
        elif path.suffix == ".md":
            faults = link_faults(path, path.read_text())
        else:
            continue
        for fault in faults:
            print(f"{path.relative_to(ROOT)}:{fault}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
