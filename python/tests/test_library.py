"""The native library against a real node, at the edges that vLLM itself rarely reaches."""

import ctypes
import hashlib
import json
import os
import subprocess
import time
from array import array

import pytest
from harness.nodes import Node

from swift_kvbm import _native
from swift_kvbm.geometry import Geometry, Group, Share
from swift_kvbm.handles import Engine, NativeScheduler, NativeWorker
from swift_kvbm.layout import LayerMemory
from swift_kvbm.node import node_binary

BLOCK_TOKENS = 4


@pytest.fixture
def node(binaries, tmp_path):
    started = Node(tmp_path / "node")
    yield started
    started.kill()


def engine(node: Node, **changes) -> Engine:
    group = Group("full", 2, 4, BLOCK_TOKENS, 2, "bfloat16", ("a", "b"))
    settings = {
        "socket_path": node.socket,
        "instance": os.urandom(8).hex(),
        "namespace": b'{"model":"edges"}',
        "geometry": Geometry((group,), BLOCK_TOKENS, 64, Share(0, group.head_count)),
        "worker_count": 1,
        "producer_engine": "test",
        "producer_device": "",
        "producer_attention": "",
    }
    return Engine(**{**settings, **changes})


@pytest.fixture
def sides(node):
    library = _native.Library(_native.library_path())
    described = engine(node)
    scheduler = NativeScheduler(library, described)
    worker = NativeWorker(library, described, 0, 1)
    assert worker.attach(5000)[0] == 0 and scheduler.attach(5000)[0] == 0
    yield scheduler, worker
    worker.close(True)
    scheduler.close(True)


class Device:
    """A worker's memory, on which all groups overlay: two layers of 64 blocks, `[block][head]`."""

    def __init__(self, worker: NativeWorker, groups: int) -> None:
        # Two heads of four tokens, sixteen bytes each.
        self.block_bytes = 2 * BLOCK_TOKENS * 16
        self.memory = (ctypes.c_uint8 * (2 * 64 * self.block_bytes))()
        base = ctypes.addressof(self.memory)
        layers = [
            LayerMemory(base + layer * 64 * self.block_bytes, self.block_bytes, 64, 16, 8)
            for layer in range(2)
        ]
        for group in range(groups):
            worker.register(group, layers, 64)

    def fill(self, block: int, value: int) -> None:
        """Both layers of a block, of one byte."""
        for start in self._starts(block):
            ctypes.memset(ctypes.addressof(self.memory) + start, value, self.block_bytes)

    def values(self, block: int) -> set[int]:
        """The bytes of a block."""
        return {
            value
            for start in self._starts(block)
            for value in self.memory[start : start + self.block_bytes]
        }

    def _starts(self, block: int) -> tuple[int, int]:
        return block * self.block_bytes, (64 + block) * self.block_bytes


def settle(scheduler: NativeScheduler, worker: NativeWorker) -> None:
    plan = scheduler.step(array("I"))
    worker.fence(plan)
    worker.start_loads(plan)
    worker.start_stores(plan)
    worker.drain(5000)


def match(scheduler: NativeScheduler, request: int, count: int, expected: int) -> int:
    """Ready blocks, asked for until there are as many as expected, or for a while."""
    deadline = time.monotonic() + 5
    ready = -1
    while ready != expected and time.monotonic() < deadline:
        ready = scheduler.match(request, 0, count)[0]
    return ready


def test_a_sliding_group_gets_the_blocks_of_its_window_alone(node):
    library = _native.Library(_native.library_path())
    full = Group("full", 2, 4, BLOCK_TOKENS, 2, "bfloat16", ("a", "b"))
    sliding = Group("sliding", 2, 4, BLOCK_TOKENS, 2, "bfloat16", ("c", "d"), window_tokens=6)
    geometry = Geometry((full, sliding), BLOCK_TOKENS, 64, Share(0, 2))
    described = engine(node, geometry=geometry)
    scheduler = NativeScheduler(library, described)
    worker = NativeWorker(library, described, 0, 1)
    device = Device(worker, 2)
    assert worker.attach(5000)[0] == 0 and scheduler.attach(5000)[0] == 0
    for block in range(1, 9):
        device.fill(block, block)
    absent = _native.NO_BLOCK

    request = scheduler.begin(b"", b"")
    scheduler.append(request, array("I", range(16)))
    with pytest.raises(_native.NativeError, match="KVBM_NO_BLOCK in group 0"):
        scheduler.store(request, 0, array("I", [absent, 2, 3, 4, 5, 6, 7, 8]))
    # The engine has let the first block of the window's group go.
    scheduler.store(request, 0, array("I", [1, 2, 3, 4, absent, 6, 7, 8]))
    settle(scheduler, worker)
    other = scheduler.begin(b"", b"")
    scheduler.append(other, array("I", range(16)))
    assert match(scheduler, other, 4, 4) == 4
    scheduler.load(other, 0, array("I", [11, 12, 13, 14, absent, absent, 17, 18]))
    settle(scheduler, worker)
    assert worker.poll() == [(other, 4, 4)]
    assert [device.values(block) for block in range(11, 19)] == [
        *({1}, {2}, {3}, {4}),
        *({0}, {0}, {7}, {8}),
    ]
    worker.close(True)
    scheduler.close(True)


def test_what_is_worth_keeping_is_checked_and_bounded(sides):
    scheduler, worker = sides
    request = scheduler.begin(b"", b"")
    for wrong, said in (
        ((3, 3, 90, 0, False), "there are none"),
        ((0, 4, 101, 0, False), "priority 101"),
        ((0, 4, 50, 0, True), "nothing is pinned for ever"),
    ):
        with pytest.raises(_native.NativeError, match=said):
            scheduler.retain(request, *wrong)
    for _ in range(_native.RETENTION_COUNT_MAX):
        scheduler.retain(request, 0, _native.NO_END, 90, 1000, True)
    with pytest.raises(_native.NativeError, match="more than 16 retentions"):
        scheduler.retain(request, 0, 4, 90, 0, False)
    with pytest.raises(_native.NativeError, match="-4"):
        scheduler.retain(request + 1, 0, 4, 90, 0, False)
    scheduler.expect_back(request, 60_000)
    with pytest.raises(_native.NativeError, match="-4"):
        scheduler.expect_back(request + 1, 1)
    # The node takes all of it with the request's first blocks, and serves on.
    Device(worker, 1)
    scheduler.append(request, array("I", range(8)))
    scheduler.store(request, 0, array("I", [1, 2]))
    settle(scheduler, worker)
    other = scheduler.begin(b"", b"")
    scheduler.append(other, array("I", range(8)))
    assert match(scheduler, other, 2, 2) == 2


def test_adapters_and_what_tokens_stand_for_isolate(sides):
    scheduler, worker = sides
    device = Device(worker, 1)
    device.fill(1, 1)

    def begin(adapter: bytes = b"", digest: bytes = b"") -> int:
        request = scheduler.begin(b"", b"", adapter=adapter)
        if digest:
            scheduler.content(request, 6, 3, digest)
        scheduler.append(request, array("I", range(12)))
        return request

    scheduler.store(begin(b"lora", b"cat"), 0, array("I", [1, 2, 3]))
    settle(scheduler, worker)
    assert match(scheduler, begin(b"lora", b"cat"), 3, 3) == 3
    assert scheduler.match(begin(b"lora", b"dog"), 0, 3) == (1, 0)
    assert scheduler.match(begin(b"lora"), 0, 3) == (1, 0)
    assert scheduler.match(begin(b"", b"cat"), 0, 3) == (0, 0)
    assert scheduler.match(begin(b"other", b"cat"), 0, 3) == (0, 0)
    with pytest.raises(_native.NativeError, match="before its first block is full"):
        scheduler.content(begin(), 11, 3, b"late")
    with pytest.raises(_native.NativeError, match="1 to 64 bytes"):
        scheduler.content(begin(), 12, 3, bytes(65))


def test_a_forked_child_finds_no_node_and_harms_nothing(sides):
    scheduler, worker = sides
    request = scheduler.begin(b"", b"")
    scheduler.append(request, array("I", range(8)))
    child = os.fork()
    if child == 0:
        # Nothing of pytest may run here.
        code = 1
        try:
            scheduler.match(request, 0, 2)
        except _native.NativeError as error:
            code = 0 if error.code == _native.UNAVAILABLE else 2
        scheduler.close(True)
        worker.close(True)
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert scheduler.match(request, 0, 2) == (0, 0)
    assert scheduler.state().attached and worker.state().attached


def test_one_step_offers_no_more_than_a_message_holds(sides):
    scheduler, _ = sides
    request = scheduler.begin(b"", b"")
    count = 70_000
    scheduler.append(request, array("I", range(count * BLOCK_TOKENS)))
    with pytest.raises(_native.NativeError, match="more than 65536 blocks"):
        scheduler.store(request, 0, array("I", [1]) * count)
    scheduler.store(request, 0, array("I", [1]) * 65_536)
    with pytest.raises(_native.NativeError, match="more than 65536 blocks"):
        scheduler.store(request, 65_536, array("I", [1]))
    assert scheduler.step(array("I"))
    assert scheduler.match(request, 0, count) is not None
    assert scheduler.state().attached


def test_keys_are_those_of_the_chain(sides):
    scheduler, _ = sides
    request = scheduler.begin(b"salt", b"")
    tokens = array("I", range(100, 100 + 4 * BLOCK_TOKENS + 1))
    scheduler.append(request, tokens)
    keys = scheduler.keys(request, 0, 4)
    assert len(keys) == 64 and scheduler.keys(request, 1, 2) == keys[16:48]
    assert scheduler.keys(request, 4, 0) == b""
    for block in range(1, 4):
        own = tokens[block * BLOCK_TOKENS : (block + 1) * BLOCK_TOKENS].tobytes()
        chained = hashlib.sha256(keys[16 * block - 16 : 16 * block] + own).digest()[:16]
        assert keys[16 * block : 16 * block + 16] == chained


def test_a_stale_request_and_a_range_beyond_its_blocks_are_refused(sides):
    scheduler, _ = sides
    request = scheduler.begin(b"", b"")
    with pytest.raises(_native.NativeError, match="not all full"):
        scheduler.match(request, 0, 1)
    with pytest.raises(_native.NativeError, match="not all full"):
        scheduler.keys(request, 0, 1)
    scheduler.end(request)
    with pytest.raises(_native.NativeError, match="not known"):
        scheduler.keys(request, 0, 0)
    with pytest.raises(_native.NativeError, match="not known"):
        scheduler.append(request, array("I", [1]))


def test_a_plan_that_was_cut_is_refused(sides):
    scheduler, worker = sides
    request = scheduler.begin(b"", b"")
    scheduler.append(request, array("I", range(8)))
    scheduler.store(request, 0, array("I", [1, 2]))
    plan = scheduler.step(array("I", [1]))
    for length in range(1, len(plan)):
        with pytest.raises(_native.NativeError, match="cannot be read"):
            worker.fence(plan[:length])


def test_a_tier_of_fewer_than_four_blocks_is_refused_with_its_key(binaries, tmp_path):
    node = Node(tmp_path / "small", host_capacity=2**20)
    group = Group("full", 8, 16, 1024, 2, "bfloat16", ("a",))
    described = engine(node, geometry=Geometry((group,), 1024, 4, Share(0, group.head_count)))
    library = _native.Library(_native.library_path())
    code, text = NativeScheduler(library, described).attach(5000)
    assert code == -7
    assert text.startswith("host.capacity is 1 MiB, which holds 1 blocks")
    assert node.stop() == 0


def test_a_request_is_explained_by_its_name(node, sides):
    scheduler, _ = sides
    request = scheduler.begin(b"", b"", "cmpl-7")
    scheduler.append(request, array("I", range(12)))
    assert scheduler.match(request, 0, 3) == (0, 0)
    told = explain(node, "cmpl-7")["requests"]
    assert len(told) == 1
    assert (told[0]["name"], told[0]["asked"], told[0]["ready"]) == ("cmpl-7", 3, 0)
    assert told[0]["first_missing"] == 0
    assert told[0]["reason"].startswith("it was never stored here")
    assert explain(node)["requests"][0]["name"] == "cmpl-7"
    assert explain(node, "cmpl-8", code=69) is None


def test_namespaces_are_shown_with_what_differs(node, sides):
    library = _native.Library(_native.library_path())
    other = NativeScheduler(library, engine(node, namespace=b'{"heads":[1,2],"model":"other"}'))
    assert other.attach(5000)[0] == 0
    namespaces = explain(node, "--namespaces")["namespaces"]
    assert {entry["description"] for entry in namespaces} == {
        '{"model":"edges"}',
        '{"heads":[1,2],"model":"other"}',
    }
    by_model = sorted(namespaces, key=lambda entry: "edges" not in entry["description"])
    digests = [entry["digest"][:16] for entry in by_model]
    command = [node_binary(), "explain", "--namespaces", *digests, "--socket", node.socket]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    assert shown.splitlines() == [
        "heads.0: (absent), 1",
        "heads.1: (absent), 2",
        'model: "edges", "other"',
    ]
    other.close(True)


def explain(node: Node, *arguments: str, code: int = 0) -> dict | None:
    command = [node_binary(), "explain", *arguments, "--socket", node.socket, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if code == 0 else None
