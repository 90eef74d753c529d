"""A pretend model: real KV memory, in which every slot holds a fingerprint of all that decides it.

A slot's bytes depend on the whole token prefix, the salt, the generation of the weights, the layer,
the head and the position; so one wrong, stale, shifted or foreign byte in a position that the
scheduler calls computed is seen before the step that would use it.
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
    table: list[int]
    computed: int
    prompt_length: int
    salt: str
    # Prefix hashes, `hashes[p]` over tokens[0...p]; extended as tokens arrive.
    hashes: list[int] = field(default_factory=list)
    generation: int = 0


@dataclass(frozen=True)
class Shape:
    """The pretend model's cache: one group of `layers` layers, `heads` heads of `head_size`."""

    layers: int = 2
    heads: int = 2
    head_size: int = 8
    block_tokens: int = 16
    dtype: torch.dtype = torch.float32

    @property
    def words(self) -> int:
        """64-bit words of K and V of one token, head and layer."""
        return 2 * self.head_size * self.dtype.itemsize // _WORD_BYTES


class Model:
    """One rank's memory and its requests; `shape.heads` are the rank's, of `heads_in_all`.

    `memory` has the shape [layer][block][head][token][word]; `views` are what vLLM would register.
    """

    def __init__(
        self, shape: Shape, block_count: int, first_head: int = 0, heads_in_all: int = 0
    ) -> None:
        self.shape = shape
        self.generation = 0
        sides = (shape.layers, block_count, shape.heads, shape.block_tokens, shape.words)
        self.memory = np.full(sides, 0xDEADDEADDEADDEAD, dtype=np.uint64)
        raw = torch.from_numpy(self.memory.view(np.int64).reshape(-1)).view(torch.int8)
        self.views = [
            raw.view(shape.dtype).view(
                shape.layers, block_count, shape.heads, shape.block_tokens, 2 * shape.head_size
            )[layer]
            for layer in range(shape.layers)
        ]
        self.rows: dict[str, Row] = {}
        self.checked_positions = 0
        heads = heads_in_all or shape.heads
        seeds = np.arange(shape.layers * heads * shape.words, dtype=np.uint64)
        places = _mix_array(seeds).reshape(shape.layers, heads, shape.words)
        # A head has one fingerprint, whichever rank holds it.
        self._places = places[:, first_head : first_head + shape.heads]

    # MARK: Fingerprints

    def _prefix_hashes(self, row: Row, end: int) -> np.ndarray:
        if row.generation != self.generation:
            row.generation, row.hashes = self.generation, []
        hashes = row.hashes
        if not hashes and end > 0:
            salt = int.from_bytes(row.salt.encode()[:8].ljust(8, b"\0"), "little")
            hashes.append(mix(mix(salt ^ mix(self.generation)) ^ row.tokens[0]))
        while len(hashes) < end:
            hashes.append(mix(hashes[-1] ^ row.tokens[len(hashes)]))
        return np.array(hashes[:end], dtype=np.uint64)

    def _expected(self, row: Row, begin: int, end: int) -> np.ndarray:
        """[position][layer][head][word]"""
        hashes = self._prefix_hashes(row, end)[begin:]
        return _mix_array(hashes[:, None, None, None] ^ self._places[None])

    def _slots(self, row: Row, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        positions = np.arange(begin, end)
        blocks = np.array(row.table, dtype=np.int64)[positions // self.shape.block_tokens]
        return blocks, positions % self.shape.block_tokens

    # MARK: Steps

    def scribble(self, blocks: list[int]) -> None:
        """What an engine may do to blocks that it has just allocated."""
        if blocks:
            self.memory[:, blocks] = np.uint64(0xBADBADBADBADBADB)

    def step(self, scheduled: dict[str, int]) -> list[list[int]]:
        """One forward pass: `scheduled` positions of each request; the sampled tokens.

        All write before any is checked: within one batch a request may use blocks that another one
        computes, as layers are computed for the whole batch.
        """
        computed = {request_id: self.rows[request_id].computed for request_id in scheduled}
        sampled = [self._forward(request_id, count) for request_id, count in scheduled.items()]
        for request_id, count in computed.items():
            self._check(request_id, count)
        return sampled

    def _check(self, request_id: str, computed: int) -> None:
        """Every position that the scheduler calls computed holds its fingerprint."""
        row = self.rows[request_id]
        if computed == 0:
            return
        blocks, offsets = self._slots(row, 0, computed)
        found = self.memory[:, blocks, :, offsets]
        expected = self._expected(row, 0, computed)
        self.checked_positions += computed
        if not np.array_equal(found.reshape(expected.shape), expected):
            wrong = np.argwhere(found.reshape(expected.shape) != expected)[0]
            raise WrongBytes(
                f"{request_id}: position {wrong[0]} of {computed}, layer {wrong[1]}, head "
                f"{wrong[2]} (device block {blocks[wrong[0]]}) is not what its prefix says"
            )

    def _forward(self, request_id: str, count: int) -> list[int]:
        row = self.rows[request_id]
        begin, end = row.computed, row.computed + count
        if end > len(row.tokens):
            raise AssertionError(f"{request_id}: {end} positions of {len(row.tokens)} tokens")
        blocks, offsets = self._slots(row, begin, end)
        self.memory[:, blocks, :, offsets] = self._expected(row, begin, end)
        row.computed = end
        if end < len(row.tokens):
            return []
        token = self.next_token(row)
        row.tokens.append(token)
        return [token]

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
            (table,) = new.block_ids
            self.rows[new.req_id] = Row(
                tokens,
                list(table),
                new.num_computed_tokens,
                len(new.prompt_token_ids),
                salts[new.req_id],
                generation=self.generation,
            )
            fresh += self._unread(table, new.num_computed_tokens)
        cached = output.scheduled_cached_reqs
        for index, request_id in enumerate(cached.req_ids):
            row = self.rows[request_id]
            if request_id in cached.all_token_ids:
                tokens = list(cached.all_token_ids[request_id])
                if tokens != row.tokens:
                    row.tokens, row.hashes = tokens, []
            row.computed = cached.num_computed_tokens[index]
            added = cached.new_block_ids[index]
            if request_id in cached.resumed_req_ids:
                row.table = list(added[0])
                fresh += self._unread(row.table, row.computed)
            elif added is not None:
                row.table += added[0]
                fresh += added[0]
        return fresh

    def _unread(self, table: list[int], computed: int) -> list[int]:
        return list(table[-(-computed // self.shape.block_tokens) :])
