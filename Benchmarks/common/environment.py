"""What every process of a benchmark is given."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK_TOKENS = 32
# The working set is this many times the device cache.
PRESSURE = 4.0


def engine_environment(runtime: Path) -> dict[str, str]:
    """An engine process's environment: small, quiet, no network, the connector on its path."""
    own = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "INFO",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'python'}",
        "XDG_RUNTIME_DIR": str(runtime),
    }
    if "OMP_NUM_THREADS" not in os.environ:
        # One core for the engine's scheduler and the node: compute threads that wait for each other
        # are slower than fewer of them.
        own["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) - 1))
    # What a user has set for engines of his own is none of the benchmark's.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("KVBM_")}
    return {**inherited, **own}
