"""Small cgroups and large capacities: the node takes what fits, says so, and is not killed."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.nodes import Node
from harness.play import play
from test_library import engine

from swift_kvbm import _native
from swift_kvbm.handles import NativeScheduler, NativeWorker

MEBIBYTE = 2**20
GIBIBYTE = 2**30


def own_group(controllers: str) -> str | None:
    """This process's path in the hierarchy with these controllers."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controllers in names.split(","):
            return path.strip("/")
    return None


def make_group(limit_bytes: int) -> Path:
    """A memory cgroup below this process's own; skips where none can be made."""
    for base, controllers, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory", "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "", "memory.max"),
    ):
        path = own_group(controllers)
        if path is None:
            continue
        group = base / path / f"kvbm-test-{os.getpid()}-{time.monotonic_ns()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(limit_bytes))
            return group
        except OSError:
            group.rmdir()
    pytest.skip("no memory cgroup can be made here")


@pytest.fixture
def small_group() -> Iterator[Path]:
    group = make_group(160 * MEBIBYTE)
    yield group
    deadline = time.monotonic() + 20
    while True:
        try:
            group.rmdir()
            return
        except OSError:
            assert time.monotonic() < deadline, "processes are left in the cgroup"
            time.sleep(0.05)


def number(group: Path, *names: str) -> int:
    for name in names:
        if (group / name).exists():
            return int((group / name).read_text())
    raise AssertionError(f"none of {names} in {group}")


def kills(group: Path) -> int:
    """Processes of the group that the kernel has killed for memory."""
    for name in ("memory.events", "memory.oom_control"):
        if (group / name).exists():
            lines = dict(line.split() for line in (group / name).read_text().splitlines())
            return int(lines.get("oom_kill", 0))
    return 0


@pytest.mark.harness
def test_a_node_in_a_small_cgroup_serves_with_what_fits_and_is_not_killed(
    binaries, small_group, tmp_path
):
    node = Node(
        tmp_path / "node",
        host_capacity=2 * GIBIBYTE,
        disk=tmp_path / "disk",
        prefix=["/bin/sh", "-c", f'echo $$ > {small_group}/cgroup.procs && exec "$0" "$@"'],
        environment={"KVBM_HOST_RESERVE": "32MiB"},
    )
    try:
        first = play(tmp_path, node.extra, 1, resets=False)
        again = play(tmp_path, node.extra, 1, resets=False)
        assert first.failed_blocks == again.failed_blocks == 0 and again.loads > 0
        used = number(small_group, "memory.usage_in_bytes", "memory.current")
        assert used < 160 * MEBIBYTE
        assert kills(small_group) == 0 and node.process.poll() is None
        # An eighth of the capacity is wanted ahead, which is more than fits.
        said = node.log.read_text().count("less memory is left than its reserve")
        assert said == 1, node.log.read_text()[-3000:]
        status = node.status()
        assert 0 < status["host_populated_bytes"] <= 128 * MEBIBYTE
        assert any("less memory is left" in reason for reason in status["degraded"])
    finally:
        assert node.stop() == 0


@pytest.mark.harness
@pytest.mark.parametrize("version", [1, 2])
def test_without_room_for_an_extent_the_engine_serves_without_host_memory(
    binaries, tmp_path, version
):
    root = tmp_path / "root"
    names = {
        1: ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "4:memory"),
        2: ("sys/fs/cgroup", "memory.max", "memory.current", "0:"),
    }
    mount, limit, usage, hierarchy = names[version]
    texts = {
        "proc/meminfo": "MemAvailable: 8000000 kB\n",
        "proc/self/cgroup": f"{hierarchy}:/pod\n",
        f"{mount}/pod/{limit}": f"{300 * MEBIBYTE}\n",
        f"{mount}/pod/{usage}": f"{20 * MEBIBYTE}\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    node = Node(
        tmp_path / "node",
        host_capacity=100 * GIBIBYTE,
        environment={"KVBM_TEST_SYSTEM_ROOT": str(root)},
    )
    try:
        # 24 MiB are left beside the reserve of 256 MiB: less than an extent of 64 MiB.
        report = play(tmp_path, node.extra, 2, resets=False, requests=20)
        assert report.loads == 0 and report.failed_blocks == 0
        status = node.status()
        assert status["host_populated_bytes"] == 0
        assert any("less memory is left" in reason for reason in status["degraded"])
        assert node.log.read_text().count("less memory is left than its reserve") == 1
        # With more memory the tier begins. What is populated does not show in these files, so it
        # would go on to its capacity: one extent is enough to see.
        (root / f"{mount}/pod/{limit}").write_text(f"{400 * MEBIBYTE}\n")
        deadline = time.monotonic() + 20
        while True:
            play(tmp_path, node.extra, 2, resets=False, requests=5)
            if node.status()["host_populated_bytes"] > 0:
                break
            assert time.monotonic() < deadline
    finally:
        assert node.stop() == 0


def attach_seconds(folder: Path, capacity: int) -> float:
    """From the start of a node to an engine that is attached to it, with its first slots."""
    library = _native.Library(_native.library_path())
    started_at = time.monotonic()
    node = Node(folder, host_capacity=capacity)
    described = engine(node)
    scheduler = NativeScheduler(library, described)
    worker = NativeWorker(library, described, 0, 1)
    try:
        assert worker.attach(20_000)[0] == 0 and scheduler.attach(20_000)[0] == 0
        return time.monotonic() - started_at
    finally:
        worker.close(True)
        scheduler.close(True)
        assert node.stop() == 0


def test_a_large_capacity_costs_no_time_at_start(binaries, tmp_path):
    # More than the machine may have: what does not fit is not taken, and nobody waits for it.
    small, large = (
        min(attach_seconds(tmp_path / f"{capacity}-{turn}", capacity) for turn in range(3))
        for capacity in (GIBIBYTE, 100 * GIBIBYTE)
    )
    print(f"attached after {small:.3f} s with 1 GiB, {large:.3f} s with 100 GiB")
    assert large < small + 1.0
