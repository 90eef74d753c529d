"""Settings and their documentation agree: prints what does not, and then exits with 1.

Every KVBM_* variable that code or scripts read is named in docs/configuration.md or in
docs/testing.md, and every one that is named there is read. The same holds for the flags of
`kvbm serve`, which are taken from its source.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("docs/configuration.md", "docs/testing.md")
SERVE = (
    "Sources/Service/kvbm/ServeCommand.swift",
    "Sources/Service/kvbm/ObjectOptions.swift",
)
# Where a variable is read, and how it is spelled there.
READERS = (
    ("Sources/Service", "*.swift", r'"(KVBM_[A-Z_]+)"'),
    ("Sources/Node", "*.swift", r'"(KVBM_[A-Z_]+)"'),
    ("Sources/Client", "*.swift", r'"(KVBM_[A-Z_]+)"'),
    ("Sources/Testing", "*.swift", r'"(KVBM_[A-Z_]+)"'),
    ("Tests", "*.swift", r'"(KVBM_[A-Z_]+)"'),
    ("python/swift_kvbm", "*.py", r'"(KVBM_[A-Z_]+)"'),
    ("python/tests", "*.py", r'environ(?:\.get\(|\[)"(KVBM_[A-Z_]+)"'),
    ("scripts", "*.sh", r"\$\{(KVBM_[A-Z_]+):"),
)
# Not settings: passed on by a script, or the prefix of a family.
INTERNAL = {"KVBM_PART", "KVBM_TEST_", "KVBM_HARNESS_"}


def variables_read() -> set[str]:
    """Every variable that something in the repository reads."""
    found: set[str] = set()
    for folder, pattern, spelling in READERS:
        for path in (ROOT / folder).rglob(pattern):
            if "__pycache__" not in path.parts:
                found.update(re.findall(spelling, path.read_text()))
    return found - INTERNAL


def flags_of_serve() -> set[str]:
    """The flags that the command's source declares."""
    source = "\n".join((ROOT / name).read_text() for name in SERVE)
    names = re.findall(r"@(?:Option|Flag)\((?:.|\n)*?\)\n\s+var (\w+)", source)
    return {"--" + re.sub(r"[A-Z]", lambda m: "-" + m[0].lower(), name) for name in names}


def main() -> int:
    """Compares both ways; returns the exit code."""
    text = "\n".join((ROOT / name).read_text() for name in DOCUMENTS)
    settings = (ROOT / DOCUMENTS[0]).read_text().split("## Found elsewhere")[0]
    pairs = (
        (variables_read(), set(re.findall(r"`(KVBM_[A-Z_]+)`", text)), "the variable"),
        (flags_of_serve(), set(re.findall(r"`(--[a-z-]+)`", settings)), "the flag"),
    )
    found = 0
    for read, documented, what in pairs:
        for name in sorted(read - documented):
            print(f"{DOCUMENTS[0]}: {what} {name} is missing")
            found += 1
        for name in sorted(documented - read):
            print(f"{DOCUMENTS[0]}: {what} {name} is documented, and nothing reads it")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
