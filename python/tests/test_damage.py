"""The disk store is damaged between runs, or full: no wrong byte is ever used, nothing dies."""

import json
import os
import random
import subprocess

import pytest
from harness.damage import DAMAGES, flipped
from harness.nodes import Node
from harness.runs import play_seeds, seeds

from swift_kvbm.node import node_binary

pytestmark = pytest.mark.faults

MEBIBYTE = 2**20
SEEDS = seeds(4, 20)
OPTIONS = {"resets": False, "requests": 40}
# Damage that the scan at start cannot see.
CAUGHT_WHEN_READ = {"flipped", "flipped_headers", "moved", "torn"}


def fill(tmp_path) -> None:
    """A first run, and a clean end of its node: everything that is kept is on disk."""
    node = Node(tmp_path / "first", host_capacity=MEBIBYTE, disk=tmp_path / "disk")
    play_seeds(tmp_path, node.extra, SEEDS, **OPTIONS)
    assert node.stop() == 0, node.log.read_text()[-3000:]


def again(tmp_path) -> dict[str, int]:
    """The same workload on a new node with the same disk; the node must live through it."""
    node = Node(tmp_path / "second", host_capacity=MEBIBYTE, disk=tmp_path / "disk")
    total = play_seeds(tmp_path, node.extra, SEEDS, **OPTIONS)
    assert node.process.poll() is None, node.log.read_text()[-3000:]
    counters = node.counters()
    print({name: value for name, value in counters.items() if value})
    total |= counters
    assert node.stop() == 0, node.log.read_text()[-3000:]
    return total


def verify(tmp_path) -> tuple[int, dict]:
    """`kvbm verify`: its exit code and what it says."""
    command = [node_binary(), "verify", "--disk", str(tmp_path / "disk"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout or "{}")


def first_hit(tmp_path, node: Node) -> int:
    """Tokens that the first request of a seed loads: nothing but the disk can have them."""
    return play_seeds(tmp_path, node.extra, SEEDS[:1], resets=False, requests=1)["loaded_tokens"]


def test_a_sound_store_comes_back(binaries, tmp_path):
    fill(tmp_path)
    assert verify(tmp_path)[0] == 0
    node = Node(tmp_path / "probe", host_capacity=MEBIBYTE, disk=tmp_path / "disk")
    assert first_hit(tmp_path, node) > 0
    assert node.stop() == 0
    total = again(tmp_path)
    assert total["loads"] > 0 and total["deferred"] > 0


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_a_damaged_store_costs_hits_and_nothing_else(binaries, tmp_path, damage):
    fill(tmp_path)
    DAMAGES[damage](tmp_path / "disk", random.Random(7))
    total = again(tmp_path)
    if damage in CAUGHT_WHEN_READ:
        assert total["corrupt_copies"] > 0, "no damaged block was ever read"
    # What is left was written by the second run, or is known to be damaged: it can be used on.
    again(tmp_path)


def test_verify_names_what_is_damaged(binaries, tmp_path):
    fill(tmp_path)
    flipped(tmp_path / "disk", random.Random(3))
    code, report = verify(tmp_path)
    assert code == 1 and report["damaged"] > 0
    assert len(report["damages"]) > 0


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a file system of its own cannot be mounted here (not root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_costs_hits_and_nothing_else(binaries, small_disk, tmp_path):
    fill(tmp_path)
    total = again(tmp_path)
    assert total["loads"] > 0


def test_a_disk_that_fills_up_while_it_is_used(binaries, small_disk, tmp_path):
    node = Node(tmp_path / "node", host_capacity=MEBIBYTE, disk=small_disk, disk_capacity=MEBIBYTE)
    play_seeds(tmp_path, node.extra, SEEDS[:2], **OPTIONS)
    (small_disk / "ballast").write_bytes(bytes(_room(small_disk)))
    play_seeds(tmp_path, node.extra, SEEDS, **OPTIONS)
    assert node.stop() == 0, node.log.read_text()[-3000:]


def _room(folder) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_bsize
