"""Bugs planted in the library's test build: the harness must see every one of them."""

import pytest
from conftest import FAULT_LIBRARY
from harness.isolated import Raised, run_isolated
from harness.nodes import Node
from harness.runs import play_seeds

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


@pytest.mark.parametrize("fault", ["shift", "drop", "lie", "layer", "salt", "early"])
def test_a_planted_fault_is_seen(node, tmp_path, fault):
    delay_us = 2000 if fault == "early" else 0
    with pytest.raises(Raised) as error:
        run_isolated(
            play_seeds, tmp_path, node.extra, SEEDS, environment=environment(fault, delay_us)
        )
    print(error.value)
    assert error.value.kind == "WrongBytes"


def play_unconfirmed(folder, extra, which):
    """Claims every known token as written."""
    from unittest import mock

    with mock.patch("swift_kvbm.scheduler.confirmed_tokens", lambda done, now, known: known):
        return play_seeds(folder, extra, which)


def test_unconfirmed_tokens_are_seen(node, tmp_path):
    with pytest.raises(Raised) as error:
        run_isolated(play_unconfirmed, tmp_path, node.extra, SEEDS, environment={})
    assert error.value.kind == "WrongBytes"
