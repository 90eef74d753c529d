"""What requests say of their blocks' worth: read, checked, told, and never a reason to fail."""

from types import SimpleNamespace

import pytest

from swift_kvbm import _native
from swift_kvbm.metrics import COUNTERS, Tally
from swift_kvbm.retention import Range, Wishes, requested

BLOCK = 16


def wishes(params, tally: Tally | None = None) -> Wishes:
    request = SimpleNamespace(request_id="r", kv_transfer_params=params)
    return requested(request, tally or Tally())


def wants(params, tally: Tally | None = None) -> list[Range]:
    found = wishes(params, tally)
    assert found.back_seconds is None
    return found.ranges


def told(wanted: Range) -> list[tuple]:
    calls: list[tuple] = []
    native = SimpleNamespace(retain=lambda *arguments: calls.append(arguments))
    wanted.tell(native, 7, BLOCK)
    return calls


@pytest.mark.parametrize("params", [None, {}, {"do_remote_prefill": True}, {"kvbm": {}}])
def test_other_connectors_keys_and_silence_mean_nothing(params, heard):
    assert wants(params) == [] and heard() == []


def test_a_whole_request_or_ranges_of_it():
    assert wants({"kvbm": {"priority": 90}, "remote_host": "x"}) == [Range(priority=90)]
    assert wants({"kvbm": {"priority": 0, "duration": 0.5, "pin": True}}) == [
        Range(priority=0, duration_seconds=0.5, pin=True)
    ]
    ranges = [{"start": 0, "end": 4096, "priority": 90, "duration": 600}, {"start": 4096}]
    assert wants({"kvbm": {"retention": ranges}}) == [
        Range(0, 4096, 90, 600.0),
        Range(4096),
    ]
    assert wants({"kvbm": {"retention": []}}) == []


def test_a_conversation_says_when_it_will_be_back():
    assert wishes({"kvbm": {"back_in": 60}}) == Wishes([], 60.0)
    assert wishes({"kvbm": {"back_in": 0.25, "priority": 90}}) == Wishes([Range(priority=90)], 0.25)
    both = wishes({"kvbm": {"retention": [{"start": 16, "priority": 10}], "back_in": 5}})
    assert both == Wishes([Range(16, None, 10)], 5.0)
    calls: list[tuple] = []
    native = SimpleNamespace(
        retain=lambda *arguments: calls.append(("retain", *arguments)),
        expect_back=lambda *arguments: calls.append(("back", *arguments)),
    )
    both.tell(native, 7, BLOCK)
    Wishes().tell(native, 8, BLOCK)
    assert calls == [("retain", 7, 1, _native.NO_END, 10, 0, False), ("back", 7, 5000)]


def test_ranges_are_told_in_all_the_blocks_that_they_touch():
    assert told(Range(0, 17, 90)) == [(7, 0, 2, 90, 0, False)]
    assert told(Range(15, 32, 90, 1.5)) == [(7, 0, 2, 90, 1500, False)]
    assert told(Range(33, None, 10)) == [(7, 2, _native.NO_END, 10, 0, False)]
    # A time that is shorter than the clock is still no eternity.
    assert told(Range(0, 1, 50, 1e-9, True)) == [(7, 0, 1, 50, 1, True)]


WRONG = [
    (7, "is not an object"),
    ([], "is not an object"),
    ({"prority": 90}, "'prority' is none of"),
    ({"priority": 101}, "priority 101 is not a whole number from 0 to 100"),
    ({"priority": "90"}, "is not a whole number"),
    ({"priority": True}, "is not a whole number"),
    ({"priority": 90, "duration": 0}, "duration 0 is not above 0"),
    ({"priority": 90, "duration": float("nan")}, "is not a number of seconds"),
    ({"priority": 90, "duration": 1e12}, "up to"),
    ({"priority": 90, "pin": True}, "pin needs a duration"),
    ({"priority": 90, "pin": 1}, "pin 1 is neither true nor false"),
    ({"retention": {"start": 0}}, "is not a list"),
    ({"retention": [7]}, "range 7 is not an object"),
    ({"retention": [{"first": 0}]}, "'first' is none of"),
    ({"retention": [{"start": 9, "end": 9}]}, "from token 9 to 9 is empty"),
    ({"retention": [{"start": -1}]}, "start -1"),
    ({"retention": [{"end": 2**40}]}, "end 1099511627776"),
    ({"retention": [{}] * 17}, "17 ranges, more than 16"),
    ({"retention": [], "priority": 90}, "'priority' is none of"),
    ({"priority": "x" * 1000}, "..."),
    ({"back_in": "soon"}, "back_in 'soon' is not a number of seconds"),
    ({"back_in": True}, "back_in True is not a number of seconds"),
    ({"back_in": -1}, "back_in -1 is not above 0"),
    ({"back_in": 1e9, "priority": 90}, "back_in 1000000000.0 is not above 0 and up to"),
]


@pytest.mark.parametrize(("said", "reason"), WRONG)
def test_what_cannot_be_read_is_ignored_counted_and_named_once(said, reason, heard):
    tally = Tally()
    for _ in range(3):
        assert wants({"kvbm": said}, tally) == []
    (line,) = heard()
    assert reason in line and "request r" in line and len(line) < 400
    assert tally.take("").data["kvbm_ignored_params"] == 3
    assert "kvbm_ignored_params" in COUNTERS


def test_whatever_a_stranger_sends_fails_nothing(heard):
    class Odd(dict):
        def __contains__(self, key):
            raise RuntimeError("odd")

    tally = Tally()
    assert wants(Odd(kvbm=1), tally) == []
    assert wants([("kvbm", {})], tally) == []
    assert tally.take("").data["kvbm_ignored_params"] == 1
