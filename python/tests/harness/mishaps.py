"""What goes wrong for one of several ranks: loads that end late or short, attachments that end."""

import os
import random
import socket
from typing import Any

from swift_kvbm._native import NO_BLOCK

from .engine import Engine
from .rank import Rank

_DRAIN_TIMEOUT_MS = 10_000


class Uneven:
    """A rank's native side whose ended loads are told late, and some of them as failed.

    What a failed load did not bring is overwritten, so that a step that took it for computed would
    be seen.
    """

    def __init__(self, rank: Rank, rng: random.Random, late: float, failing: float) -> None:
        self._half = rank.connector._worker
        self._native = self._half._native
        self._memory = rank.model.memory
        self._rng, self._late, self._failing = rng, late, failing
        self._held: list[tuple[int, int, int]] = []
        self.failed = self.delayed = 0
        self._half._native = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._native, name)

    def poll(self) -> list[tuple[int, int, int]]:
        """Some of what has ended."""
        self._held += [self._spoil(*result) for result in self._native.poll()]
        told = [result for result in self._held if self._rng.random() >= self._late]
        self._held = [result for result in self._held if result not in told]
        self.delayed += len(self._held)
        return told

    def _spoil(self, handle: int, loaded: int, planned: int) -> tuple[int, int, int]:
        if self._rng.random() < self._failing:
            self.failed += 1
            load = self._half._loads[handle]
            loaded = 0 if load.whole else self._rng.randrange(loaded + 1)
            blocks = [block for block in load.blocks[loaded:] if block != NO_BLOCK]
            self._memory[:, blocks] = self.failed
        return handle, loaded, planned


def lose_attachment(engine: Engine, path: str, rng: random.Random) -> bool:
    """Ends one of the engine's connections to the node; False when it has none at the moment.

    No copy runs when it ends, and none begins: what that tells the node must be true.
    """
    for rank in engine.ranks:
        rank.connector._attachment.native.drain(_DRAIN_TIMEOUT_MS)
    mine = [file for file in os.listdir("/proc/self/fd") if _leads_to(int(file), path)]
    if not mine:
        return False
    with socket.socket(fileno=os.dup(int(rng.choice(mine)))) as connection:
        connection.shutdown(socket.SHUT_RDWR)
    for half in (engine.connector, *(rank.connector for rank in engine.ranks)):
        # Looks at the connection, and from then on copies nothing under it.
        half._attachment.native.state()
    return True


def _leads_to(descriptor: int, path: str) -> bool:
    try:
        if not os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:"):
            return False
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            return connection.family == socket.AF_UNIX and connection.getpeername() == path
    except OSError:
        return False
