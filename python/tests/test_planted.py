"""Bugs planted in the library's test build: the harness must see every one of them."""

from dataclasses import replace

import pytest
from conftest import FAULT_LIBRARY, full
from harness.isolated import Raised, run_isolated
from harness.nodes import Node
from harness.runs import play_seeds
from harness.shapes import SHAPES

pytestmark = [pytest.mark.harness, pytest.mark.faults]

SEEDS = list(range(40))


@pytest.fixture
def node(binaries, fault_library, tmp_path):
    item = Node(tmp_path / "node", host_capacity=8 * 2**20)
    yield item
    item.kill()


def environment(fault: str, delay_us: int = 0) -> dict[str, str]:
    return {
        "KVBM_LIBRARY": str(FAULT_LIBRARY),
        "KVBM_FAULT": fault,
        "KVBM_TEST_COPY_DELAY_US": str(delay_us),
    }


def test_the_test_build_without_a_fault_is_sound(node, tmp_path):
    total = run_isolated(
        play_seeds, tmp_path, node.extra, SEEDS[:4], environment=environment("", 200)
    )
    assert total["loads"] > 0


EVERYWHERE = ["shift", "drop", "lie", "layer", "salt", "early"]
# Which caches show which faults: groups to swap, windows to begin at another place.
PLANTED = [(fault, shape) for fault in EVERYWHERE for shape in SHAPES]
# Without its last head nothing of a latent is loaded, and so it is not reported as loaded either.
PLANTED.remove(("drop", "latent"))
PLANTED += [("group", "hybrid"), ("window", "hybrid"), ("window", "sliding")]
# The quick form has each fault with one group and with several.
QUICK = [case for case in PLANTED if full() or case[1] in ("one", "hybrid") or case[0] == "window"]


@pytest.mark.parametrize(("fault", "shape"), QUICK)
def test_a_planted_fault_is_seen(node, tmp_path, fault, shape):
    options = {"environment": environment(fault, 2000 if fault == "early" else 0)}
    options |= {"shape": SHAPES[shape]}
    with pytest.raises(Raised) as error:
        run_isolated(play_seeds, tmp_path, node.extra, SEEDS, **options)
    print(error.value)
    assert error.value.kind == "WrongBytes"


@pytest.mark.skipif(not full(), reason="KVBM_FULL=1: the quick form plants them one by one")
@pytest.mark.parametrize("drafts", [0, 3])
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("fault", [*EVERYWHERE, "group", "window"])
def test_a_planted_fault_is_seen_with_drafts_and_ranks(node, tmp_path, fault, ranks, drafts):
    options = {"environment": environment(fault, 2000 if fault == "early" else 0)}
    # Two heads a rank at least: a rank whose only head is dropped loads nothing.
    options |= {"shape": replace(SHAPES["hybrid"], heads=4), "ranks": ranks, "drafts": drafts}
    with pytest.raises(Raised) as error:
        run_isolated(play_seeds, tmp_path, node.extra, SEEDS, **options)
    assert error.value.kind == "WrongBytes"


def play_patched(folder, extra, which, name, function, **options):
    """With a function of the scheduler's half replaced."""
    from unittest import mock

    with mock.patch(f"swift_kvbm.scheduler.{name}", function):
        return play_seeds(folder, extra, which, **options)


def every_known(done: int, now: int, known: int) -> int:
    """Claims every known token as written."""
    return known


def none_gone(window: int, computed: int, block_tokens: int) -> int:
    """Trusts every entry of a table."""
    return 0


@pytest.mark.parametrize("drafts", [0, 3])
def test_unconfirmed_tokens_are_seen(node, tmp_path, drafts):
    patched = ("confirmed_tokens", every_known)
    options = {"drafts": drafts, "environment": {}}
    with pytest.raises(Raised) as error:
        run_isolated(play_patched, tmp_path, node.extra, SEEDS, *patched, **options)
    assert error.value.kind == "WrongBytes"


def play_offered_again(folder, extra, which, name, function, **options):
    """As `play_patched`; and now and then everything is stored anew, under an epoch of its own.

    So the node holds none of it, as if it were new.
    """
    from random import Random

    rng = Random(1)

    def again(engine):
        half = engine.connector._scheduler
        if rng.random() < 0.1:
            half.reset()
            for sequence in half._sequences.values():
                half._begin_again(sequence)
            half.offer_again = True

    options |= {"on_step": again, "resets": False}
    return play_patched(folder, extra, which, name, function, **options)


@pytest.mark.parametrize("shape", ["hybrid", "sliding"])
def test_blocks_that_a_window_has_left_behind_are_seen(node, tmp_path, shape):
    options = {"shape": SHAPES[shape], "environment": {}}
    patched = ("blocks_let_go", none_gone)
    with pytest.raises(Raised) as error:
        run_isolated(play_offered_again, tmp_path, node.extra, SEEDS, *patched, **options)
    print(error.value)
    assert error.value.kind == "WrongBytes"
    # It is that function that keeps them back, and nothing else in such a run goes wrong.
    from swift_kvbm.scheduler import blocks_let_go

    sound = ("blocks_let_go", blocks_let_go)
    total = run_isolated(play_offered_again, tmp_path, node.extra, SEEDS[:4], *sound, **options)
    assert total["loads"] > 0
