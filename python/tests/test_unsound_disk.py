"""A disk that does not give back what was written: the node says so, and serves host memory."""

import subprocess
from array import array
from pathlib import Path

import pytest
from golden import stored
from harness.nodes import Node

_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/types.h>

ssize_t pread(int fd, void *bytes, size_t count, off_t offset) {
  ssize_t (*next)(int, void *, size_t, off_t) = dlsym(RTLD_NEXT, "pread");
  ssize_t moved = next(fd, bytes, count, offset);
  if (moved > 65536) ((char *)bytes)[moved / 2] ^= 4;
  return moved;
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset) {
  return pread(fd, bytes, count, offset);
}
"""


@pytest.fixture
def shim(tmp_path) -> Path:
    source, library = tmp_path / "flip.c", tmp_path / "flip.so"
    source.write_text(_SOURCE)
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, timeout=120)
    return library


def test_a_disk_that_flips_bits_is_left_out_and_host_memory_serves(binaries, shim, tmp_path):
    disk = tmp_path / "store"
    node = Node(tmp_path / "node", disk=disk, environment={"LD_PRELOAD": str(shim)})
    (reason,) = node.status()["degraded"]
    assert "no disk tier" in reason and "came back with other bytes" in reason
    assert reason in node.log.read_text()
    assert not (disk / "kvbm-probe").exists()
    device = stored.Device(node.socket)
    tokens = array("I", range(32))
    device.store(b"", tokens)
    assert len(device.load(b"", tokens, 8)) == 8
    assert node.counters()["blocks_written"] == node.counters()["disk_exhausted"] == 0
    device.close()
    assert node.stop() == 0


def test_a_sound_disk_is_used(binaries, tmp_path):
    node = Node(tmp_path / "node", disk=tmp_path / "store")
    assert node.status()["degraded"] == []
    assert node.stop() == 0
