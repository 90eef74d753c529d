"""How long a request wants its blocks kept, when it will be back, and who pays for them:
`kv_transfer_params` read, checked and told.

What a request brings along comes from strangers. Nothing in it can fail the request: what cannot be
read is ignored, counted, and named in one warning. How much of it is granted, the node decides.

    {"kvbm": {"priority": 90, "duration": 600}}
    {"kvbm": {"retention": [
        {"start": 0, "end": 4096, "priority": 90, "duration": 600, "pin": true}]}}
    {"kvbm": {"back_in": 60}}
    {"kvbm": {"tenant": "acme"}}
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from swift_kvbm._native import NO_END, RETENTION_COUNT_MAX
from swift_kvbm.log import once
from swift_kvbm.metrics import Tally
from swift_kvbm.tenants import NAME_WORDS, Payer, is_name

# Other connectors' keys in `kv_transfer_params` are none of ours; this one is.
PARAMS_KEY = "kvbm"
PRIORITY_NORMAL = 50
PRIORITY_MAX = 100
# What 32 bits of milliseconds hold: 49 days.
DURATION_SECONDS_MAX = 4_294_967
_RANGE_KEYS = ("start", "end", "priority", "duration", "pin")
_WHOLE_KEYS = ("priority", "duration", "pin")
BACK_KEY = "back_in"
TENANT_KEY = "tenant"
_OTHER_KEYS = (BACK_KEY, TENANT_KEY)


@dataclass(frozen=True)
class Range:
    """Tokens `[start, end)` of a request; `end` None: all that follow."""

    start: int = 0
    end: int | None = None
    priority: int = PRIORITY_NORMAL
    # None: for ever.
    duration_seconds: float | None = None
    pin: bool = False

    def tell(self, native: Any, handle: int, block_tokens: int) -> None:
        """Hands it to the native library, in blocks: every one that the range touches."""
        first = self.start // block_tokens
        end = NO_END if self.end is None else -(-self.end // block_tokens)
        # Never 0, which is for ever.
        seconds = self.duration_seconds
        duration_ms = 0 if seconds is None else max(1, round(seconds * 1000))
        if first < end <= NO_END:
            native.retain(handle, first, end, self.priority, duration_ms, self.pin)


@dataclass(frozen=True)
class Wishes:
    """What a request says beside its tokens; nothing, for most."""

    ranges: list[Range] = field(default_factory=list)
    # How long after the request's end its conversation will be back.
    back_seconds: float | None = None
    # Who pays for what it brings; None: nobody in particular.
    tenant: str | None = None

    def tell(self, native: Any, handle: int, block_tokens: int) -> None:
        """Hands it to the native library."""
        if self.tenant is not None:
            native.pay(handle, self.tenant)
        for item in self.ranges:
            item.tell(native, handle, block_tokens)
        if self.back_seconds is not None:
            native.expect_back(handle, round(self.back_seconds * 1000))


def requested(request: Any, tally: Tally, payer: Payer | None = None) -> Wishes:
    """What the request wants; when it wants nothing, or what it says cannot be read, only that its
    engine's tenant pays."""
    payer = payer or Payer()
    params = request.kv_transfer_params
    if not params:
        return Wishes(tenant=payer.name)
    try:
        if not isinstance(params, Mapping) or PARAMS_KEY not in params:
            return Wishes(tenant=payer.name)
        return _wishes(params[PARAMS_KEY], payer)
    except ValueError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - whatever a stranger can think of
        reason = f"it cannot be read ({type(error).__name__})"
    tally.add("kvbm_ignored_params")
    once(
        "kv_transfer_params",
        logging.WARNING,
        "KVBM: kv_transfer_params[%r] of request %.64s is ignored, as are others like it: %s",
        PARAMS_KEY,
        request.request_id,
        reason,
    )
    return Wishes(tenant=payer.name)


def priority_of_all(ranges: list[Range]) -> int:
    """What a request calls all of its blocks worth; what is said of parts alone is left out."""
    return max(
        (item.priority for item in ranges if item.start == 0 and item.end is None),
        default=PRIORITY_NORMAL,
    )


def _wishes(said: Any, payer: Payer) -> Wishes:
    if not isinstance(said, Mapping):
        raise ValueError(f'{_shown(said)} is not an object, as in {{"priority": 90}}')
    worth = {key: value for key, value in said.items() if key not in _OTHER_KEYS}
    return Wishes(_ranges(worth), _seconds(said, BACK_KEY), _tenant(said, payer))


def _tenant(said: Mapping[str, Any], payer: Payer) -> str | None:
    name = said.get(TENANT_KEY)
    if name is None:
        return payer.name
    if not payer.trusts_requests:
        raise ValueError("tenants are not taken from requests (tenant_from_requests)")
    if not is_name(name):
        raise ValueError(f"tenant {_shown(name)} is not a name of {NAME_WORDS}")
    return str(name)


def _ranges(said: Mapping[str, Any]) -> list[Range]:
    if "retention" not in said:
        _check_keys(said, ("retention", *_WHOLE_KEYS, *_OTHER_KEYS))
        return [_range(said)] if said else []
    _check_keys(said, ("retention", *_OTHER_KEYS))
    ranges = said["retention"]
    if not isinstance(ranges, list | tuple):
        raise ValueError(f"retention {_shown(ranges)} is not a list of ranges")
    if len(ranges) > RETENTION_COUNT_MAX:
        raise ValueError(f"retention has {len(ranges)} ranges, more than {RETENTION_COUNT_MAX}")
    for item in ranges:
        if not isinstance(item, Mapping):
            raise ValueError(f"range {_shown(item)} is not an object")
        _check_keys(item, _RANGE_KEYS)
    return [_range(item) for item in ranges]


def _range(said: Mapping[str, Any]) -> Range:
    start = _whole(said, "start", 0, 0, NO_END)
    end = None if said.get("end") is None else _whole(said, "end", 0, 1, NO_END)
    if end is not None and start >= end:
        raise ValueError(f"the range from token {start} to {end} is empty")
    pin = said.get("pin", False)
    if not isinstance(pin, bool):
        raise ValueError(f"pin {_shown(pin)} is neither true nor false")
    duration = _seconds(said, "duration")
    if pin and duration is None:
        raise ValueError("pin needs a duration: nothing is pinned for ever")
    priority = _whole(said, "priority", PRIORITY_NORMAL, 0, PRIORITY_MAX)
    return Range(start, end, priority, duration, pin)


def _seconds(said: Mapping[str, Any], key: str) -> float | None:
    value = said.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{key} {_shown(value)} is not a number of seconds")
    if not 0 < value <= DURATION_SECONDS_MAX:
        raise ValueError(f"{key} {_shown(value)} is not above 0 and up to {DURATION_SECONDS_MAX}")
    return float(value)


def _whole(said: Mapping[str, Any], key: str, default: int, low: int, high: int) -> int:
    value = said.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{key} {_shown(value)} is not a whole number from {low} to {high}")
    return value


def _check_keys(said: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in said:
        if key not in known:
            raise ValueError(f"{_shown(key)} is none of {', '.join(known)}")


def _shown(value: Any) -> str:
    """Enough of a stranger's value to recognise it."""
    text = repr(value)
    return text if len(text) <= 64 else f"{text[:61]}..."
