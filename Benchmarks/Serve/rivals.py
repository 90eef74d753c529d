"""The ways to serve that are compared, each as an engine's settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from Benchmarks.common import models
from Benchmarks.common.environment import BLOCK_TOKENS, PRESSURE
from Benchmarks.common.workload import Workload

# Where timed connectors write what they noted; without it they write nothing.
TIMES_VARIABLE = "SERVE_BENCH_TIMES"
MIB = 1 << 20
# Host tiers are larger than what is played, as they are where a cache is of use.
HOST_SHARE = 2.0
HOST_MIB_MIN = 256
# A staging tier is about as small as the device cache: the longest conversation fits it twice, once
# to be staged and once on its way to disk.
STAGING_SHARE = 2.0


@dataclass(frozen=True)
class Rival:
    """One way to serve; `connector` names a class of `timed`, less its prefix."""

    name: str
    title: str
    prefix_caching: bool = True
    plenty: bool = False
    connector: str = ""
    disk: bool = False
    # What it sets of its own.
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_kvbm(self) -> bool:
        """Whether it is swift-kvbm."""
        return self.connector == "KVBM"


RIVALS = {
    rival.name: rival
    for rival in (
        Rival("recompute", "recompute, no cache", prefix_caching=False),
        Rival("plenty", "vLLM prefix cache, plenty of memory", plenty=True),
        Rival("quarter", "vLLM prefix cache, a quarter"),
        Rival("example", "quarter + ExampleConnector", connector="Example"),
        Rival("offloading", "quarter + OffloadingConnector", connector="Offloading"),
        Rival("kvbm-host", "quarter + swift-kvbm, host", connector="KVBM"),
        Rival(
            *("kvbm-async", "quarter + swift-kvbm, host, asynchronous loads"),
            connector="KVBM",
            own={"synchronous_loads": "never"},
        ),
        Rival(
            *("kvbm-measured", "quarter + swift-kvbm, host, loads what is faster"),
            connector="KVBM",
            own={"load": "measured"},
        ),
        Rival("kvbm-disk", "quarter + swift-kvbm, disk only", connector="KVBM", disk=True),
    )
}

# Module, class and what is set beside them, of a connector as its users configure it.
_PLAIN: dict[str, tuple[str, str]] = {
    "KVBM": ("swift_kvbm.vllm", "KVBMConnector"),
    "Offloading": (
        "vllm.distributed.kv_transfer.kv_connector.v1.offloading_connector",
        "OffloadingConnector",
    ),
    "Example": (
        "vllm.distributed.kv_transfer.kv_connector.v1.example_connector",
        "ExampleConnector",
    ),
}


@dataclass(frozen=True)
class Sizes:
    """What a workload on a model needs, in bytes; caches are made to measure."""

    working_set: int
    longest: int

    @classmethod
    def of(cls, workload: Workload, model: str) -> "Sizes":
        """The sizes of this workload on this model."""
        token = models.SHAPES[model].kv_bytes_per_token
        return cls(workload.working_set_tokens * token, workload.longest_tokens * token)


def device_blocks(rival: Rival, workload: Workload, model: str, concurrency: int) -> int:
    """vLLM's device cache: a quarter of the working set, or all of it and what runs beside."""
    groups = models.SHAPES[model].groups
    if not rival.plenty:
        return groups * workload.device_blocks(BLOCK_TOKENS, PRESSURE, concurrency)
    running = workload.request_blocks(BLOCK_TOKENS) * (concurrency + 1)
    return groups * (workload.working_set_tokens // BLOCK_TOKENS + running)


def transfer_config(rival: Rival, sizes: Sizes, folder: Path, timed: bool) -> dict | None:
    """vLLM's `--kv-transfer-config`; files of a connector lie in `folder`."""
    if not rival.connector:
        return None
    module, name = _PLAIN[rival.connector]
    if timed:
        module, name = "Benchmarks.Serve.timed", f"Timed{rival.connector}"
    return {
        "kv_connector": name,
        "kv_connector_module_path": module,
        "kv_role": "kv_both",
        "kv_load_failure_policy": "recompute",
        "kv_connector_extra_config": _extra(rival, sizes, folder),
    }


def _extra(rival: Rival, sizes: Sizes, folder: Path) -> dict[str, Any]:
    host = max(HOST_MIB_MIN, _whole_mib(sizes.working_set * HOST_SHARE))
    if rival.connector == "Example":
        return {"shared_storage_path": str(folder)}
    if rival.connector == "Offloading":
        return {
            "spec_name": "HostMemorySpec",
            "spec_module_path": "Benchmarks.Serve.host_worker",
            "cpu_bytes_to_use": host * MIB,
        }
    if not rival.disk:
        return {"host": {"capacity": f"{host}MiB"}, **rival.own}
    staging = _whole_mib(max(sizes.longest * STAGING_SHARE, sizes.working_set / PRESSURE))
    return {
        "host": {"capacity": f"{staging}MiB"},
        "disk": {"path": str(folder), "capacity": f"{4 * host}MiB"},
    }


def _whole_mib(size: float) -> int:
    return -(-int(size) // MIB)
