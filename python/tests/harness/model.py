"""A pretend model: real KV memory, in which every slot holds a fingerprint of all that decides it.

A slot's bytes depend on the whole token prefix, the salt, the generation of the weights, the cache
group, the layer, the head and the position; so one wrong, stale, shifted or foreign byte in a
position that the scheduler calls computed, and that the next token attends to, is seen before the
step that would use it.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

_MASK = (1 << 64) - 1
_WORD_BYTES = 8
VOCABULARY = range(8, 40)


class WrongBytes(AssertionError):
    """A computed position does not hold what its prefix says."""

    def __init__(self, text: str, index: int = 0) -> None:
        super().__init__(text)
        # The block of that position, counted from the beginning of the table.
        self.index = index


def mix(value: int) -> int:
    """A 64-bit finaliser (splitmix64)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def _mix_array(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


@dataclass
class Row:
    """A request as the worker sees it."""

    tokens: list[int]
    # A row for each cache group.
    tables: list[list[int]]
    computed: int
    prompt_length: int
    salt: str
    # Prefix hashes, `hashes[p]` over tokens[0...p]; extended as tokens arrive.
    hashes: list[int] = field(default_factory=list)
    generation: int = 0
    # What this worker would propose for the tokens to come.
    drafts: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Shape:
    """The pretend model's cache: groups of `layers` layers, `heads` heads of `head_size`."""

    layers: int = 2
    heads: int = 2
    head_size: int = 8
    block_tokens: int = 16
    dtype: torch.dtype = torch.float32
    # An entry for each group: tokens of its sliding window, 0 for full attention.
    windows: tuple[int, ...] = (0,)
    # Layers that the last group has less than the others.
    missing: int = 0
    # One head of `head_size` elements that are neither K nor V.
    latent: bool = False

    @property
    def words(self) -> int:
        """64-bit words of one token, head and layer."""
        return (1 if self.latent else 2) * self.head_size * self.dtype.itemsize // _WORD_BYTES

    @property
    def group_layers(self) -> list[int]:
        """Layers of each group."""
        last = len(self.windows) - 1
        return [self.layers - (self.missing if i == last else 0) for i in range(last + 1)]


class Model:
    """One rank's memory and its requests; `shape.heads` are the rank's, of `heads_in_all`.

    `memory` has the shape [layer][block][head][token][word], and every group's layers lie in the
    same bytes of it: a block belongs to one group at a time. `views` are what vLLM would register,
    for each group. With `drafts` it guesses that many tokens ahead, and often wrongly.
    """

    def __init__(
        self,
        shape: Shape,
        block_count: int,
        first_head: int = 0,
        heads_in_all: int = 0,
        drafts: int = 0,
    ) -> None:
        self.shape = shape
        self.generation = 0
        self.drafts = drafts
        # Whether steps are scheduled before the tokens of those before are known.
        self.runs_ahead = False
        sides = (shape.layers, block_count, shape.heads, shape.block_tokens, shape.words)
        self.memory = np.full(sides, 0xDEADDEADDEADDEAD, dtype=np.uint64)
        raw = torch.from_numpy(self.memory.view(np.int64).reshape(-1)).view(torch.int8)
        layers = raw.view(shape.dtype).view(*sides[:-1], -1)
        self.views = [[layers[layer] for layer in range(count)] for count in shape.group_layers]
        self.rows: dict[str, Row] = {}
        self.checked_positions = self.accepted = self.rejected = 0
        # Of the last step: requests that computed on wrong bytes.
        self.wrong: dict[str, WrongBytes] = {}
        heads = heads_in_all or shape.heads
        sides = (len(shape.windows), shape.layers, heads, shape.words)
        seeds = np.arange(np.prod(sides), dtype=np.uint64)
        # A head has one fingerprint, whichever rank holds it.
        self._places = _mix_array(seeds).reshape(sides)[:, :, first_head : first_head + shape.heads]

    # MARK: Fingerprints

    def _prefix_hashes(self, row: Row, end: int, drafts: list[int] | None = None) -> np.ndarray:
        """Of the tokens, and behind them of `drafts`, which may never come true."""
        if row.generation != self.generation:
            row.generation, row.hashes = self.generation, []
        hashes = row.hashes
        if not hashes and end > 0:
            salt = int.from_bytes(row.salt.encode()[:8].ljust(8, b"\0"), "little")
            hashes.append(mix(mix(salt ^ mix(self.generation)) ^ row.tokens[0]))
        while len(hashes) < min(end, len(row.tokens)):
            hashes.append(mix(hashes[-1] ^ row.tokens[len(hashes)]))
        found = hashes[:end]
        for draft in (drafts or [])[: end - len(found)]:
            found.append(mix(found[-1] ^ (draft & _MASK)))
        return np.array(found, dtype=np.uint64)

    def _expected(self, hashes: np.ndarray, group: int) -> np.ndarray:
        """[position][layer][head][word]"""
        places = self._places[group, : self.shape.group_layers[group]]
        return _mix_array(hashes[:, None, None, None] ^ places[None])

    def _slots(self, row: Row, group: int, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        positions = np.arange(begin, end)
        table = np.array(row.tables[group], dtype=np.int64)
        return table[positions // self.shape.block_tokens], positions % self.shape.block_tokens

    def _layers(self, group: int) -> np.ndarray:
        return self.memory[: self.shape.group_layers[group]]

    # MARK: Steps

    def scribble(self, blocks: list[int]) -> None:
        """What an engine may do to blocks that it has just allocated."""
        if blocks:
            self.memory[:, blocks] = np.uint64(0xBADBADBADBADBADB)

    def step(
        self, scheduled: dict[str, int], drafts: dict[str, list[int]] | None = None
    ) -> list[list[int]]:
        """One forward pass: `scheduled` positions of each request; the sampled tokens.

        The last of the positions are those of `drafts`; where they have no ids (-1), of the
        worker's own. All write before any is checked: within one batch a request may use blocks
        that another one computes, as layers are computed for the whole batch.
        """
        computed = {request_id: self.rows[request_id].computed for request_id in scheduled}
        sampled = [
            self._forward(request_id, count, (drafts or {}).get(request_id, []))
            for request_id, count in scheduled.items()
        ]
        self.wrong = {}
        for request_id, count in computed.items():
            try:
                self._check(request_id, count)
            except WrongBytes as error:
                self.wrong[request_id] = error
                self._spoil(request_id, count, count + scheduled[request_id])
        return sampled

    def excuse(self, invalid_blocks: set[int]) -> None:
        """Raises what the last step met, unless the scheduler is told not to take its tokens.

        That is so where a block of the table up to the wrong one is reported as invalid.
        """
        for request_id, error in self.wrong.items():
            tables = self.rows[request_id].tables
            if len(tables) > 1 or invalid_blocks.isdisjoint(tables[0][: error.index + 1]):
                raise error

    def _spoil(self, request_id: str, begin: int, end: int) -> None:
        """What is computed on wrong bytes is wrong."""
        row = self.rows[request_id]
        for group in range(len(self.shape.windows)):
            blocks, offsets = self._slots(row, group, begin, end)
            self._layers(group)[:, blocks, :, offsets] = np.uint64(0x5901_5901_5901_5901)

    def _check(self, request_id: str, computed: int) -> None:
        """Every position that the step's first token attends to holds its fingerprint."""
        row = self.rows[request_id]
        self.checked_positions += computed
        hashes = self._prefix_hashes(row, computed)
        for group, window in enumerate(self.shape.windows):
            begin = max(0, computed - window + 1) if window else 0
            if begin == computed:
                continue
            blocks, offsets = self._slots(row, group, begin, computed)
            found = self._layers(group)[:, blocks, :, offsets]
            expected = self._expected(hashes[begin:], group)
            if not np.array_equal(found, expected):
                place, layer, head, _ = np.argwhere(found != expected)[0]
                raise WrongBytes(
                    f"{request_id}: position {begin + place} of {computed}, group {group}, layer "
                    f"{layer}, head {head} (device block {blocks[place]}) is not what its prefix "
                    "says",
                    int(begin + place) // self.shape.block_tokens,
                )

    def _forward(self, request_id: str, count: int, drafts: list[int]) -> list[int]:
        row = self.rows[request_id]
        known = len(row.tokens)
        if any(draft < 0 for draft in drafts):
            drafts = (row.drafts + drafts)[: len(drafts)]
        begin, end = row.computed, row.computed + count
        if end > known + len(drafts):
            raise AssertionError(f"{request_id}: {end} positions of {known} tokens and {drafts}")
        hashes = self._prefix_hashes(row, end, drafts)[begin:]
        for group in range(len(self.shape.windows)):
            blocks, offsets = self._slots(row, group, begin, end)
            self._layers(group)[:, blocks, :, offsets] = self._expected(hashes, group)
        row.computed = end
        if end < known:
            return []
        sampled = self._sample(row, drafts[: end - known])
        row.computed = len(row.tokens) - 1
        if self.drafts:
            row.drafts = self._guess(row)
        return sampled

    def _sample(self, row: Row, drafts: list[int]) -> list[int]:
        """The tokens that come next: one more than there were right drafts."""
        sampled = []
        for draft in [*drafts, None]:
            token = self.next_token(row)
            row.tokens.append(token)
            sampled.append(token)
            if token != draft:
                break
        self.accepted += len(sampled) - 1
        self.rejected += len(drafts) - len(sampled) + 1
        return sampled

    def _guess(self, row: Row) -> list[int]:
        """Drafts of which, by the prefix, none, some or all are right. Equal on all ranks."""
        ahead = Row(list(row.tokens), [], 0, 0, row.salt, list(row.hashes), row.generation)
        right = mix(int(self._prefix_hashes(ahead, len(row.tokens))[-1]) ^ 0xD4AF) % 5
        for index in range(self.drafts):
            token = self.next_token(ahead)
            ahead.tokens.append(token if index < right else VOCABULARY[token % len(VOCABULARY)])
        return ahead.tokens[len(row.tokens) :]

    def next_token(self, row: Row) -> int:
        """Decided by the whole prefix, like a greedy model's."""
        last = int(self._prefix_hashes(row, len(row.tokens))[-1])
        return VOCABULARY[mix(last ^ 0x70C) % len(VOCABULARY)]

    # MARK: Following the scheduler

    def update(self, output: Any, salts: dict[str, str]) -> list[int]:
        """Takes over a step's requests; the blocks that the step allocated for computing."""
        for request_id in output.finished_req_ids:
            self.rows.pop(request_id, None)
        fresh: list[int] = []
        for new in output.scheduled_new_reqs:
            tokens = list(new.prefill_token_ids or new.prompt_token_ids)
            tables = [list(table) for table in new.block_ids]
            self.rows[new.req_id] = Row(
                tokens,
                tables,
                new.num_computed_tokens,
                len(new.prompt_token_ids),
                salts[new.req_id],
                generation=self.generation,
            )
            fresh += self._unread(tables, new.num_computed_tokens)
        cached = output.scheduled_cached_reqs
        for index, request_id in enumerate(cached.req_ids):
            row = self.rows[request_id]
            if request_id in cached.all_token_ids:
                tokens = list(cached.all_token_ids[request_id])
                if tokens != row.tokens:
                    row.tokens, row.hashes = tokens, []
            computed = cached.num_computed_tokens[index]
            added = cached.new_block_ids[index]
            if request_id in cached.resumed_req_ids:
                row.computed, row.drafts = computed, []
                row.tables = [list(table) for table in added]
                fresh += self._unread(row.tables, row.computed)
                continue
            # Tokens of a step that computed on a failed load were never sampled.
            end = row.prompt_length + cached.num_output_tokens[index]
            if end < len(row.tokens) and not self.runs_ahead:
                del row.tokens[end:], row.hashes[end:]
            # A scheduler that runs ahead takes every draft in flight for a right one.
            row.computed = min(row.computed, computed)
            for table, blocks in zip(row.tables, added or (), strict=False):
                table += blocks
                fresh += blocks
        return fresh

    def _unread(self, tables: list[list[int]], computed: int) -> list[int]:
        first = -(-computed // self.shape.block_tokens)
        return [block for table in tables for block in table[first:]]
