"""Real nodes for tests: started by hand, watched, and always ended."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from swift_kvbm.node import node_binary, somebody_listens

_START_SECONDS_MAX = 20.0
_running: list["Node"] = []


class Node:
    """One `kvbm serve` process that engines attach to by its socket."""

    def __init__(
        self,
        folder: Path,
        host_capacity: int | str = 8 * 2**20,
        disk: Path | None = None,
        disk_capacity: int = 64 * 2**20,
        environment: dict[str, str] | None = None,
        prefix: list[str] | None = None,
        flags: list[str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.socket = str(folder / "node.sock")
        self.log = folder / "node.log"
        self.command = [*(prefix or []), node_binary(), "serve", "--socket", self.socket]
        self.command += ["--host-capacity", str(host_capacity)]
        if disk is not None:
            self.command += ["--disk-path", str(disk), "--disk-capacity", str(disk_capacity)]
        self.command += flags or []
        self.environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None
        _running.append(self)
        self.start()

    @property
    def extra(self) -> dict[str, Any]:
        """The connector's configuration for this node."""
        return {"node": f"unix:{self.socket}", "weights_id": "harness"}

    def start(self) -> None:
        """Starts the process and waits until its socket answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS_MAX
        while not somebody_listens(self.socket):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the node did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.01)

    def status(self) -> dict[str, Any]:
        """What `kvbm status` tells."""
        command = [node_binary(), "status", "--socket", self.socket, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        return json.loads(done.stdout)

    def counters(self) -> dict[str, int]:
        """The node's counters."""
        return self.status()["counters"]

    def signal(self, number: int) -> None:
        """Sends a signal to the process."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """`kill -9`, and waits for the end."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def stop(self) -> int:
        """A clean end; the exit status."""
        assert self.process is not None
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def nodes_of(runtime: Path) -> list[int]:
    """Node processes whose socket lies in this folder, whoever started them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"\0serve\0" in command and os.fsencode(runtime) + b"/" in command:
                found.append(int(entry.name))
    return found


def stop_all(runtime: Path) -> None:
    """Ends what is left of a test session."""
    for node in _running:
        node.kill()
    _running.clear()
    for process in nodes_of(runtime):
        os.kill(process, signal.SIGKILL)
