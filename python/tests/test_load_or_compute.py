"""A real node with a real disk that is slow at times: it loads only what is faster to load."""

import json
import subprocess
import time
from array import array
from pathlib import Path

import numpy as np
import pytest
from golden import stored
from harness.nodes import Node

from swift_kvbm.node import node_binary

SEQUENCES = 60
BLOCKS = 8
TOKENS = BLOCKS * stored.BLOCK_TOKENS
# What a token takes to compute: a millisecond, so a sequence 32.
TOKEN_NANOSECONDS = 1_000_000
SLOW_MICROSECONDS = 20_000
_RECOVERY_SECONDS_MAX = 90


def tokens(number: int) -> "array[int]":
    return array("I", range(1000 * number, 1000 * number + TOKENS))


@pytest.fixture(scope="module")
def shim(tmp_path_factory) -> Path:
    library = tmp_path_factory.mktemp("shim") / "slow_reads.so"
    source = Path(__file__).with_name("harness") / "slow_reads.c"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, timeout=120)
    return library


@pytest.fixture
def store(binaries, tmp_path) -> Path:
    """A disk store with all the sequences."""
    disk = tmp_path / "store"
    node = Node(tmp_path / "first", host_capacity=32 * 2**20, disk=disk)
    device = stored.Device(node.socket)
    for number in range(SEQUENCES):
        device.store(b"", tokens(number))
    device.close()
    deadline = time.monotonic() + 30
    while node.counters()["blocks_written"] < SEQUENCES * BLOCKS:
        assert time.monotonic() < deadline, "the blocks do not reach the disk"
        time.sleep(0.05)
    node.stop()
    return disk


class Engine:
    """An engine that computes a token in a millisecond, on a node whose disk has a throttle."""

    def __init__(self, folder: Path, shim: Path, disk: Path, load: str) -> None:
        folder.mkdir()
        self.throttle = folder / "microseconds"
        self.throttle.write_text("0")
        self.node = Node(
            folder / "node",
            disk=disk,
            environment={
                "LD_PRELOAD": str(shim),
                # The throttle is in pread, which a ring does not call.
                "KVBM_DISK_DRIVER": "threads",
                "SLOW_READS": str(self.throttle),
                "KVBM_LOAD": load,
            },
        )
        self.device = stored.Device(self.node.socket)
        self.next = 0
        for _ in range(8):
            count = 256
            self.device.scheduler.note_prefill(
                count, count * (count - 1) // 2, count * TOKEN_NANOSECONDS
            )
            self.load(-1)

    def load(self, number: int) -> int:
        """Asks for a sequence, and loads what is ready of it; its blocks are what they should."""
        blocks = self.device.load(b"", tokens(abs(number)), BLOCKS) if number >= 0 else []
        for index, block in enumerate(blocks):
            assert np.array_equal(
                block[..., : 2 * stored.HEAD_SIZE], stored.block_bytes(b"", index)
            )
        if number < 0:
            # Something has to be told, or the step needs no round trip.
            request, _ = self.device.begin(b"nobody", tokens(0))
            self.device.scheduler.end(request)
            self.device.scheduler.step(array("I"))
        return len(blocks)

    def load_new(self) -> int:
        """The same with one that nobody has asked for yet."""
        self.next += 1
        return self.load(self.next - 1)

    def waits(self) -> bool:
        """Whether a new sequence was waited for, when nothing else was on its way."""
        time.sleep(8 * SLOW_MICROSECONDS / 1e6)
        before = self.node.counters()["pending_blocks"]
        loaded = self.load_new()
        return self.node.counters()["pending_blocks"] > before or loaded > 0

    def close(self) -> None:
        self.device.close()
        self.node.kill()


def explanation(node: Node) -> dict:
    command = [node_binary(), "explain", "--socket", node.socket, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    return json.loads(done.stdout)["requests"][0]


def test_a_disk_slower_than_computing_is_left_alone_until_it_is_fast(shim, store, tmp_path):
    engine = Engine(tmp_path / "measured", shim, store, "measured")
    assert [engine.load_new() for _ in range(8)] == [BLOCKS] * 8
    engine.throttle.write_text(str(SLOW_MICROSECONDS))
    # At first it is noticed while a sequence is read; in the end nobody waits at all.
    while engine.waits():
        assert engine.next < 40, "a disk that takes longer than computing is still read"
    reason = explanation(engine.node)["reason"]
    assert "on disk, but slower than computing" in reason and "ms to compute" in reason
    # What is in host memory is not the disk's affair.
    assert engine.load(0) == BLOCKS
    counters = engine.node.counters()
    assert counters["positions_faster_than_disk"] >= BLOCKS
    assert counters["positions_faster_than_host"] == 0
    speeds = engine.node.status()["speeds"]
    slow = next(path for path in speeds["paths"] if path["way"] == "read")
    seconds = slow["fixed_seconds"] + BLOCKS * 8192 / slow["bytes_per_second"]
    # The load into the device is weighed as well.
    assert seconds > 0.75 * TOKENS * TOKEN_NANOSECONDS / 1e9
    (prefill,) = speeds["prefills"]
    assert 900 < prefill["tokens_per_second"] < 1100

    engine.throttle.write_text("0")
    refused = engine.next - 1
    deadline = time.monotonic() + _RECOVERY_SECONDS_MAX
    while engine.load(refused) < BLOCKS:
        assert time.monotonic() < deadline, "a disk that is fast again is not used"
        time.sleep(0.1)
    # What was measured of the slow disk may count for a trial more, on a busy machine.
    while engine.load_new() < BLOCKS:
        assert engine.next < SEQUENCES, "a disk that is fast again is not used"
        while engine.load(engine.next - 1) < BLOCKS:
            assert time.monotonic() < deadline, "a disk that is fast again is not used"
            time.sleep(0.1)
    assert engine.node.counters()["disk_trials"] > 0
    engine.close()


def test_with_always_a_slow_disk_is_read_all_the_same(shim, store, tmp_path):
    engine = Engine(tmp_path / "always", shim, store, "always")
    engine.throttle.write_text(str(SLOW_MICROSECONDS))
    assert [engine.load_new() for _ in range(24)] == [BLOCKS] * 24
    assert engine.node.counters()["positions_faster_than_disk"] == 0
    engine.close()
