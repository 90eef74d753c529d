"""The calls that an engine waits for, one at a time: Python, the real library, a real node.

    python -m Benchmarks.Serve.micro RESULT.json [--quick]

A process of its own. `back to back` finds the node's thread awake; `5 ms apart`, as steps of an
engine are, finds it asleep, and the time to wake it is part of the figure.
"""

import argparse
import ctypes
import json
import os
import subprocess
import tempfile
import time
from array import array
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from Benchmarks.Serve.micro_report import CallTimes, Micro

from swift_kvbm import _native
from swift_kvbm.geometry import Geometry, Group, Share
from swift_kvbm.handles import Engine, NativeScheduler, NativeWorker
from swift_kvbm.layout import LayerMemory
from swift_kvbm.node import node_binary

BLOCKS = 2048
BLOCK_TOKENS = 16
HEAD_BYTES = 32
TOKEN_BYTES = 2 * HEAD_BYTES
BLOCK_BYTES = BLOCK_TOKENS * TOKEN_BYTES
APART_SECONDS = 0.005
# Before any figure is taken.
WARM_UP_CALLS = 50
WAIT_SECONDS = 20.0
ATTACH_TIMEOUT_MS = 200


class Pair:
    """Both sides of an engine, and the node that they are attached to."""

    def __init__(self, folder: Path, host_capacity: str) -> None:
        self.started = time.perf_counter()
        socket = folder / "node.sock"
        self._log = (folder / "node.log").open("wb")
        self._node = subprocess.Popen(
            [node_binary(), "serve", "--socket", socket, "--host-capacity", host_capacity],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        library = _native.Library(_native.library_path())
        engine = _engine(str(socket))
        self.scheduler = NativeScheduler(library, engine)
        self.worker = NativeWorker(library, engine, 0, 1)
        self._memory = (ctypes.c_uint8 * (BLOCKS * BLOCK_BYTES))()
        layer = LayerMemory(
            ctypes.addressof(self._memory), BLOCK_BYTES, BLOCK_BYTES, TOKEN_BYTES, HEAD_BYTES
        )
        self.worker.register(0, [layer], BLOCKS)
        for side in (self.worker, self.scheduler):
            self._attach(side)

    def _attach(self, side: NativeScheduler | NativeWorker) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            code, text = side.attach(ATTACH_TIMEOUT_MS)
            if code >= 0:
                return
            if time.monotonic() > deadline or self._node.poll() is not None:
                raise RuntimeError(f"no node to attach to: {text}; see {self._log.name}")
            time.sleep(0.001)

    def request(self, tokens: "array[int]") -> int:
        """A request with these tokens; its keys are computed."""
        handle = self.scheduler.begin(b"", b"", "bench")
        self.scheduler.append(handle, tokens)
        return handle

    def end(self, handle: int) -> None:
        """The request is over, here and in the node."""
        self.scheduler.end(handle)
        self.scheduler.step(array("I"))

    def store(self, tokens: "array[int]", count: int) -> None:
        """Stores the first `count` blocks, from device blocks of the same numbers, until ready."""
        handle, blocks = self.request(tokens), array("I", range(count))
        deadline = time.monotonic() + WAIT_SECONDS
        while self.scheduler.match(handle, 0, count)[0] < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{count} blocks were not stored in {WAIT_SECONDS} s")
            self.scheduler.store(handle, 0, blocks)
            plan = self.scheduler.step(array("I"))
            self.worker.fence(plan)
            self.worker.start_stores(plan)
            self.worker.drain(int(WAIT_SECONDS * 1000))
        self.end(handle)

    def close(self) -> None:
        """Ends both sides and the node."""
        self.worker.close(True)
        self.scheduler.close(True)
        self._node.terminate()
        self._node.wait(WAIT_SECONDS)
        self._log.close()


def _engine(socket: str) -> Engine:
    group = Group(
        kind="full",
        head_count=1,
        head_size=HEAD_BYTES // 2,
        block_tokens=BLOCK_TOKENS,
        element_bytes=2,
        dtype="bfloat16",
        layers=("layer",),
    )
    return Engine(
        socket_path=socket,
        instance=os.urandom(8).hex(),
        namespace=b'{"model":"micro"}',
        geometry=Geometry((group,), BLOCK_TOKENS, BLOCKS, Share(0, 1)),
        worker_count=1,
        producer_engine="bench",
        producer_device="",
        producer_attention="",
    )


def timed(
    count: int, call: Callable[[int], object], apart: float = 0.0, before: Callable[[], int] = int
) -> CallTimes:
    """Times `call`, given what `before` answers; `before` and the pause are not part of it."""
    clock, spent = time.perf_counter_ns, []
    for index in range(WARM_UP_CALLS + count):
        argument = before()
        if apart:
            time.sleep(apart)
        started = clock()
        call(argument)
        ended = clock()
        if index >= WARM_UP_CALLS:
            spent.append(ended - started)
    return CallTimes.of(spent)


def measure(folder: Path, quick: bool) -> Micro:
    """Everything, one after the other."""
    count = 200 if quick else 1000
    pair = Pair(folder, "256MiB")
    try:
        round_trips, matches, parts = _calls(pair, count)
    finally:
        pair.close()
    starts: dict[str, list[float]] = {"100 GiB": [], "1 GiB": []}
    for index in range(2 if quick else 7):
        for capacity, seconds in starts.items():
            place = folder / f"{capacity.replace(' ', '')}-{index}"
            place.mkdir()
            seconds.append(_start(place, capacity.replace(" ", "")))
    return Micro(round_trips, matches, parts, dict(reversed(starts.items())))


def _calls(
    pair: Pair, count: int
) -> tuple[dict[str, CallTimes], dict[str, CallTimes], dict[str, CallTimes]]:
    scheduler, nothing = pair.scheduler, array("I")
    known = array("I", range(BLOCKS * BLOCK_TOKENS))
    unknown = pair.request(array("I", [7] * BLOCK_TOKENS))
    pair.store(known, BLOCKS)
    apart = {"back to back": 0.0, "5 ms apart": APART_SECONDS}

    def ended() -> int:
        scheduler.end(pair.request(nothing))
        return 0

    open_request: list[int] = []

    def asked() -> int:
        # As vLLM does it: a request is matched once, by what it will be known by.
        for handle in open_request:
            pair.end(handle)
        open_request[:] = [pair.request(known)]
        return open_request[0]

    round_trips, matches = {}, {}
    for name, pause in apart.items():
        some = count if not pause else count // 2
        round_trips[f"match of one block, absent, {name}"] = timed(
            some, lambda _: scheduler.match(unknown, 0, 1), pause
        )
        round_trips[f"step with one ended request, {name}"] = timed(
            some, lambda _: scheduler.step(nothing), pause, ended
        )
        matches[name] = timed(some // 2, lambda h: scheduler.match(h, 0, BLOCKS), pause, asked)
    ready = scheduler.match(asked(), 0, BLOCKS)
    if ready != (BLOCKS, 0):
        raise RuntimeError(f"{ready} instead of {BLOCKS} ready blocks")
    parts = {
        "a step with nothing: no round trip": timed(count, lambda _: scheduler.step(nothing)),
        "keys of 2,048 blocks of 16 tokens": timed(
            count // 10, lambda h: scheduler.append(h, known), before=lambda: pair.request(nothing)
        ),
    }
    return round_trips, matches, parts


def _start(folder: Path, capacity: str) -> float:
    """Seconds from a node's start until a first block can be had from it."""
    pair = Pair(folder, capacity)
    try:
        pair.store(array("I", range(BLOCK_TOKENS)), 1)
        return time.perf_counter() - pair.started
    finally:
        pair.close()


def main() -> None:
    """Measures, and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kvbm-micro-") as folder:
        options.result.write_text(json.dumps(asdict(measure(Path(folder), options.quick))))


if __name__ == "__main__":
    main()
