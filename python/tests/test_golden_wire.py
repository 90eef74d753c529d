"""Recorded handshakes: node and library of one version understand them, of others say so once."""

import json
import time
from array import array
from pathlib import Path

import pytest
from golden.wire import (
    MEBIBYTE,
    WELCOME_RANDOM,
    FakeNode,
    greet,
    greetings,
    refusal,
    sides,
    version_of,
)
from harness.nodes import Node

from swift_kvbm import _native, attach
from swift_kvbm.supervisor import Supervisor

GOLDEN = Path(__file__).parent / "golden"


def recorded(version: int) -> dict[str, bytes]:
    text = json.loads((GOLDEN / f"wire-{version}.json").read_text())
    return {name: bytes.fromhex(packet) for name, packet in text.items()}


VERSIONS = sorted(int(path.stem.removeprefix("wire-")) for path in GOLDEN.glob("wire-[0-9]*.json"))
PRESENT = VERSIONS[-1]


# What a node understands: its own version, and the one before.
SPOKEN = [PRESENT - 1, PRESENT]
OTHERS = [PRESENT - 2, PRESENT + 1]


def of_other(version: int) -> dict[str, bytes]:
    """A handshake of another version: as it was recorded, or as any version's must look."""
    if version in VERSIONS:
        return recorded(version)
    # Magic and version stand where they stand; nothing else is promised.
    begin = recorded(PRESENT)["welcome"][:8] + version.to_bytes(4, "little")
    names = ("hello_scheduler", "hello_worker", "welcome")
    return dict.fromkeys(names, begin + b"\xff" * 60)


@pytest.fixture
def node(binaries, tmp_path):
    started = Node(tmp_path / "node", MEBIBYTE)
    yield started
    started.kill()


def test_the_library_s_greeting_is_the_recorded_one(binaries, tmp_path):
    """When this fails the version has to rise, and golden/wire.py to be run."""
    seen = greetings(str(tmp_path / "fake.sock"))
    assert version_of(seen["hello_scheduler"]) == PRESENT
    golden = recorded(PRESENT)
    for name, packet in seen.items():
        assert packet == golden[name], name


@pytest.mark.parametrize("version", SPOKEN)
def test_the_node_answers_in_its_version_and_in_the_one_before(node, version):
    golden = recorded(version)
    (welcome, memory), descriptors = greet(node.socket, golden["hello_scheduler"])
    assert memory == golden["memory"] and descriptors == 4
    assert welcome[WELCOME_RANDOM] != golden["welcome"][WELCOME_RANDOM]
    for part in (slice(0, WELCOME_RANDOM.start), slice(WELCOME_RANDOM.stop, None)):
        assert welcome[part] == golden["welcome"][part]


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("hello", ["hello_scheduler", "hello_worker"])
def test_a_library_of_another_version_hears_which_ones_speak(node, other, hello):
    greeting = of_other(other)[hello]
    (welcome,), descriptors = greet(node.socket, greeting)
    assert descriptors == 0 and version_of(welcome) == PRESENT
    theirs = version_of(greeting)
    assert refusal(welcome) == (
        f"the engine's library speaks version {theirs} of the protocol, this node, kvbm 0.1.0, "
        f"versions {SPOKEN[0]} to {SPOKEN[1]}; use one release of swift-kvbm for both"
    )
    assert node.log.read_text().count(refusal(welcome)) == 1
    # Everybody else is served.
    with sides(node.socket) as (scheduler, _):
        assert scheduler.attach(5000)[0] == _native.OK
    assert node.stop() == 0


@pytest.mark.parametrize("packet", [b"", b"KVBM", bytes(4000), b"KVBMHLO1", b"KVBMHLO1\2\0\0"])
def test_what_is_no_greeting_is_refused(node, packet):
    if packet:
        (welcome,), _ = greet(node.socket, packet)
        assert "this node, kvbm 0.1.0, cannot read the greeting" in refusal(welcome)
    with sides(node.socket) as (scheduler, _):
        assert scheduler.attach(5000)[0] == _native.OK


@pytest.mark.parametrize("other", [*OTHERS, PRESENT - 1])
def test_a_node_of_another_version_is_no_cache_and_one_line(binaries, tmp_path, heard, other):
    welcome = of_other(other)["welcome"]
    path = str(tmp_path / "fake.sock")
    with FakeNode(path, welcome) as fake, sides(path) as (scheduler, _):
        supervisor = Supervisor("scheduler", scheduler, None)
        began = time.monotonic()
        supervisor.start()
        assert not supervisor.wait_attached(attach.START_WAIT_SECONDS)
        # Nobody waits for a node that has said no; and it is not asked every moment.
        assert time.monotonic() - began < attach.START_WAIT_SECONDS / 2
        time.sleep(1.0)
        request = scheduler.begin(b"", b"")
        scheduler.append(request, array("I", range(8)))
        assert scheduler.match(request, 0, 2) == (0, 0)
        assert supervisor.lost_code == _native.PROTOCOL
        assert supervisor.stop()
        assert len(fake.packets) <= 4
    (said,) = heard()
    assert said == (
        f"KVBM: the scheduler has no node (the node speaks version {version_of(welcome)} of the "
        f"protocol, this library version {PRESENT}; use one release of swift-kvbm for both): the "
        "engine goes on without cache and tries again"
    )
