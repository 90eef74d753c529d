"""Runs engines one after the other, each in a process and with a run-time directory of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import models
from workload import Workload

ROOT = Path(__file__).resolve().parents[2]
BLOCK_TOKENS = 32
# The working set is this many times the device cache.
PRESSURE = 4.0
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
            "workload": asdict(self.workload),
            "block_tokens": BLOCK_TOKENS,
            "device_blocks": self.device_blocks,
            "prefix_caching": cache,
            "passes": passes,
            "kv_transfer_config": self.connector_config() if kvbm else None,
            "reference": str(self._reference) if self._reference else None,
            "runtime_directory": str(runtime) if kvbm else None,
        }
        spec.write_text(json.dumps(described, indent=1))
        done = subprocess.run(
            [sys.executable, ROOT / "Benchmarks/Demo/engine_run.py", spec, result, log],
            env=_environment(runtime),
            check=False,
        )
        if done.returncode != 0:
            tail = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            sys.exit("\n".join([f"the engine failed; {log} ends with:", *tail]))
        self._reference = self._reference or result
        return json.loads(result.read_text())["passes"]


def _environment(runtime: Path) -> dict[str, str]:
    """An engine process's environment: small, quiet, no network, the connector on its path."""
    own = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "INFO",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(ROOT / "python"),
        "XDG_RUNTIME_DIR": str(runtime),
    }
    if "OMP_NUM_THREADS" not in os.environ:
        # One core for the engine's scheduler and the node: compute threads that wait for each other
        # are slower than fewer of them.
        own["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) - 1))
    # What a user has set for engines of his own is none of the demo's.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("KVBM_")}
    return {**inherited, **own}
