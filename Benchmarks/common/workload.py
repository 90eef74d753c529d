"""The workload: conversations that share system prompts, played in interleaved rounds.

Each round adds one turn to every conversation, so that between two turns of one conversation the
whole working set goes by: a device cache that holds a quarter of it has lost what comes back.
"""

import random
from dataclasses import dataclass, field

# Token ids that mean nothing in particular.
TOKENS = (8, 1000)


@dataclass(frozen=True)
class Workload:
    """Counts and sizes, in tokens; equal values give equal prompts."""

    groups: int = 3
    conversations: int = 12
    turns: int = 3
    prefix_tokens: int = 768
    own_tokens: int = 512
    user_tokens: int = 256
    generated_tokens: int = 16
    seed: int = 1

    @property
    def longest_tokens(self) -> int:
        """Tokens of a finished conversation."""
        turn = self.user_tokens + self.generated_tokens
        return self.prefix_tokens + self.own_tokens + self.turns * turn

    @property
    def working_set_tokens(self) -> int:
        """Different tokens with their prefixes: what a cache would have to hold."""
        own = self.longest_tokens - self.prefix_tokens
        return self.groups * self.prefix_tokens + self.conversations * own

    def request_blocks(self, block_tokens: int) -> int:
        """Device blocks that the longest conversation needs, and two to spare."""
        return -(-(self.longest_tokens + 1) // block_tokens) + 2

    def device_blocks(self, block_tokens: int, pressure: float, concurrency: int = 1) -> int:
        """Blocks of a device cache that is `pressure` times smaller than the working set.

        Never less than the conversations that run at a time may need: an engine would not start,
        or would preempt them all the time.
        """
        needed = self.request_blocks(block_tokens) * concurrency
        return max(needed, int(self.working_set_tokens / pressure / block_tokens))


@dataclass
class Conversations:
    """The prompts of one pass: what every conversation has said so far."""

    workload: Workload
    histories: list[list[int]] = field(init=False)
    _users: list[list[list[int]]] = field(init=False)

    def __post_init__(self) -> None:
        w = self.workload
        rng = random.Random(w.seed)

        def tokens(count: int) -> list[int]:
            return [rng.randrange(*TOKENS) for _ in range(count)]

        prefixes = [tokens(w.prefix_tokens) for _ in range(w.groups)]
        self.histories = [
            prefixes[c % w.groups] + tokens(w.own_tokens) for c in range(w.conversations)
        ]
        self._users = [
            [tokens(w.user_tokens) for _ in range(w.turns)] for _ in range(w.conversations)
        ]

    def ask(self, conversation: int, turn: int) -> list[int]:
        """The prompt of this turn."""
        self.histories[conversation] += self._users[conversation][turn]
        return list(self.histories[conversation])

    def answer(self, conversation: int, tokens: list[int]) -> None:
        """What the model said, or is taken to have said, becomes part of the conversation."""
        self.histories[conversation] += tokens
