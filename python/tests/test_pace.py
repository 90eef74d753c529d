"""Which steps are timed, and what is told of them."""

from types import SimpleNamespace

import pytest

from swift_kvbm import pace
from swift_kvbm.pace import PrefillPace


class Recorder:
    """In place of the native side."""

    def __init__(self) -> None:
        self.notes: list[tuple[int, int, int]] = []

    def note_prefill(self, tokens: int, context_tokens: int, nanoseconds: int) -> None:
        self.notes.append((tokens, context_tokens, nanoseconds))


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(ns=1_000)
    monkeypatch.setattr(pace.time, "perf_counter_ns", lambda: now.ns)
    return now


def output(new: dict[str, tuple[int, int]], cached: dict[str, tuple[int, int]] | None = None):
    """A step that computes (tokens, behind so many) for each request."""
    cached = cached or {}
    return SimpleNamespace(
        num_scheduled_tokens={name: count for name, (count, _) in {**new, **cached}.items()},
        scheduled_new_reqs=[
            SimpleNamespace(req_id=name, num_computed_tokens=start)
            for name, (_, start) in new.items()
        ],
        scheduled_cached_reqs=SimpleNamespace(
            req_ids=list(cached), num_computed_tokens=[start for _, start in cached.values()]
        ),
    )


def test_a_step_over_prompts_is_timed_from_its_schedule_to_its_output(clock):
    native = Recorder()
    timed = PrefillPace(native)
    step = timed.begins(output({"a": (64, 0)}, {"b": (100, 50)}), set(), False)
    clock.ns += 5_000
    timed.ended(step, set())
    pairs = 64 * 63 // 2 + 100 * 50 + 100 * 99 // 2
    assert native.notes == [(164, pairs, 5_000)]


def test_a_step_begins_when_the_one_before_it_has_ended(clock):
    native = Recorder()
    timed = PrefillPace(native)
    first = timed.begins(output({"a": (64, 0)}), set(), False)
    clock.ns += 100
    second = timed.begins(output({}, {"a": (64, 64)}), set(), False)
    clock.ns += 900
    timed.ended(first, set())
    clock.ns += 700
    timed.ended(second, set())
    assert [note[2] for note in native.notes] == [1_000, 700]


def test_short_steps_and_steps_that_decode_are_not_timed(clock):
    timed = PrefillPace(Recorder())
    assert timed.begins(output({"a": (63, 0)}), set(), False) == 0
    decoding = {f"d{index}": (1, 900) for index in range(9)}
    assert timed.begins(output({"a": (100, 0)}, decoding), set(), False) == 0
    assert timed.begins(output({}), set(), False) == 0
    assert timed.begins(output({"a": (160, 0)}, decoding), set(), False) > 0


def test_steps_beside_loads_are_not_timed(clock):
    timed = PrefillPace(Recorder())
    assert timed.begins(output({"a": (64, 0)}), set(), True) == 0
    assert timed.begins(output({"a": (64, 0)}), {"b", "c"}, True) == 0
    timed.ended(0, {"b"})
    assert timed.begins(output({"a": (64, 0)}), set(), False) == 0
    timed.left("c")
    assert timed.begins(output({"a": (64, 0)}), set(), False) > 0


def test_an_output_that_never_came_is_forgotten(clock):
    native = Recorder()
    timed = PrefillPace(native)
    for _ in range(100):
        timed.begins(output({"a": (64, 0)}), set(), False)
        step = timed.begins(output({"a": (64, 0)}), set(), False)
        clock.ns += 10
        timed.ended(step, set())
    assert len(native.notes) == 100
