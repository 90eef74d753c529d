"""Handshakes as bytes: seen between library and node, and played back to either.

wire.py    writes wire-VERSION.json with the binaries of this checkout, once a version
"""

import contextlib
import json
import os
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from harness.nodes import Node  # noqa: E402

from golden.stored import engine  # noqa: E402
from swift_kvbm import _native  # noqa: E402
from swift_kvbm.handles import NativeScheduler, NativeWorker  # noqa: E402

INSTANCE = "golden"
MEBIBYTE = 2**20
_PACKET_BYTES_MAX = 64 * 1024
# Where a welcome without a refusal has the node's and the session's random numbers.
WELCOME_RANDOM = slice(16, 32)


def version_of(packet: bytes) -> int:
    """The protocol's version, which every greeting has at the same place."""
    return struct.unpack_from("<I", packet, 8)[0]


class FakeNode(contextlib.AbstractContextManager["FakeNode"]):
    """A socket that keeps what comes first and answers it with one packet, again and again."""

    def __init__(self, path: str, answer: bytes = b"") -> None:
        self.path, self.answer = path, answer
        self.packets: list[bytes] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(path)
        self._listener.listen(8)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                self.packets.append(client.recv(_PACKET_BYTES_MAX))
                if self.answer:
                    client.send(self.answer)

    def __exit__(self, *_: object) -> None:
        # Closing alone does not end an accept under way.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@contextlib.contextmanager
def sides(path: str) -> Iterator[tuple[NativeScheduler, NativeWorker]]:
    """Both halves of the golden engine, unattached."""
    library = _native.Library(_native.library_path())
    described = engine(path, instance=INSTANCE)
    scheduler, worker = NativeScheduler(library, described), NativeWorker(library, described, 0, 1)
    try:
        yield scheduler, worker
    finally:
        worker.close(True)
        scheduler.close(True)


def greetings(path: str) -> dict[str, bytes]:
    """What the library's halves send first."""
    with FakeNode(path) as node, sides(path) as (scheduler, worker):
        scheduler.attach(2000)
        worker.attach(2000)
    hello_scheduler, hello_worker = node.packets
    return {"hello_scheduler": hello_scheduler, "hello_worker": hello_worker}


def greet(path: str, hello: bytes) -> tuple[list[bytes], int]:
    """A node's answers to a greeting, and how many descriptors came with them."""
    packets, descriptors = [], 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(20)
        client.connect(path)
        client.send(hello)
        while len(packets) < 2:
            packet, came, _, _ = socket.recv_fds(client, _PACKET_BYTES_MAX, 4)
            if not packet:
                break
            packets.append(packet)
            descriptors += len(came)
            for descriptor in came:
                os.close(descriptor)
    return packets, descriptors


def refusal(welcome: bytes) -> str:
    """A welcome's refusal: a text behind its length, at the same place in every version."""
    (length,) = struct.unpack_from("<I", welcome, 12)
    return welcome[16 : 16 + length].decode()


def main() -> None:
    """Writes the handshake of this checkout's binaries beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        seen = greetings(f"{folder}/fake.sock")
        node = Node(Path(folder) / "node", MEBIBYTE)
        (welcome, memory), _ = greet(node.socket, seen["hello_scheduler"])
        node.stop()
    seen |= {"welcome": welcome, "memory": memory}
    target = Path(__file__).with_name(f"wire-{version_of(welcome)}.json")
    text = {name: packet.hex() for name, packet in seen.items()}
    target.write_text(json.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    main()
