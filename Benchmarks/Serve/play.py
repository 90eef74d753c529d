"""Plays one run: an engine in a process of its own, and what it left behind."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from Benchmarks.common import models
from Benchmarks.common.environment import BLOCK_TOKENS, ROOT, engine_environment
from Benchmarks.common.node import Node
from Benchmarks.Serve.plan import Part, Run
from Benchmarks.Serve.rivals import (
    RIVALS,
    TIMES_VARIABLE,
    Sizes,
    device_blocks,
    transfer_config,
)

# A run that takes longer hangs.
RUN_SECONDS_MAX = 900.0
# For a node to write what it still holds, and to end, after its engine has.
NODE_END_SECONDS = 30.0
LOG_LINES = 15


class RunFailed(Exception):
    """An engine did not get through; the text has the end of its log."""


class Player:
    """Plays runs one at a time, and keeps their files in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._references: dict[str, Path] = {}
        directory.mkdir(parents=True, exist_ok=True)

    def play(self, part: Part, run: Run) -> dict[str, Any]:
        """The run's passes and times. Raises RunFailed."""
        name = "-".join((run.part, run.rival, f"c{run.concurrency}", f"r{run.repeat}"))
        runtime = Path(tempfile.mkdtemp(prefix="kvbm-serve-"))
        # On the file system of the repository: a memory file system is no disk.
        store = Path(tempfile.mkdtemp(prefix="store-", dir=self.directory))
        try:
            return self._play(part, run, name, runtime, store)
        finally:
            shutil.rmtree(runtime, ignore_errors=True)
            shutil.rmtree(store, ignore_errors=True)

    def _play(self, part: Part, run: Run, name: str, runtime: Path, store: Path) -> dict:
        rival = RIVALS[run.rival]
        spec, result, log = (
            self.directory / f"{name}.{kind}" for kind in ("spec.json", "result.json", "log")
        )
        times = self.directory / f"{name}.times"
        for old in (result, *self.directory.glob(f"{times.name}.*")):
            old.unlink(missing_ok=True)
        spec.write_text(json.dumps(self._spec(part, run, name, runtime, store), indent=1))
        environment = {**engine_environment(runtime), TIMES_VARIABLE: str(times)}
        arguments = [sys.executable, "-m", "Benchmarks.common.engine_run", spec, result, log]
        try:
            self._run_engine(arguments, environment, log)
        finally:
            if rival.is_kvbm:
                _await_node_end(Node(str(runtime)))
        if run.repeat < 0:
            self._references[part.name] = result
        played = json.loads(result.read_text())
        played["times"] = {
            file.suffixes[-2].removeprefix("."): json.loads(file.read_text())
            for file in sorted(self.directory.glob(f"{times.name}.*.json"))
        }
        return played

    def _spec(self, part: Part, run: Run, name: str, runtime: Path, store: Path) -> dict:
        rival, scene = RIVALS[run.rival], part.scene
        largest = max((w for _, w in part.passes), key=lambda w: w.longest_tokens)
        sizes = Sizes.of(largest, scene.model)
        passes = part.passes[:1] if run.rival == "recompute" else part.passes
        reference = self._references.get(part.name)
        return {
            "label": name,
            "model": str(models.make(scene.model, self.directory / "models")),
            "dtype": models.SHAPES[scene.model].dtype,
            "block_tokens": BLOCK_TOKENS,
            "device_blocks": device_blocks(rival, largest, scene.model, run.concurrency),
            "prefix_caching": rival.prefix_caching,
            "passes": [{"name": name, "workload": asdict(w)} for name, w in passes],
            "concurrency": run.concurrency,
            "kv_transfer_config": transfer_config(rival, sizes, store, part.timed),
            "reference": str(reference) if reference else None,
            "runtime_directory": str(runtime) if rival.is_kvbm else None,
        }

    @staticmethod
    def _run_engine(arguments: list[Any], environment: dict[str, str], log: Path) -> None:
        """Runs to its end, within bounds; what it does not end itself is killed."""
        log.unlink(missing_ok=True)
        process = subprocess.Popen(
            arguments,
            env=environment,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = process.wait(RUN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            # The engine's own processes are in its session; its node is in another one.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if code != 0:
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            what = "hung" if code is None else f"ended with {code}"
            raise RunFailed("\n".join([f"the engine {what}; {log}:", *lines[-LOG_LINES:]]))


def _await_node_end(node: Node) -> None:
    """Waits until the engine's node has ended, and kills it if it does not."""
    deadline = time.monotonic() + NODE_END_SECONDS
    while pid := node.counters().get("pid"):
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.1)
