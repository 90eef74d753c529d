"""A stand-in for libkvbm.so and its node, in Python: for developing the harness and for units.

It copies real bytes on a thread, slowly if asked, and can plant the same faults as the library's
test build.
"""

import hashlib
import pickle
import threading
import time
from array import array
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from swift_kvbm._native import NO_BLOCK


@dataclass
class FakeNode:
    """What all engines share: blocks by group and key, oldest first out."""

    capacity_blocks: int = 1000
    copy_seconds: float = 0.0
    fault: str = ""
    pending_answers: int = 0
    fail_loads: int = 0
    blocks: dict[tuple[int, bytes], np.ndarray] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, key: tuple[int, bytes], data: np.ndarray) -> None:
        """Stores a block."""
        with self.lock:
            self.blocks.setdefault(key, data)
            while len(self.blocks) > self.capacity_blocks:
                self.blocks.pop(next(iter(self.blocks)))


@dataclass
class _Request:
    root: bytes
    tokens: "array[int]" = field(default_factory=lambda: array("I"))
    keys: list[bytes] = field(default_factory=list)
    asked: int = 0


class _Attached:
    def attach(self, timeout_ms: int) -> tuple[int, str]:
        """Always."""
        return 0, ""

    def state(self) -> Any:
        """Always attached."""
        return SimpleNamespace(attached=True, attach_count=1)

    def close(self, clean: bool) -> None:
        """Nothing to end."""


class FakeScheduler(_Attached):
    """The methods of `NativeScheduler`."""

    def __init__(self, node: FakeNode, block_tokens: int, windows: tuple[int, ...] = (0,)) -> None:
        self.node, self.block_tokens = node, block_tokens
        # Blocks that a window reaches back; None for full attention.
        self.window_blocks = [
            -(-(window - 1) // block_tokens) if window else None for window in windows
        ]
        self.requests: dict[int, _Request] = {}
        self.last = 0
        self.loads: list[Any] = []
        self.stores: list[Any] = []

    def begin(self, salt: bytes, epoch: bytes, name: str = "", adapter: bytes = b"") -> int:
        """A new request."""
        self.last += 1
        salt = b"" if self.node.fault == "salt" else salt
        root = hashlib.sha256(repr((salt, epoch, adapter)).encode()).digest()
        self.requests[self.last] = _Request(root)
        return self.last

    def append(self, request: int, tokens: "array[int]") -> None:
        """Keys of full blocks, once."""
        entry = self.requests[request]
        entry.tokens.extend(tokens)
        size = self.block_tokens
        while (len(entry.keys) + 1) * size <= len(entry.tokens):
            first = len(entry.keys) * size
            parent = entry.keys[-1] if entry.keys else entry.root
            chunk = entry.tokens[first : first + size].tobytes()
            entry.keys.append(hashlib.sha256(parent + chunk).digest()[:16])

    def content(self, request: int, position: int, count: int, digest: bytes) -> None:
        """As if the digest named all that follows; said before the first token."""
        entry = self.requests[request]
        assert not entry.tokens
        entry.root = hashlib.sha256(entry.root + repr((position, count, digest)).encode()).digest()

    def match(self, request: int, first: int, count: int) -> tuple[int, int]:
        """Of all lengths of which every group has what it needs, the greatest."""
        entry = self.requests[request]
        assert len(entry.keys[first : first + count]) == count
        ready = count
        while ready and not self._usable(entry.keys, first, ready):
            ready -= 1
        entry.asked += 1
        if ready and entry.asked % (self.node.pending_answers + 1):
            return 0, ready
        return ready, 0

    def _needed(self, group: int, first: int, count: int) -> range:
        """Positions of that group without which a load of `count` blocks is of no use."""
        window = self.window_blocks[group]
        return range(first if window is None else max(first, first + count - window), first + count)

    def _usable(self, keys: list[bytes], first: int, count: int) -> bool:
        return all(
            (group, keys[position]) in self.node.blocks
            for group in range(len(self.window_blocks))
            for position in self._needed(group, first, count)
        )

    def _rows(self, request: int, first: int, blocks: "array[int]") -> list[Any]:
        """(group, position, key, device block) of all."""
        count, rest = divmod(len(blocks), len(self.window_blocks))
        keys = self.requests[request].keys[first : first + count]
        assert not rest and len(keys) == count, (len(keys), len(blocks))
        return [
            (index // count, first + index % count, keys[index % count], block)
            for index, block in enumerate(blocks)
        ]

    def load(self, request: int, first: int, blocks: "array[int]") -> None:
        """Into the coming plan; exactly what is needed must have a place."""
        rows, count = self._rows(request, first, blocks), len(blocks) // len(self.window_blocks)
        needed = [
            (g, p) for g in range(len(self.window_blocks)) for p in self._needed(g, first, count)
        ]
        assert [(g, p) for g, p, _, block in rows if block != NO_BLOCK] == needed
        parts = [((g, key), block) for g, _, key, block in rows if block != NO_BLOCK]
        whole = self.window_blocks != [None]
        self.loads.append((request, parts, count, whole))

    def note_prefill(self, tokens: int, context_tokens: int, nanoseconds: int) -> None:
        """A fake node loads whatever is there."""

    def store(self, request: int, first: int, blocks: "array[int]") -> None:
        """Into the coming plan; a sliding group may begin without."""
        for group in range(len(self.window_blocks)):
            row = [block for g, _, _, block in self._rows(request, first, blocks) if g == group]
            gone = row.count(NO_BLOCK)
            assert NO_BLOCK not in row[gone:] and (
                not gone or self.window_blocks[group] is not None
            )
        self.stores += [
            ((group, key), block)
            for group, _, key, block in self._rows(request, first, blocks)
            if block != NO_BLOCK
        ]

    def end(self, request: int) -> None:
        """Forgets it."""
        del self.requests[request]

    def step(self, fences: "array[int]") -> bytes:
        """The plan."""
        plan = pickle.dumps((self.loads, self.stores, fences))
        self.loads, self.stores = [], []
        return plan

    def stats(self) -> str:
        """Nothing."""
        return "{}"


class FakeWorker(_Attached):
    """The methods of `NativeWorker`; `memory` is [layer][block][head][token][word]."""

    def __init__(self, node: FakeNode, memory: np.ndarray) -> None:
        self.node, self.memory = node, memory
        self.jobs: deque[Any] = deque()
        self.reading: dict[int, int] = {}
        self.results: list[tuple[int, int, int]] = []
        self.changed = threading.Condition()
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self, clean: bool) -> None:
        """Ends the thread."""
        self.drain(10_000)
        self.stopping = True
        with self.changed:
            self.changed.notify_all()
        self.thread.join()

    def fence(self, plan: bytes) -> None:
        """Waits for the copies that read what the plan writes."""
        fences = pickle.loads(plan)[2]
        if self.node.fault != "early":
            with self.changed:
                self.changed.wait_for(lambda: not any(b in self.reading for b in fences))

    def start_loads(self, plan: bytes) -> None:
        """Queues them."""
        with self.changed:
            self.jobs.extend(("load", load) for load in pickle.loads(plan)[0])
            self.changed.notify_all()

    def start_stores(self, plan: bytes) -> None:
        """Queues them."""
        with self.changed:
            for key, block in pickle.loads(plan)[1]:
                self.reading[block] = self.reading.get(block, 0) + 1
                self.jobs.append(("store", (key, block)))
            self.changed.notify_all()

    def drop_stores(self, plan: bytes) -> None:
        """Nothing was reserved."""

    def poll(self) -> list[tuple[int, int, int]]:
        """Ended loads."""
        with self.changed:
            results, self.results = self.results, []
            return results

    def wait(self, timeout_ms: int, idle: bool = False) -> None:
        """Waits for a result."""
        with self.changed:
            self.changed.wait_for(lambda: self.results, timeout_ms / 1000)

    def drain(self, timeout_ms: int) -> None:
        """Waits until idle."""
        with self.changed:
            self.changed.wait_for(lambda: not self.jobs and not self.reading, timeout_ms / 1000)

    def _run(self) -> None:
        while not self.stopping:
            with self.changed:
                self.changed.wait_for(lambda: self.jobs or self.stopping)
                if self.stopping:
                    return
                kind, job = self.jobs[0]
            (self._load if kind == "load" else self._store)(job)
            with self.changed:
                self.jobs.popleft()
                self.changed.notify_all()

    def _store(self, job: Any) -> None:
        key, block = job
        time.sleep(self.node.copy_seconds)
        data = self.memory[:, block].copy()
        if self.node.fault == "shift":
            data = np.roll(data, 1, axis=2)
        group, digest = key
        if self.node.fault == "group":
            group = 1 - group
        self.node.keep((group, digest), data)
        with self.changed:
            self.reading[block] -= 1
            if not self.reading[block]:
                del self.reading[block]

    def _load(self, job: Any) -> None:
        request, parts, count, whole = job
        loaded = 0
        for key, block in parts:
            time.sleep(self.node.copy_seconds)
            data = self.node.blocks.get(key)
            if data is None or (self.node.fail_loads and request % self.node.fail_loads == 0):
                break
            # A window that begins a block too late.
            if not (self.node.fault == "window" and whole and (key, block) == parts[-1]):
                self._copy_in(block, data)
            loaded += 1
        if whole:
            loaded = count if loaded == len(parts) else 0
        with self.changed:
            self.results.append((request, loaded, count))

    def _copy_in(self, block: int, data: np.ndarray) -> None:
        fault = self.node.fault
        if fault == "lie":
            return
        if fault == "drop":
            self.memory[:, block, :-1] = data[:, :-1]
            return
        self.memory[:, block] = data[::-1] if fault == "layer" else data
