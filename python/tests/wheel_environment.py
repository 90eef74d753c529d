"""Packing the wheel for tests, and an environment that has it and borrows everything else."""

import os
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

TOOL_SECONDS = 60


def pack(directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Packs the wheel of this checkout as `make wheel` does; standard output is its path."""
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "kvbm_wheel.py", directory],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=TOOL_SECONDS,
    )


def packed(directory: Path) -> Path:
    """The wheel of this checkout, which has to succeed."""
    done = pack(directory)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


class Environment:
    """A virtual environment of its own, which borrows vLLM and all that is not swift_kvbm."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        (site,) = (folder / "lib").glob("python*/site-packages")
        borrowed = next(path for path in sys.path if path.endswith("site-packages"))
        # By addsitedir, which comes after this environment's own packages and reads .pth files.
        (site / "borrowed.pth").write_text(f"import site; site.addsitedir({borrowed!r})\n")
        self.site = site

    def run(self, *command: object, **options: object) -> subprocess.CompletedProcess[str]:
        """Runs a program of this environment, without this checkout's packages on the path."""
        return subprocess.run(
            [self.bin / str(command[0]), *map(str, command[1:])],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **self.surroundings,
            **{"timeout": TOOL_SECONDS, **options},
        )

    @property
    def surroundings(self) -> dict[str, object]:
        """For subprocess: variables and a folder that do not lead to this checkout."""
        hidden = {"PYTHONPATH", "KVBM_BIN", "KVBM_LIBRARY"}
        environment = {k: v for k, v in os.environ.items() if k not in hidden}
        return {"env": environment | {"VLLM_LOGGING_LEVEL": "INFO"}, "cwd": self.site.parent}

    def install(self, wheel: Path) -> None:
        """Installs the wheel alone, with the pip of the interpreter that runs the tests."""
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python", "install"]
        flags = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *flags, wheel], check=True, timeout=TOOL_SECONDS)
