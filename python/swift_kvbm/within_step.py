"""Loads within the step that computes what is left, where that holds hardly anybody up.

vLLM hears of an asynchronous load's end in the step's output, and schedules the request in the
next one. A synchronous load is done before the forward pass of the very step that schedules the
request, and costs its copies alone. But everybody in the step waits for these; and vLLM calls the
blocks cached before they are loaded, so that another request may compute on what a failed load
has left in them. So such loads are small, nobody else takes their blocks within the step, and when
one fails vLLM's prefix cache has to forget its blocks at once.
"""

from typing import Any

# Copies of so much take some milliseconds; whoever arrives meanwhile waits for them.
BYTES_ALONE_MAX = 64 * 2**20
# Of all such loads of a step, where others wait for them: a millisecond or two, while each request
# that loads so is spared a step.
BYTES_BESIDE_MAX = 16 * 2**20


class StepLoads:
    """Which requests an engine has, and which of them may load within the coming step.

    `block_bytes` are those of one block on all ranks; 0 where no load may be synchronous.
    """

    def __init__(self, block_bytes: int = 0, block_tokens: int = 1) -> None:
        self._block_bytes = block_bytes
        self._block_tokens = block_tokens
        self._live: set[str] = set()
        self._evict: Any = None
        # vLLM's hashes of one block's tokens.
        self._hashes_per_block = 0
        # The coming step's: bytes, and of each load the index and vLLM's hash of its first block.
        self._bytes = 0
        self._first: list[tuple[int, Any]] = []
        # The device blocks that they and their requests' computation fill; and those of the step
        # before, until its output is known.
        self._filling: dict[str, set[int]] = {}
        self._filled: dict[str, set[int]] = {}

    def bind_block_pool(self, pool: Any) -> None:
        """vLLM's device blocks. One that cannot forget single blocks allows no synchronous load."""
        self._evict = getattr(pool, "evict_blocks", None)
        tokens = getattr(pool, "hash_block_size", 0)
        self._hashes_per_block = self._block_tokens // tokens if tokens else 0

    def entered(self, request_id: str) -> None:
        """vLLM has a new request. Where it does not tell, nobody is ever known to be there."""
        self._live.add(request_id)

    def left(self, request_id: str) -> None:
        """The request is over."""
        self._live.discard(request_id)

    def is_alone(self, request_id: str) -> bool:
        """Whether vLLM has no other request."""
        return self._live == {request_id}

    def may_load(self, request: Any, blocks: int) -> bool:
        """Whether a load of so many blocks may be synchronous, by what is there now."""
        if self._evict is None or not self._hashes_per_block:
            return False
        if request.request_id not in self._live or not getattr(request, "block_hashes", None):
            return False
        most = BYTES_BESIDE_MAX - self._bytes
        if self.is_alone(request.request_id):
            most = BYTES_ALONE_MAX
        return 0 < blocks * self._block_bytes <= most

    def shares(self, request: Any, computed: int) -> bool:
        """Whether vLLM takes blocks for computed that the coming step has yet to load."""
        return any(
            computed >= index * self._block_tokens and self._hash(request, index) == content
            for index, content in self._first
        )

    def loads(self, request: Any, first: int, blocks: set[int], count: int) -> None:
        """A synchronous load of `count` blocks begins, for a request that computes into these."""
        self._bytes += count * self._block_bytes
        self._first.append((first, self._hash(request, first)))
        self._filling[request.request_id] = blocks

    def begins(self) -> None:
        """The step is scheduled."""
        self._filled, self._filling = self._filling, {}
        self._bytes = 0
        self._first.clear()

    def failed(self, request_id: str) -> bool:
        """A load failed. Whether it was one of the last step's: nobody shall find its blocks."""
        blocks = self._filled.get(request_id)
        if blocks is None:
            return False
        self._evict(blocks)
        return True

    def _hash(self, request: Any, index: int) -> Any:
        """What vLLM finds a block of the request by, and all before it."""
        hashes = request.block_hashes
        place = index * self._hashes_per_block
        return hashes[place] if place < len(hashes) else None
