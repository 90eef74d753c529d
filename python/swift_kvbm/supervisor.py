"""A thread that attaches a native handle to the node, and does so again whenever it was lost.

No hook waits for it. It writes one line when the cache goes away, and one when it is back.
"""

import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Protocol

from swift_kvbm import _native
from swift_kvbm.log import LOGGER, once
from swift_kvbm.node import BACKOFF_MAX_SECONDS, BACKOFF_MIN_SECONDS, NodeKeeper

ATTACH_TIMEOUT_MS = 2000
# How often a lost attachment is noticed.
_WATCH_SECONDS = 0.25
# The first tries come fast, and no warning yet: a node that was just started takes a moment.
_FIRST_SECONDS = 0.05
_STARTING_SECONDS = 10.0
# A node is there and takes none like us: one of another release, or with too little room.
REFUSALS = (_native.PROTOCOL, _native.REFUSED)

_all: "weakref.WeakSet[Supervisor]" = weakref.WeakSet()
_all_lock = threading.Lock()


class _State(Protocol):
    attached: bool
    attach_count: int


class Attachable(Protocol):
    """What can be attached: a native scheduler or worker."""

    def attach(self, timeout_ms: int) -> tuple[int, str]:
        """Tries; a code and its text."""

    def state(self) -> _State:
        """The attachment at the moment."""


class Supervisor:
    """Keeps one handle attached.

    1. `start` makes the thread.
    2. `wait_attached` may wait, at start only.
    3. `stop` ends it; the handle may be closed afterwards, if it says so.
    """

    def __init__(
        self,
        name: str,
        handle: Attachable,
        keeper: NodeKeeper | None,
        on_attach: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._handle = handle
        self._keeper = keeper
        self._on_attach = on_attach
        self._wake = threading.Event()
        self._attached = threading.Event()
        # Attached or refused: there is nothing to wait for at start.
        self._decided = threading.Event()
        self._stopping = False
        self._degraded_logged = False
        self._last_code = _native.OK
        self._attach_count = 0
        self._started_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"kvbm-{name}", daemon=True)

    def start(self) -> None:
        """Starts trying."""
        with _all_lock:
            _all.add(self)
        self._started_at = time.monotonic()
        self._thread.start()

    def wait_attached(self, timeout_seconds: float) -> bool:
        """Waits until attached, or refused; says whether it is attached."""
        self._decided.wait(timeout_seconds)
        return self._attached.is_set()

    @property
    def lost_code(self) -> int | None:
        """Why there is no node, as the last try's code; None while attached."""
        return None if self._attached.is_set() else self._last_code

    def stop(self, clean: bool = False) -> bool:
        """Ends the thread; False when it did not end in time, and still uses the handle.

        `clean` says that the engine stops on purpose, and its node may go.
        """
        self._stopping = True
        if clean and self._keeper is not None:
            self._keeper.leaving()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * ATTACH_TIMEOUT_MS / 1000 + 1)
        if clean and self._keeper is not None:
            self._keeper.left()
        return not self._thread.is_alive()

    def _run(self) -> None:
        delay = BACKOFF_MIN_SECONDS
        while not self._stopping:
            try:
                code = self._try()
            except Exception as error:  # noqa: BLE001 - a supervisor must not end
                once((self._name, type(error)), logging.ERROR, "KVBM: supervisor: %s", error)
                code = _native.UNAVAILABLE
            if code == _native.OK:
                delay = BACKOFF_MIN_SECONDS
                self._pause(_WATCH_SECONDS)
            elif self._starting() and code not in REFUSALS:
                self._pause(_FIRST_SECONDS)
            else:
                # Only a node that is there and takes nobody is asked less and less often.
                fruitless = code == _native.TIMEOUT or code in REFUSALS
                delay = min(2 * delay, BACKOFF_MAX_SECONDS) if fruitless else BACKOFF_MIN_SECONDS
                self._pause(delay)

    def _starting(self) -> bool:
        return self._attach_count == 0 and (time.monotonic() - self._started_at < _STARTING_SECONDS)

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        if not self._stopping:
            self._wake.clear()

    def _try(self) -> int:
        """`OK` when attached, else why not."""
        state = self._handle.state()
        if state.attached:
            self._note_attached(state.attach_count)
            return _native.OK
        was_attached = self._attached.is_set()
        self._attached.clear()
        code, text = self._handle.attach(ATTACH_TIMEOUT_MS)
        self._last_code = code
        if code >= 0:
            self._note_attached(self._handle.state().attach_count)
            return _native.OK
        if self._keeper is not None:
            self._keeper.ensure(silent=code == _native.TIMEOUT)
        refused = code in REFUSALS
        if not self._degraded_logged and (was_attached or refused or not self._starting()):
            self._note_lost(text)
        if refused:
            self._decided.set()
        return code

    def _note_attached(self, attach_count: int) -> None:
        if attach_count == self._attach_count and self._attached.is_set():
            return
        self._attach_count = attach_count
        if self._degraded_logged:
            LOGGER.warning("KVBM: the %s is attached again: the cache is back", self._name)
            self._degraded_logged = False
        else:
            LOGGER.info("KVBM: the %s is attached to its node", self._name)
        if self._keeper is not None:
            self._keeper.answered()
        self._attached.set()
        self._decided.set()
        self._on_attach()
        # The node is there: the others of this process need not wait for their next try.
        with _all_lock:
            others = [other for other in _all if other is not self]
        for other in others:
            other._wake.set()

    def _note_lost(self, text: str) -> None:
        self._degraded_logged = True
        LOGGER.warning(
            "KVBM: the %s has no node (%s): the engine goes on without cache and tries again",
            self._name,
            text,
        )
