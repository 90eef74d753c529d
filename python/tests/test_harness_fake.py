"""The contract harness itself, over a stand-in for library and node: it plays, and it can fail."""

from unittest import mock

import pytest
from harness.fake import FakeNode
from harness.fake_engine import fake_engine
from harness.model import WrongBytes
from harness.play import Report, play
from harness.shapes import SHAPES

EXTRA = {"weights_id": "harness"}
SEEDS = 12
# A fault is looked for until it is seen: a run sees a rare one with a chance of a fifth.
SEEDS_MAX = 60


def run(folder, seed: int, shape: str = "one", **node) -> Report:
    return play(folder, EXTRA, seed, make=fake_engine(FakeNode(**node)), shape=SHAPES[shape])


def test_a_sound_connector_passes(tmp_path):
    reports = [
        run(
            tmp_path,
            seed,
            copy_seconds=0.001 * (seed % 3),
            pending_answers=seed % 4,
            fail_loads=5 if seed % 2 else 0,
            capacity_blocks=80 + 40 * seed,
        )
        for seed in range(SEEDS)
    ]
    total = {
        name: sum(getattr(report, name) for report in reports)
        for name in ("loads", "failed_blocks", "preemptions", "aborted_while_loading", "resets")
    }
    print(total)
    assert all(total.values()), f"something was never played: {total}"


@pytest.mark.parametrize("shape", ["hybrid", "sliding", "latent"])
def test_a_sound_connector_passes_with_other_caches(tmp_path, shape):
    reports = [run(tmp_path, seed, shape, pending_answers=2, fail_loads=5) for seed in range(4)]
    failed = "failed_blocks" if shape == "latent" else "failed_loads"
    for name in ("loads", failed):
        assert sum(getattr(report, name) for report in reports), f"{name} never happened"


@pytest.mark.parametrize(
    ("fault", "shape"), [("group", "hybrid"), ("window", "hybrid"), ("window", "sliding")]
)
def test_every_fault_of_groups_and_windows_is_seen(tmp_path, fault, shape):
    with pytest.raises(WrongBytes):
        for seed in range(SEEDS_MAX):
            run(tmp_path, seed, shape, fault=fault)


def test_a_load_that_failed_as_a_whole_and_is_not_told_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("swift_kvbm.worker.WorkerHalf.failed_whole", lambda self: set())
    with pytest.raises(WrongBytes):
        for seed in range(SEEDS_MAX):
            run(tmp_path, seed, "hybrid", fail_loads=2)


@pytest.mark.parametrize("fault", ["shift", "drop", "lie", "layer", "salt", "early"])
def test_every_fault_of_the_copies_is_seen(tmp_path, fault):
    slow = 0.0005 if fault == "early" else 0.0
    with pytest.raises(WrongBytes):
        for seed in range(SEEDS_MAX):
            run(tmp_path, seed, fault=fault, copy_seconds=slow)


def test_tokens_that_are_not_confirmed_are_seen(tmp_path):
    with (
        mock.patch(
            "swift_kvbm.scheduler.confirmed_tokens", lambda computed, scheduled, known: known
        ),
        pytest.raises(WrongBytes),
    ):
        for seed in range(SEEDS_MAX):
            run(tmp_path, seed)


def test_a_reset_that_keeps_the_old_keys_is_seen(tmp_path):
    with (
        mock.patch("swift_kvbm.scheduler.SchedulerHalf.reset", lambda self: None),
        pytest.raises(WrongBytes),
    ):
        for seed in range(SEEDS_MAX):
            run(tmp_path, seed)


def test_a_load_that_is_not_reported_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.play.STALL_SECONDS_MAX", 1.0)
    monkeypatch.setattr("swift_kvbm.worker.WorkerHalf.received", lambda self, idle: set())
    with pytest.raises(AssertionError, match="stalled|never end"):
        for seed in range(SEEDS_MAX):
            run(tmp_path, seed)


def test_a_failed_load_that_is_not_told_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("swift_kvbm.worker.WorkerHalf.failed_blocks", lambda self: set())
    with pytest.raises(WrongBytes):
        for seed in range(SEEDS_MAX):
            run(tmp_path, seed, fail_loads=2)
