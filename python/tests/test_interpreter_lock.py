"""Which native calls give up the interpreter's lock: those that wait for somebody, and no others.

Every hook runs on the engine's scheduling thread. When it gives the lock up, it has it back only
after the engine's other threads have done their work, long after a call that waits for nobody.
"""

from array import array

import pytest

from swift_kvbm.geometry import Geometry, Group, Share
from swift_kvbm.handles import Engine, NativeScheduler


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


@pytest.fixture
def scheduler(library) -> NativeScheduler:
    group = Group(
        kind="full",
        head_count=1,
        head_size=16,
        block_tokens=16,
        element_bytes=2,
        dtype="bfloat16",
        layers=("a",),
    )
    described = Engine(
        socket_path="/nowhere",
        instance="i",
        namespace=b"{}",
        geometry=Geometry((group,), 16, 8, Share(0, 1)),
        worker_count=1,
        producer_engine="",
        producer_device="",
        producer_attention="",
    )
    native = NativeScheduler(library, described)
    library.waiting.clear()
    return native


def test_calls_that_wait_for_nobody_keep_the_lock(library, scheduler):
    request = scheduler.begin(b"", b"", "name")
    scheduler.content(request, 0, 1, b"digest")
    scheduler.append(request, array("I", [1, 2]))
    scheduler.load(request, 0, array("I", [1]))
    scheduler.store(request, 0, array("I", [1]))
    scheduler.end(request)
    assert library.waiting == []
    assert library.keeping == [
        f"kvbm_request_{what}"
        for what in ("begin", "name", "content", "append", "load", "store", "end")
    ]


def test_calls_that_wait_for_the_node_give_it_up(library, scheduler):
    scheduler.match(1, 0, 1)
    scheduler.stats()
    scheduler.attach(10)
    assert library.keeping == []
    assert library.waiting == [
        "kvbm_request_match",
        "kvbm_scheduler_stats",
        "kvbm_scheduler_attach",
    ]


@pytest.mark.parametrize(
    "tell",
    [
        lambda scheduler: scheduler.load(1, 0, array("I", [1])),
        lambda scheduler: scheduler.store(1, 0, array("I", [1])),
        lambda scheduler: scheduler.end(1),
    ],
    ids=["load", "store", "end"],
)
def test_a_step_gives_the_lock_up_only_with_something_to_tell_the_node(library, scheduler, tell):
    scheduler.step(array("I", [1]))
    assert library.keeping == ["kvbm_scheduler_step"]
    tell(scheduler)
    scheduler.step(array("I"))
    assert library.waiting == ["kvbm_scheduler_step"]
    library.keeping.clear()
    scheduler.step(array("I"))
    assert library.keeping == ["kvbm_scheduler_step"]
