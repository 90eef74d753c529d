"""What goes wrong while an engine plays."""

import random
import threading
from collections.abc import Callable

# Gets the dice and a way to wait, which ends early with the run; leaves all as it was.
Mischief = Callable[[random.Random, Callable[[float], bool]], None]


class Trouble:
    """Something that is done and undone at random moments of a run, in a thread of its own."""

    def __init__(self, rng: random.Random, mischief: Mischief, pause: tuple[float, float]) -> None:
        self.rng, self.mischief, self.pause = rng, mischief, pause
        self.count = 0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Trouble":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.join()

    def _run(self) -> None:
        while not self.ending.wait(self.rng.uniform(*self.pause)):
            self.count += 1
            self.mischief(self.rng, self.ending.wait)
