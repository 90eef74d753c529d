"""An engine whose connector talks to the fake node."""

from pathlib import Path
from typing import Any
from unittest import mock

from swift_kvbm import _native, attach

from .engine import Engine
from .fake import FakeNode, FakeScheduler, FakeWorker


def fake_engine(node: FakeNode) -> Any:
    """A maker of engines for `play`."""

    def make(folder: Path, extra: dict[str, Any], *args: Any, **options: Any) -> Engine:
        holder: dict[str, Any] = {}

        class Worker(FakeWorker):
            def __init__(self, plan: Any) -> None:
                holder["worker"] = self

            def register(self, group: int, layers: Any, block_count: int) -> None:
                """Finds the memory when the engine exists."""

        def scheduler(plan: Any) -> FakeScheduler:
            return FakeScheduler(node, plan.geometry.block_tokens, plan.geometry.windows)

        with (
            mock.patch.object(attach, "open_scheduler", scheduler),
            mock.patch.object(attach, "open_worker", Worker),
            mock.patch.object(_native, "Library", lambda path: None),
            mock.patch.object(attach, "_keeper", lambda plan: None),
            mock.patch.object(Worker, "attach", lambda self, timeout: (0, "")),
        ):
            engine = Engine(folder, extra, *args, **options)
        FakeWorker.__init__(holder["worker"], node, engine.model.memory)
        return engine

    return make
