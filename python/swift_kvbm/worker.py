"""The worker's half: carries a step's plan out on device memory, and reports every load once.

Every method is called by vLLM's worker thread; the copies run on the native library's threads.
"""

import logging
import sys
from typing import Any

from swift_kvbm.guard import guarded
from swift_kvbm.log import once
from swift_kvbm.metadata import KVBMMetadata, KVBMWorkerMetadata, Load

# The longest wait for running copies when a step's fences are not known.
DRAIN_TIMEOUT_MS = 30_000
# Between two looks at the copies that a forward pass waits for.
SYNCHRONOUS_WAIT_MS = 1_000
# vLLM sleeps a millisecond after a step without a forward pass and asks again: waiting here instead
# tells it of a short load in the very step that began it.
IDLE_WAIT_MS = 3


class WorkerHalf:
    """One worker's side; `native` has the methods of `NativeWorker`, or is None: no copies.

    Of several ranks each has its own: all get the same plans, each copies its heads, and vLLM takes
    a load for ended when every rank has reported it. A rank that does not `write` only loads.

    A synchronous load is over before the step's forward pass, and vLLM is told of it only if it
    failed. Then the step computes on nothing of use, and stores nothing.

    A load is in `_loads` from the step that brings it until it is reported, in one and the same
    output: as received, and if it failed with its failed blocks, or as failed as a whole.
    """

    def __init__(self, native: Any | None, writes: bool = True) -> None:
        self._native = native
        self._writes = writes
        self._loads: dict[int, Load] = {}
        self._unreported: list[tuple[Load, int]] = []
        self._failed_blocks: set[int] = set()
        self._failed_requests: set[str] = set()
        self._failed_whole: set[str] = set()
        # Whether the step computes on a load that failed.
        self._is_spoiled = False

    # MARK: The step

    def fence(self, meta: KVBMMetadata) -> None:
        """Before the step overwrites blocks: waits for the copies that still read them."""
        if self._native is None:
            return
        if meta.fence_all or not self._fence_plan(meta.plan):
            self._drain()

    @guarded(False)
    def _fence_plan(self, plan: bytes) -> bool:
        if plan:
            self._native.fence(plan)
        return True

    @guarded(None)
    def _drain(self) -> None:
        self._native.drain(DRAIN_TIMEOUT_MS)

    def start_loads(self, meta: KVBMMetadata) -> None:
        """Starts the step's loads; those that cannot start have failed."""
        self._unreported += [(load, 0) for load in meta.failed]
        self._loads.update(meta.loads)
        if not self._start(meta.plan):
            for handle in meta.loads:
                self._end(handle, 0)
        self._await_synchronous()
        self._is_spoiled = any(
            load.synchronous and loaded < load.count for load, loaded in self._unreported
        )

    def _await_synchronous(self) -> None:
        """Bounded by what is queued: copies only move memory, and always end."""
        while any(load.synchronous for load in self._loads.values()):
            self._wait(SYNCHRONOUS_WAIT_MS)
            self._poll_all()

    @guarded(False)
    def _start(self, plan: bytes) -> bool:
        if self._native is None:
            return False
        if plan:
            self._native.start_loads(plan)
        return True

    @guarded(None)
    def save(self, meta: KVBMMetadata) -> None:
        """After the forward pass: starts the step's stores, unless the pass is failing."""
        if self._native is None or not meta.plan:
            return
        # vLLM calls this in a `finally`: with an exception on its way the blocks are not written.
        if self._is_spoiled or sys.exc_info()[0] is not None:
            self._native.drop_stores(meta.plan)
        elif self._writes:
            self._native.start_stores(meta.plan)
        else:
            self._native.skip_stores(meta.plan)

    # MARK: Reports

    def received(self, idle: bool = False) -> set[str]:
        """Requests whose asynchronous load ended since the last call, each exactly once.

        In an `idle` step, one without a forward pass, it waits a moment for a load that runs.
        `failed_blocks`, `failed_whole` and `meta`, called after this for the same output, hold
        what failed.
        """
        if idle and not self._unreported:
            self._wait(IDLE_WAIT_MS, idle=True)
        self._poll_all()
        ended, self._unreported = self._unreported, []
        for load, loaded in ended:
            if loaded < load.count:
                if load.whole:
                    self._failed_whole.add(load.request_id)
                else:
                    self._failed_blocks.update(load.blocks[loaded:])
                self._failed_requests.add(load.request_id)
        return {load.request_id for load, _ in ended if not load.synchronous}

    def failed_blocks(self) -> set[int]:
        """Device blocks of ended loads that hold nothing of use."""
        failed, self._failed_blocks = self._failed_blocks, set()
        return failed

    def failed_whole(self) -> set[str]:
        """Requests of ended loads of which nothing is of use."""
        failed, self._failed_whole = self._failed_whole, set()
        return failed

    def meta(self, step: int = 0) -> KVBMWorkerMetadata | None:
        """For the scheduler's half: the requests that must not be offered anything again.

        And that the `step` is over, where it is timed.
        """
        failed, self._failed_requests = self._failed_requests, set()
        return KVBMWorkerMetadata(failed, step) if failed or step else None

    @guarded(None)
    def _wait(self, timeout_ms: int, idle: bool = False) -> None:
        if self._native is not None and self._loads:
            self._native.wait(timeout_ms, idle)

    def _poll_all(self) -> None:
        if not self._poll():
            # The handle is closed or another process's: nothing is copied any more.
            for handle in list(self._loads):
                self._end(handle, 0)

    @guarded(False)
    def _poll(self) -> bool:
        if self._native is not None and self._loads:
            for handle, loaded, _ in self._native.poll():
                self._end(handle, loaded)
        return True

    def _end(self, handle: int, loaded: int) -> None:
        load = self._loads.pop(handle, None)
        if load is None:
            once("unknown load", logging.ERROR, "KVBM: a load was reported twice, or never asked")
            return
        self._unreported.append((load, loaded))
