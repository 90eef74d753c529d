"""Loads within the step that computes what is left: for a request that has the engine to itself.

vLLM hears of an asynchronous load's end in a step without a forward pass, and sleeps a millisecond
before the next one. A synchronous load is done before the forward pass of the very step that
schedules the request, and costs its copies alone. But a step that it keeps waiting is everybody's;
and vLLM calls its blocks cached before they are loaded, so that another request may compute on
what a failed load has left in them. So nobody else may be there, and when such a load fails
vLLM's prefix cache has to forget its blocks at once.
"""

from typing import Any

# Copies of so much take some milliseconds; whoever arrives meanwhile waits for them.
BYTES_MAX = 64 * 2**20


class LoneRequests:
    """Which requests an engine has, and whether one of them may load within its step.

    `block_bytes` are those of one block on all ranks; 0 where no load may be synchronous.
    """

    def __init__(self, block_bytes: int = 0) -> None:
        self._block_bytes = block_bytes
        self._live: set[str] = set()
        self._evict: Any = None
        # The last synchronous load: whose, and into which device blocks.
        self._last: tuple[str, set[int]] = ("", set())

    def bind_block_pool(self, pool: Any) -> None:
        """vLLM's device blocks. One that cannot forget single blocks allows no synchronous load."""
        self._evict = getattr(pool, "evict_blocks", None)

    def entered(self, request_id: str) -> None:
        """vLLM has a new request. Where it does not tell, nobody is ever known to be alone."""
        self._live.add(request_id)

    def left(self, request_id: str) -> None:
        """The request is over."""
        self._live.discard(request_id)

    def is_alone(self, request_id: str) -> bool:
        """Whether vLLM has no other request."""
        return self._live == {request_id}

    def may_load(self, request_id: str, blocks: int) -> bool:
        """Whether a load of so many blocks may be synchronous, by what is there now."""
        within = 0 < blocks * self._block_bytes <= BYTES_MAX
        return within and self._evict is not None and self.is_alone(request_id)

    def loads(self, request_id: str, blocks: set[int]) -> None:
        """A synchronous load begins, of a request that computes into these device blocks."""
        self._last = (request_id, blocks)

    def failed(self, request_id: str) -> None:
        """A load failed. If it was the last synchronous one, nobody shall find its blocks."""
        last, blocks = self._last
        if last == request_id:
            self._evict(blocks)
