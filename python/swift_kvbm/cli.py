"""The `kvbm` command on PATH: becomes the binary inside this package."""

import os
import sys
from pathlib import Path

# What a shell answers for a command that is not there, and for one that may not be run.
_EXIT_ABSENT = 127
_EXIT_REFUSED = 126


def main() -> int:
    """Replaces this process by `bin/kvbm`, with the same arguments; returns only when it cannot."""
    binary = Path(__file__).with_name("bin") / "kvbm"
    try:
        os.execv(binary, ["kvbm", *sys.argv[1:]])
    except FileNotFoundError:
        print(f"kvbm: {binary} is not there; in a checkout run `make build`", file=sys.stderr)
        return _EXIT_ABSENT
    except OSError as error:
        print(f"kvbm: {binary} cannot be run: {error.strerror}", file=sys.stderr)
        return _EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main())
