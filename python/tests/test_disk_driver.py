"""Who reads and writes the disk: a ring to the kernel, and threads where that is forbidden."""

import ctypes
import os
import re
import subprocess
import sys
from array import array

import numpy as np
import pytest
from golden import stored
from harness.nodes import Node

from swift_kvbm.node import node_binary

# What a container's seccomp profile does, before the command in its place begins: io_uring_setup
# (425 on every architecture) is answered with EPERM.
_FORBIDDEN = """
import ctypes, os, struct, sys
allow, refuse = 0x7FFF0000, 0x00050000 | 1
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, refuse), (0x06, 0, 0, allow)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
filter = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(program))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, filter, 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execv(sys.argv[1], sys.argv[1:])
"""
FORBIDDEN = [sys.executable, "-c", _FORBIDDEN]


def ring_is_allowed() -> bool:
    """Whether the kernel gives a ring to this process."""
    ring = ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(120))
    if ring >= 0:
        os.close(ring)
    return ring >= 0


def goes_and_comes_back(node: Node) -> None:
    """Stores blocks, and finds them, with their bytes, after host memory is gone."""
    tokens = array("I", range(64))
    device = stored.Device(node.socket)
    device.store(b"", tokens)
    device.close()
    assert node.stop() == 0
    node.start()
    device = stored.Device(node.socket)
    found = device.load(b"", tokens, 16)
    device.close()
    assert len(found) == 16
    for block, words in enumerate(found):
        assert np.array_equal(words, stored.block_bytes(b"", block))
    counters = node.counters()
    assert counters["blocks_staged"] == 16 and counters.get("disk_corrupt", 0) == 0


def test_without_io_uring_threads_serve_and_the_log_says_so_once(binaries, tmp_path):
    node = Node(tmp_path / "node", disk=tmp_path / "store", prefix=FORBIDDEN)
    assert node.status()["disk_driver"] == "threads"
    said = re.findall(
        "io_uring is not to be had here .Operation not permitted", node.log.read_text()
    )
    assert len(said) == 1
    goes_and_comes_back(node)
    assert node.stop() == 0


def test_a_ring_that_is_demanded_and_forbidden_is_refused_with_the_remedy(binaries, tmp_path):
    command = [*FORBIDDEN, node_binary(), "serve", "--socket", str(tmp_path / "s")]
    command += ["--host-capacity", "8MiB", "--disk-path", str(tmp_path / "store")]
    command += ["--disk-capacity", "64MiB", "--disk-driver", "io_uring"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 73
    assert "disk.driver: io_uring is not to be had here" in ended.stderr
    assert 'choose the driver "threads"' in ended.stderr


def test_a_driver_that_there_is_not_is_refused(binaries, tmp_path):
    command = [node_binary(), "serve", "--host-capacity", "8MiB", "--disk-driver", "uring"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 64
    assert 'it must be "auto", "io_uring" or "threads"' in ended.stderr


@pytest.mark.parametrize("driver", ["io_uring", "threads"])
def test_blocks_go_to_disk_and_come_back(binaries, tmp_path, driver):
    if driver == "io_uring" and not ring_is_allowed():
        pytest.skip("io_uring is forbidden here")
    node = Node(
        tmp_path / "node", disk=tmp_path / "store", environment={"KVBM_DISK_DRIVER": driver}
    )
    assert node.status()["disk_driver"] == driver
    goes_and_comes_back(node)
    assert node.stop() == 0


def test_doctor_says_what_a_forbidden_ring_costs(binaries):
    command = [*FORBIDDEN, node_binary(), "doctor", "--python", "/no/such"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    (line,) = (line for line in printed.splitlines() if " io_uring " in line)
    assert line.startswith("WARN") and "the disk tier uses threads" in line
