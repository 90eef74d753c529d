"""The object store that nodes share, as the user configures it: keys `object.*`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swift_kvbm.keys import ENCRYPTIONS
from swift_kvbm.sizes import format_size, parse_size

CAPACITY_MIN_BYTES = 2**20
EXPIRE_DAYS_MAX = 3650

# JSON key -> variable.
VARIABLES = {
    "object.url": "KVBM_OBJECT_URL",
    "object.endpoint": "KVBM_OBJECT_ENDPOINT",
    "object.capacity": "KVBM_OBJECT_CAPACITY",
    "object.expire_days": "KVBM_OBJECT_EXPIRE_DAYS",
    "object.authentication": "KVBM_OBJECT_AUTHENTICATION",
    "object.encryption": "KVBM_OBJECT_ENCRYPTION",
}
EXAMPLE = '{"url": "file:///mnt/shared/kvbm"}'

_DIRECTORY = re.compile(r"file:///[^%\0]*[^/%\0][^%\0]*")
_BUCKET = re.compile(
    r"s3://(?![^/]*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9/._~-]{0,512})?"
)
_ENDPOINT = re.compile(r"https?://[^\s/?#@\\\"]+/*")


@dataclass(frozen=True)
class ObjectSettings:
    """Where the store is and what stays in it, checked. Sizes in bytes."""

    url: str
    # None: Amazon's.
    endpoint: str | None = None
    # Of a directory, for all nodes together; None: no limit.
    capacity_bytes: int | None = None
    # After how many days what nobody used goes; 0: never.
    expire_days: int = 0
    # What keys do for objects: "authenticated", "aes-256-gcm", or "none".
    protection: str = "authenticated"

    def canonical(self) -> dict[str, object]:
        """What decides which node an engine belongs to."""
        return {
            "object": self.url,
            "object_endpoint": self.endpoint,
            "object_capacity": self.capacity_bytes,
            "object_expire_days": self.expire_days,
            "object_protection": self.protection,
        }

    def flags(self) -> list[str]:
        """The part of the node's command line."""
        flags = ["--object-url", self.url]
        if self.endpoint is not None:
            flags += ["--object-endpoint", self.endpoint]
        if self.capacity_bytes is not None:
            flags += ["--object-capacity", str(self.capacity_bytes)]
        if self.expire_days:
            flags += ["--object-expire-days", str(self.expire_days)]
        if self.protection == "none":
            flags += ["--object-authentication", "off"]
        elif self.protection != "authenticated":
            flags += ["--object-encryption", self.protection]
        return flags


def key_use(settings: ObjectSettings | None) -> tuple[str, str]:
    """The setting that needs keys, and its value; "none" where none does."""
    if settings is not None and settings.protection == "authenticated":
        return "object.authentication", "on"
    return "object.encryption", "none" if settings is None else settings.protection


def parse_object(flat: Mapping[str, Any]) -> ObjectSettings | None:
    """The settings among `flat`; None without a store.

    Nothing is looked at: a file server may not answer, and an engine starts all the same. Raises
    ValueError with the key, the value and what would be right.
    """
    if "object.url" not in flat:
        for key in flat:
            if key.startswith("object."):
                raise ValueError(f"KVBM: {key} = {flat[key]!r} needs object.url as well")
        return None
    url = flat["object.url"]
    is_text = isinstance(url, str)
    is_bucket = is_text and _BUCKET.fullmatch(url) is not None
    if not is_bucket and not (is_text and _DIRECTORY.fullmatch(url)):
        raise ValueError(
            f'KVBM: object.url = {url!r} must be "file:///directory" or "s3://bucket/prefix"'
        )
    for key in ("object.capacity", "object.expire_days"):
        if is_bucket and key in flat:
            raise ValueError(
                f"KVBM: {key} = {flat[key]!r} must be left out for a bucket: its lifecycle rules "
                "decide what stays"
            )
    return ObjectSettings(
        url=url,
        endpoint=_endpoint(flat, is_bucket),
        capacity_bytes=_capacity(flat),
        expire_days=_expire_days(flat),
        protection=_protection(flat),
    )


def _endpoint(flat: Mapping[str, Any], is_bucket: bool) -> str | None:
    value = flat.get("object.endpoint")
    if value is None:
        return None
    if not is_bucket:
        raise ValueError(
            f"KVBM: object.endpoint = {value!r} belongs to a bucket, s3://bucket/prefix; "
            "leave it out"
        )
    if not isinstance(value, str) or not _ENDPOINT.fullmatch(value):
        raise ValueError(
            f"KVBM: object.endpoint = {value!r} must be https://host[:port] or http://host[:port]"
        )
    return value


def _capacity(flat: Mapping[str, Any]) -> int | None:
    if "object.capacity" not in flat:
        return None
    size = parse_size("object.capacity", flat["object.capacity"])
    if size < CAPACITY_MIN_BYTES:
        raise ValueError(
            f"KVBM: object.capacity = {flat['object.capacity']!r} must be at least "
            f"{format_size(CAPACITY_MIN_BYTES)}"
        )
    return size


def _protection(flat: Mapping[str, Any]) -> str:
    authentication = _word(flat, "object.authentication", ("on", "off"))
    encryption = _word(flat, "object.encryption", ENCRYPTIONS)
    if encryption == "none":
        return "authenticated" if authentication == "on" else "none"
    if authentication == "off":
        raise ValueError(
            "KVBM: object.authentication = 'off' must be left out beside object.encryption, "
            "which authenticates as well"
        )
    return encryption


def _word(flat: Mapping[str, Any], key: str, words: tuple[str, str]) -> str:
    value = flat.get(key, words[0])
    if value not in words:
        raise ValueError(f'KVBM: {key} = {value!r} must be "{words[0]}" or "{words[1]}"')
    return str(value)


def _expire_days(flat: Mapping[str, Any]) -> int:
    value = flat.get("object.expire_days", 0)
    text = str(value)
    if isinstance(value, bool) or not text.isdecimal() or int(text) > EXPIRE_DAYS_MAX:
        raise ValueError(
            f"KVBM: object.expire_days = {value!r} must be a whole number from 0 to "
            f"{EXPIRE_DAYS_MAX}; 0: objects stay"
        )
    return int(text)
