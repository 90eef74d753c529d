"""Runs engines one after the other, each in a process and with a run-time directory of its own."""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from Benchmarks.common import models
from Benchmarks.common.environment import BLOCK_TOKENS, PRESSURE, ROOT, engine_environment
from Benchmarks.common.workload import Workload

# Lines of a failed engine's log that are shown.
LOG_LINES = 15


class Engines:
    """All engines of one play: the same model, workload and device cache, in one directory.

    The first run without a reference becomes the reference of those that follow.
    """

    def __init__(self, model: str, workload: Workload, directory: Path) -> None:
        self.model = model
        self.workload = workload
        self.directory = directory
        self.store = directory / "store"
        self.device_blocks = workload.device_blocks(BLOCK_TOKENS, PRESSURE)
        self._model_path = models.make(model, directory / "models")
        self._runtime = Path(tempfile.mkdtemp(prefix="kvbm-demo-"))
        self._reference: Path | None = None

    def close(self) -> None:
        """Removes the run-time directories."""
        shutil.rmtree(self._runtime, ignore_errors=True)

    def connector_config(self) -> dict:
        """What vLLM is given as `--kv-transfer-config`: the working set fits host memory."""
        need = self.workload.working_set_tokens * models.SHAPES[self.model].kv_bytes_per_token
        host_mib = 64 * -(-int(need * 1.25) // (64 << 20))
        return {
            "kv_connector": "KVBMConnector",
            "kv_connector_module_path": "swift_kvbm.vllm",
            "kv_role": "kv_both",
            "kv_load_failure_policy": "recompute",
            "kv_connector_extra_config": {
                "host": {"capacity": f"{host_mib}MiB"},
                "disk": {"path": str(self.store), "capacity": "1GiB"},
            },
        }

    def play(self, label: str, passes: list[str], *, cache: bool, kvbm: bool) -> list[dict]:
        """Runs one engine over the passes and returns their records; exits if it fails.

        `cache` is vLLM's own prefix cache, `kvbm` the connector behind it.
        """
        # A run-time directory for each engine: none finds the node of an earlier one.
        runtime = self._runtime / label
        runtime.mkdir(mode=0o700)
        spec, result, log = (
            self.directory / f"{label}.{kind}" for kind in ("spec.json", "result.json", "log")
        )
        described = {
            "label": label,
            "model": str(self._model_path),
            "dtype": models.SHAPES[self.model].dtype,
            "block_tokens": BLOCK_TOKENS,
            "device_blocks": self.device_blocks,
            "prefix_caching": cache,
            "passes": [{"name": name, "workload": asdict(self.workload)} for name in passes],
            "kv_transfer_config": self.connector_config() if kvbm else None,
            "reference": str(self._reference) if self._reference else None,
            "runtime_directory": str(runtime) if kvbm else None,
        }
        spec.write_text(json.dumps(described, indent=1))
        done = subprocess.run(
            [sys.executable, "-m", "Benchmarks.common.engine_run", spec, result, log],
            env=engine_environment(runtime),
            cwd=ROOT,
            check=False,
        )
        if done.returncode != 0:
            tail = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            sys.exit("\n".join([f"the engine failed; {log} ends with:", *tail]))
        self._reference = self._reference or result
        return json.loads(result.read_text())["passes"]
