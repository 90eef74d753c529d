"""What the golden stores hold, and an engine of two halves that stores and loads it.

Golden files outlive the code that made them: nothing here may change what it says of them.
"""

import os
import time
from array import array

import numpy as np

from swift_kvbm import _native
from swift_kvbm.geometry import Geometry, Group, Share
from swift_kvbm.handles import Engine, NativeScheduler, NativeWorker
from swift_kvbm.layout import LayerMemory

BLOCK_TOKENS, HEADS, HEAD_SIZE, LAYERS = 4, 2, 8, 3
ELEMENT_BYTES = 2
BLOCK_COUNT = 64
NAMESPACE = b'{"golden":1,"model":"tiny"}'
# The sequences of the store: salt -> tokens. Two begin alike, and share nothing.
SEQUENCES = {
    b"": array("I", range(100, 132)),
    b"alice": array("I", [*range(100, 116), *range(7, 23)]),
}
_TIMEOUT_SECONDS = 30.0


def block_bytes(salt: bytes, block: int) -> np.ndarray:
    """The KV of one block, [layer][head][token][K|V and element], as 16-bit words."""
    count = LAYERS * HEADS * BLOCK_TOKENS * 2 * HEAD_SIZE
    words = np.arange(count, dtype=np.uint32) + 100_003 * (block + 1) + 7_919 * sum(salt)
    mixed = (words * np.uint32(2_654_435_761)) ^ (words >> np.uint32(7))
    return (
        (mixed >> np.uint32(11))
        .astype(np.uint16)
        .reshape(LAYERS, HEADS, BLOCK_TOKENS, 2 * HEAD_SIZE)
    )


def engine(
    socket: str, namespace: bytes = NAMESPACE, head_size: int = HEAD_SIZE, instance: str = ""
) -> Engine:
    """The engine that attaches; a new one each time unless `instance` says which."""
    names = tuple(f"layer{index}" for index in range(LAYERS))
    group = Group("full", HEADS, head_size, BLOCK_TOKENS, ELEMENT_BYTES, "bfloat16", names)
    return Engine(
        socket_path=socket,
        instance=instance or os.urandom(8).hex(),
        namespace=namespace,
        geometry=Geometry((group,), BLOCK_TOKENS, BLOCK_COUNT, Share(0, HEADS)),
        worker_count=1,
        producer_engine="golden",
        producer_device="cpu",
        producer_attention="none",
    )


class Device:
    """Device memory and both halves of an engine over it, attached to a node."""

    def __init__(
        self, socket: str, namespace: bytes = NAMESPACE, head_size: int = HEAD_SIZE
    ) -> None:
        self.head_size = head_size
        self.memory = np.zeros(
            (LAYERS, BLOCK_COUNT, HEADS, BLOCK_TOKENS, 2 * head_size), dtype=np.uint16
        )
        described = engine(socket, namespace, head_size)
        library = _native.Library(_native.library_path())
        self.scheduler = NativeScheduler(library, described)
        self.worker = NativeWorker(library, described, 0, 1)
        self.worker.register(0, self._layers(), BLOCK_COUNT)
        for side in (self.worker, self.scheduler):
            code, text = side.attach(10_000)
            assert code == 0, text

    def _layers(self) -> list[LayerMemory]:
        _, block, head, token, element = self.memory.strides
        return [
            LayerMemory(
                self.memory[layer].ctypes.data, block, head, token, self.head_size * element
            )
            for layer in range(LAYERS)
        ]

    def begin(self, salt: bytes, tokens: "array[int]") -> tuple[int, int]:
        """A request with its tokens; its name and its full blocks."""
        request = self.scheduler.begin(salt, b"")
        self.scheduler.append(request, tokens)
        return request, len(tokens) // BLOCK_TOKENS

    def ready(self, request: int, count: int, wanted: int) -> int:
        """Blocks that are ready, asked for until `wanted` are, or nothing is on its way."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while True:
            ready, pending = self.scheduler.match(request, 0, count)
            if ready >= wanted or pending == 0 or time.monotonic() > deadline:
                return ready
            time.sleep(0.01)

    def store(self, salt: bytes, tokens: "array[int]") -> None:
        """Stores a sequence whose blocks are what `block_bytes` says."""
        request, count = self.begin(salt, tokens)
        blocks = array("I", range(1, 1 + count))
        for index in range(count):
            self.memory[:, blocks[index], ..., : 2 * HEAD_SIZE] = block_bytes(salt, index)
        self.scheduler.store(request, 0, blocks)
        self.worker.start_stores(self.scheduler.step(array("I")))
        self.worker.drain(10_000)
        self.scheduler.end(request)

    def load(self, salt: bytes, tokens: "array[int]", wanted: int) -> list[np.ndarray]:
        """The leading blocks of a sequence that the node has, as they came to the device."""
        request, count = self.begin(salt, tokens)
        ready = self.ready(request, count, wanted)
        blocks = array("I", range(30, 30 + ready))
        if ready:
            self.memory[:, 30 : 30 + ready] = 0xDEAD
            self.scheduler.load(request, 0, blocks)
            self.worker.start_loads(self.scheduler.step(array("I")))
            ended = self._ended()
            assert ended == [(request, ready, ready)], ended
        self.scheduler.end(request)
        self.scheduler.step(array("I"))
        return [self.memory[:, block].copy() for block in blocks]

    def _ended(self) -> list[tuple[int, int, int]]:
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while not (ended := self.worker.poll()):
            assert time.monotonic() < deadline, "a load does not end"
            self.worker.wait(10)
        return ended

    def close(self) -> None:
        """A clean end."""
        self.worker.close(True)
        self.scheduler.close(True)
