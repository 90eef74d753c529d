"""One request as the scheduler's half follows it, and which requests are not cached at all."""

import logging
from array import array
from dataclasses import dataclass, field
from typing import Any

from swift_kvbm.log import once


@dataclass
class Sequence:
    """A request that is cached. Counts in tokens (`appended`) and blocks (`stored`)."""

    request: Any
    # The native library's name of it.
    handle: int
    # The engine's epoch under which `handle` was begun.
    epoch: bytes
    appended: int = 0
    # Full blocks that were offered for storing.
    stored: int = 0
    # Its device blocks, in order, as far as steps have shown them.
    table: "array[int]" = field(default_factory=lambda: array("I"))
    # Tokens that the last match asked for, until they are counted.
    asked: int = 0
    # First block of the last match.
    matched_first: int = 0
    # A load of it failed: nothing is offered to it any more.
    refused: bool = False
    # Whether its KV may be stored.
    storing: bool = True
    # Since when it waits for staged blocks; None when it does not.
    waiting_since: float | None = None

    def may_wait(self, now: float, limit_seconds: float) -> bool:
        """Whether it may be asked to come again; the clock starts with the first answer."""
        if self.waiting_since is None:
            self.waiting_since = now
        return now - self.waiting_since < limit_seconds


def uncached_reason(request: Any) -> str:
    """Why a request's KV cannot be named by its tokens and salt alone; empty if it can."""
    if request.lora_request is not None:
        return "requests with a LoRA adapter"
    if request.mm_features:
        return "requests with images or other media"
    if request.prompt_embeds is not None or request.prompt_is_token_ids is not None:
        return "requests with prompt embeddings"
    if request.resumable:
        return "requests whose input is streamed"
    return ""


def warn_uncached(reason: str) -> None:
    """Says once for each kind that such requests are served without cache."""
    once(
        ("uncached", reason),
        logging.WARNING,
        "KVBM: %s are not covered yet: they are served without cache",
        reason,
    )
