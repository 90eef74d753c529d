"""Which native calls give up the interpreter's lock: those that wait for long, and no others.

Every hook runs on the engine's thread. When it gives the lock up, it has it back only after the
engine's other threads have done their work, long after the node has answered.
"""

import signal
import threading
import time
from array import array

import pytest

from swift_kvbm import _native
from swift_kvbm.geometry import Geometry, Group, Share
from swift_kvbm.handles import Engine, NativeScheduler, NativeWorker


class Recorder:
    """A library whose functions do nothing but note that they were called, and by which way."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.keeping: list[str] = []
        self.quick = Way(self.keeping)

    def __getattr__(self, name: str):
        return getattr(Way(self.waiting), name)

    def check(self, call: str, code: int) -> int:
        """Nothing fails."""
        return code


class Way:
    """One of the two ways to call."""

    def __init__(self, calls: list[str]) -> None:
        self._calls = calls

    def __getattr__(self, name: str):
        def function(*arguments: object) -> int:
            self._calls.append(name)
            return 0

        return function


@pytest.fixture
def library() -> Recorder:
    return Recorder()


def engine(socket_path: str = "/nowhere") -> Engine:
    """An engine with one small group."""
    group = Group(
        kind="full",
        head_count=1,
        head_size=16,
        block_tokens=16,
        element_bytes=2,
        dtype="bfloat16",
        layers=("a",),
    )
    return Engine(
        socket_path=socket_path,
        instance="i",
        namespace=b"{}",
        geometry=Geometry((group,), 16, 8, Share(0, 1)),
        worker_count=1,
        producer_engine="",
        producer_device="",
        producer_attention="",
    )


@pytest.fixture
def scheduler(library) -> NativeScheduler:
    native = NativeScheduler(library, engine())
    library.waiting.clear()
    return native


def test_calls_of_a_step_keep_the_lock(library, scheduler):
    request = scheduler.begin(b"", b"", "name")
    scheduler.content(request, 0, 1, b"digest")
    scheduler.append(request, array("I", [1, 2]))
    scheduler.match(request, 0, 1)
    scheduler.load(request, 0, array("I", [1]))
    scheduler.store(request, 0, array("I", [1]))
    scheduler.end(request)
    scheduler.step(array("I", [1]))
    worker = NativeWorker(library, engine(), 0, 1)
    library.waiting.remove("kvbm_worker_open")
    worker.fence(b"")
    worker.start_loads(b"")
    worker.wait(1_000)
    worker.start_stores(b"")
    worker.poll()
    assert library.waiting == []
    names = ("begin", "name", "content", "append", "match", "load", "store", "end")
    assert library.keeping == [
        *(f"kvbm_request_{name}" for name in names),
        "kvbm_scheduler_step",
        *(f"kvbm_worker_{name}" for name in ("fence", "start_loads", "wait", "start_stores")),
        "kvbm_worker_poll",
    ]


def test_calls_of_other_threads_and_of_idle_ones_give_it_up(library, scheduler):
    scheduler.stats()
    scheduler.attach(10)
    scheduler.state()
    worker = NativeWorker(library, engine(), 0, 1)
    worker.wait(1_000, idle=True)
    worker.drain(1_000)
    assert library.keeping == []
    assert library.waiting == [
        *(f"kvbm_scheduler_{name}" for name in ("stats", "attach", "state")),
        *(f"kvbm_worker_{name}" for name in ("open", "wait", "drain")),
    ]


CALL_TIMEOUT_SECONDS = 1.0


def turns_of_others_while_the_node_is_silent(make_node) -> tuple[float, int]:
    """Seconds that a match takes of a node that stands still, and what another thread did then."""
    node = make_node()
    native = NativeScheduler(_native.Library(_native.library_path()), engine(str(node.socket)))
    over = threading.Event()
    turns = 0

    def count() -> None:
        nonlocal turns
        while not over.is_set():
            turns += 1
            time.sleep(0.001)

    try:
        code, reason = native.attach(10_000)
        assert code == 0, reason
        request = native.begin(b"", b"")
        native.append(request, array("I", range(64)))
        assert native.match(request, 0, 4) == (0, 0)
        node.signal(signal.SIGSTOP)
        other = threading.Thread(target=count)
        other.start()
        time.sleep(0.05)
        before, started = turns, time.monotonic()
        assert native.match(request, 0, 4) == (0, 0)
        seconds, done = time.monotonic() - started, turns - before
    finally:
        over.set()
        node.signal(signal.SIGCONT)
        native.close(True)
    other.join()
    return seconds, done


def test_a_call_that_waits_for_long_gives_it_up(make_node):
    seconds, turns = turns_of_others_while_the_node_is_silent(make_node)
    assert seconds >= CALL_TIMEOUT_SECONDS
    assert turns > 50


@pytest.mark.faults
def test_without_being_told_how_it_would_not(make_node, monkeypatch):
    before = _native.Library.__init__

    def without(self, path):
        before(self, path)
        self._library.kvbm_set_interpreter_lock(None, None, None)

    monkeypatch.setattr(_native.Library, "__init__", without)
    _, turns = turns_of_others_while_the_node_is_silent(make_node)
    monkeypatch.undo()
    _native.Library(_native.library_path())
    assert turns <= 1
