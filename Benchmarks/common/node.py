"""Asks a node that an engine started for its counters, through the command."""

import json
import subprocess
from pathlib import Path

COMMAND = Path(__file__).resolve().parents[2] / "python/swift_kvbm/bin/kvbm"
_TIMEOUT_SECONDS = 10


class Node:
    """The node whose socket is under a run-time directory (`XDG_RUNTIME_DIR` of its engine)."""

    def __init__(self, runtime_directory: str) -> None:
        self._directory = Path(runtime_directory)

    def counters(self) -> dict[str, int]:
        """The node's counters by name, in snake case; empty when no node answers."""
        sockets = sorted(self._directory.rglob("*.sock"))
        if not sockets:
            return {}
        done = subprocess.run(
            [COMMAND, "status", "--socket", sockets[0], "--json"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        return _numbers(json.loads(done.stdout)) if done.returncode == 0 else {}


def _numbers(value: dict) -> dict[str, int]:
    """All whole numbers of a JSON object and of the objects in it, by their own names."""
    found: dict[str, int] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            found.update(_numbers(item))
        elif isinstance(item, int) and not isinstance(item, bool):
            found[_snake_case(name)] = item
    return found


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
