"""Stores that a release wrote: read by this one; what a later one wrote is left as it is."""

import json
import random
import struct
import subprocess
import tarfile
import time
from array import array
from pathlib import Path

import numpy as np
import pytest
from golden.make_store import LATER, MEBIBYTE, sorted_slots
from golden.stored import BLOCK_TOKENS, SEQUENCES, Device, block_bytes
from harness.nodes import Node

from swift_kvbm.node import node_binary

GOLDEN = Path(__file__).parent / "golden"
RELEASES = sorted(
    path.name.removeprefix("store-").removesuffix(".tar.xz")
    for path in GOLDEN.glob("store-*.tar.xz")
    if "later" not in path.name
)
SLOT_BYTES = 8192
# A release reads these, whatever it changes itself: blocks that were there, of each sequence.
COUNTS = {salt: len(tokens) // BLOCK_TOKENS for salt, tokens in SEQUENCES.items()}


@pytest.fixture
def unpacked(tmp_path):
    def unpack(name: str) -> Path:
        disk = tmp_path / "disk"
        with tarfile.open(GOLDEN / f"{name}.tar.xz") as archive:
            archive.extractall(disk, filter="data")
        for folder in (disk, *(path for path in disk.iterdir() if path.is_dir())):
            folder.chmod(0o700)
        return disk

    return unpack


@pytest.fixture
def started(binaries, tmp_path):
    nodes = []

    def start(disk: Path, **options) -> Node:
        folder = tmp_path / f"node{len(nodes)}"
        nodes.append(Node(folder, MEBIBYTE, disk, options.pop("capacity", MEBIBYTE), **options))
        return nodes[-1]

    yield start
    for node in nodes:
        node.kill()


def told(disk: Path, command: str, code: int = 0) -> dict:
    done = subprocess.run(
        [node_binary(), command, "--disk", str(disk), "--json"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def loaded(node: Node, salt: bytes, wanted: int) -> int:
    """How many leading blocks of a sequence came; every byte of them is what was stored."""
    device = Device(node.socket)
    try:
        blocks = device.load(salt, SEQUENCES[salt], wanted)
    finally:
        device.close()
    for index, found in enumerate(blocks):
        assert np.array_equal(found, block_bytes(salt, index)), f"block {index} is wrong"
    return len(blocks)


def test_there_is_a_store_of_a_release():
    assert RELEASES


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_s_store_is_read(unpacked, started, release):
    disk = unpacked(f"store-{release}")
    report = told(disk, "verify")
    assert report["damaged"] == 0 and report["intact"] == sum(COUNTS.values())
    node = started(disk)
    for salt, count in COUNTS.items():
        assert loaded(node, salt, count) == count
    assert node.stop() == 0


@pytest.mark.parametrize("release", RELEASES)
def test_a_wrong_byte_in_it_is_not_taken(unpacked, started, release):
    """That these tests can fail: the block that was changed, and all behind, are not there."""
    disk = unpacked(f"store-{release}")
    slots = [slot for slot in sorted_slots(disk) if slot[2] == 3]
    assert len(slots) == len(SEQUENCES)
    for path, offset, _, _ in slots:
        with open(path, "r+b") as file:
            file.seek(offset + 4096 + 5)
            byte = file.read(1)[0]
            file.seek(offset + 4096 + 5)
            file.write(bytes([byte ^ 1]))
    node = started(disk)
    for salt in SEQUENCES:
        assert loaded(node, salt, 3) == 3
    assert node.stop() == 0


@pytest.mark.parametrize("release", RELEASES)
def test_what_a_later_release_wrote_is_used_as_far_as_it_may_be_and_left_alone(
    unpacked, started, release
):
    disk = unpacked(f"store-{release}-later")
    unknown = sorted(set(LATER) - {2})
    assert told(disk, "verify")["other_version"] == len(unknown)
    before = strange(disk)
    assert len(before) == len(unknown)
    node = started(disk)
    # A bit that may be ignored is; the first one that may not ends the prefix.
    assert loaded(node, b"", unknown[0]) == unknown[0]
    assert loaded(node, b"alice", COUNTS[b"alice"]) == COUNTS[b"alice"]
    press(node)
    assert node.stop() == 0
    assert strange(disk) == before
    assert told(disk, "verify")["other_version"] == len(unknown)
    log = node.log.read_text()
    assert log.count(f"{len(unknown)} slots of another version are left alone") == 1, log


def press(node: Node) -> None:
    """Stores blocks of two shapes until every slot that may be used again was, many times."""
    rng = random.Random(1)
    devices = [Device(node.socket), Device(node.socket, b'{"golden":2}', head_size=24)]
    deadline = time.monotonic() + 60
    while node.counters()["disk_evictions"] <= 4 * MEBIBYTE // SLOT_BYTES:
        assert time.monotonic() < deadline, "the disk never fills"
        for device in devices:
            tokens = [rng.randrange(1 << 20) for _ in range(40 * BLOCK_TOKENS)]
            device.store(b"", array("I", tokens))
    for device in devices:
        device.close()


def strange(disk: Path) -> dict[tuple[str, int], bytes]:
    """The whole slots that this release may not touch, by file and offset."""
    found = {}
    for path, offset, _, _ in sorted_slots(disk):
        data = path.read_bytes()[offset : offset + int(path.name.split("-")[1])]
        version, incompatible = (struct.unpack_from("<I", data, place)[0] for place in (8, 16))
        if version != 1 or incompatible or struct.unpack_from("<H", data, 164)[0]:
            found[path.name, offset] = data
    return found


@pytest.mark.parametrize("release", RELEASES)
def test_a_store_of_a_later_form_is_left_alone_and_named(binaries, unpacked, tmp_path, release):
    disk = unpacked(f"store-{release}")
    marker = disk / "kvbm-store.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "format": 2}))
    before = everything(disk)
    command = [node_binary(), "serve", "--socket", str(tmp_path / "s"), "--host-capacity", "1MiB"]
    command += ["--disk-path", str(disk), "--disk-capacity", "1MiB"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = [line for line in done.stderr.splitlines() if "store format 2" in line]
    assert done.returncode != 0 and len(said) == 1, done.stderr
    assert "knows up to 1" in said[0] and "nothing was changed" in said[0]
    assert everything(disk) == before


def everything(disk: Path) -> dict[str, bytes]:
    files = (path for path in disk.rglob("*") if path.is_file() and path.name != "kvbm.lock")
    return {str(path): path.read_bytes() for path in files}
