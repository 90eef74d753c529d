"""One request as the scheduler's half follows it, and which requests are not cached at all."""

import logging
from array import array
from dataclasses import dataclass, field
from typing import Any

from swift_kvbm.adapters import Adapter, Adapters
from swift_kvbm.content import Item, Unidentified, content_items
from swift_kvbm.log import once
from swift_kvbm.retention import Wishes


class Identities:
    """Finds out what names a request's KV beside its tokens; one for an engine."""

    def __init__(self, adapters: Adapters, media: dict[str, Any] | None, block_tokens: int) -> None:
        self.adapters = adapters
        self._media = media
        self._block_tokens = block_tokens

    def pending(self, request: Any) -> bool:
        """Whether the request should ask again, because its adapter's digest is on its way."""
        lora = request.lora_request
        return lora is not None and self.adapters.find(lora).pending

    def find(self, request: Any) -> "Identity":
        """Raises Unidentified when nothing names its KV."""
        if request.resumable:
            raise Unidentified("requests whose input is streamed")
        lora = request.lora_request
        adapter = None if lora is None else self.adapters.find(lora)
        if adapter is not None and not adapter.usable:
            raise Unidentified(adapter.reason or "LoRA adapters that are not read yet")
        items = content_items(request, self._block_tokens, self._media)
        return Identity((request.cache_salt or "").encode(), adapter, items)


@dataclass(frozen=True)
class Identity:
    """What names a request's KV beside its tokens."""

    salt: bytes = b""
    adapter: Adapter | None = None
    items: list[Item] = field(default_factory=list)

    @property
    def certain(self) -> bool:
        """False from the moment on when the engine may hold another adapter than was read."""
        return self.adapter is None or self.adapter.usable

    def begin(self, native: Any, epoch: bytes, name: str) -> int:
        """Enters the request into the native library, before its first token; its handle."""
        adapter = b"" if self.adapter is None else self.adapter.digest
        handle: int = native.begin(self.salt, epoch, name, adapter)
        try:
            for item in self.items:
                native.content(handle, item.position, item.count, item.digest)
        except Exception:
            native.end(handle)
            raise
        return handle


@dataclass
class Sequence:
    """A request that is cached. Counts in tokens (`appended`) and blocks (`stored`)."""

    request: Any
    # The native library's name of it.
    handle: int
    # The engine's epoch under which `handle` was begun.
    epoch: bytes
    identity: Identity = field(default_factory=Identity)
    # How long it wants its blocks kept, and when it will be back.
    wishes: Wishes = field(default_factory=Wishes)
    appended: int = 0
    # Full blocks that were offered for storing.
    stored: int = 0
    # Its device blocks, a row for each cache group, as far as steps have shown them.
    tables: "list[array[int]]" = field(default_factory=list)
    # Tokens that the last match asked for, until they are counted.
    asked: int = 0
    # First block of the last match.
    matched_first: int = 0
    # Blocks that vLLM's own cache had when it was asked last; and, once the request has a place,
    # those with the ones that were to be loaded.
    on_device: int = 0
    found: tuple[int, int] | None = None
    # Whether what the last match promised is loaded within the step that computes the rest.
    synchronous: bool = False
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


def warn_uncached(reason: str) -> None:
    """Says once for each kind that such requests are served without cache."""
    once(
        ("uncached", reason),
        logging.WARNING,
        "KVBM: %s are served without cache",
        reason,
    )
