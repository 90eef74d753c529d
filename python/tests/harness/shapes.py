"""The caches that the harness plays, and all ways in which it plays them."""

import itertools
from typing import Any

import torch

from .model import Shape

# The window of the first is such that the last token's begins a block before the next one's.
SHAPES = {
    "one": Shape(),
    "hybrid": Shape(windows=(33, 0)),
    "sliding": Shape(windows=(40,)),
    "latent": Shape(heads=1, head_size=16, latent=True),
}
MORE_SHAPES = {
    "three groups": Shape(windows=(0, 70, 70), missing=1),
    "two windows": Shape(windows=(20, 50, 0)),
    "narrow": Shape(windows=(5, 0)),
    "wide": Shape(windows=(0, 200)),
    "heads of 40 in float16": Shape(head_size=40, dtype=torch.float16, windows=(33, 0)),
    "heads of 80 in bfloat16": Shape(heads=3, head_size=80, dtype=torch.bfloat16),
    "latents of 24 in bfloat16": Shape(
        heads=1, head_size=24, dtype=torch.bfloat16, latent=True, layers=3
    ),
}
AXES: dict[str, list[Any]] = {
    "shape": list(SHAPES),
    "asynchronous": [False, True],
    "drafts": [0, 3],
    "ranks": [1, 2],
    "child": [False, True],
}


def every_case() -> list[tuple[Any, ...]]:
    """One value of each axis, in every combination."""
    return list(itertools.product(*AXES.values()))


def pairs(case: tuple[Any, ...]) -> set[tuple[Any, ...]]:
    """Every two values of a case, with their places."""
    return set(itertools.combinations(enumerate(case), 2))


def covering_cases() -> list[tuple[Any, ...]]:
    """So few cases that every two values of two axes meet in one of them."""
    cases, chosen = every_case(), []
    missing = set().union(*map(pairs, cases))
    while missing:
        chosen.append(max(cases, key=lambda case: len(pairs(case) & missing)))
        missing -= pairs(chosen[-1])
    return chosen
