"""Sizes as people write them: "512MiB", "20GB", or a number of bytes."""

import re

_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_PATTERN = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*$")
_BYTES_MAX = 2**62


def parse_size(key: str, value: object) -> int:
    """The number of bytes that `value` says; ValueError names the key, the value and the remedy."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(_refusal(key, value))
    match = _PATTERN.match(str(value))
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(_refusal(key, value))
    whole, _, fraction = match[1].partition(".")
    size = int(whole) * unit
    if fraction:
        size += int(fraction) * unit // 10 ** len(fraction)
    if not 0 < size <= _BYTES_MAX:
        raise ValueError(_refusal(key, value))
    return size


def format_size(size: int) -> str:
    """A size in the largest binary unit that keeps it above 1, as "1.5 GiB"."""
    for unit, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} bytes"


def _refusal(key: str, value: object) -> str:
    return (
        f"KVBM: {key} = {value!r} is not a size; "
        'write for example "512MiB", "20GB" or a positive number of bytes'
    )
