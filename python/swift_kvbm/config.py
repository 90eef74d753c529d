"""What the user may configure: `kv_connector_extra_config` and the `KVBM_*` variables.

Everything wrong is refused here, at start, with a message that names the key, the value and what
would be right. A key in the JSON wins over its variable.
"""

import difflib
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swift_kvbm import object_settings
from swift_kvbm.keys import ENCRYPTIONS, key_source
from swift_kvbm.log import once
from swift_kvbm.sizes import format_size, parse_size
from swift_kvbm.tenants import Payer, payer, tenant_shares

HOST_CAPACITY_DEFAULT_BYTES = 4 * 2**30
# In place of a size: the node takes a share of what is free when it starts.
AUTOMATIC = "auto"
# Fewer blocks than this keep nothing long enough to be of use.
TIER_BLOCKS_MIN = 4
COPY_THREADS_MAX = 64
RECORD_LIMIT_DEFAULT_BYTES = 2**30
# What can leave a full tier; which one is the default is the node's affair.
EVICTIONS = ("lru", "leaf-first", "forecast")
# What comes into a tier; the first one is the default. Beside them "priority:N".
ADMISSIONS = ("all", "seen-twice")
PRIORITY_ADMISSION = re.compile(r"priority:([1-9][0-9]?|100)")
# Who reads and writes the disk; the first one is the default.
DISK_DRIVERS = ("auto", "io_uring", "threads")
# When a written block counts as durable; the first one is the default.
DISK_FLUSHES = ("never", "each")
WRITE_BUDGET_MIN_BYTES = 2**30

# JSON key -> variable.
_VARIABLES = {
    "host.capacity": "KVBM_HOST_CAPACITY",
    "host.eviction": "KVBM_HOST_EVICTION",
    "host.admission": "KVBM_HOST_ADMISSION",
    "disk.path": "KVBM_DISK_PATH",
    "disk.capacity": "KVBM_DISK_CAPACITY",
    "disk.eviction": "KVBM_DISK_EVICTION",
    "disk.admission": "KVBM_DISK_ADMISSION",
    "disk.write_budget": "KVBM_DISK_WRITE_BUDGET",
    "disk.driver": "KVBM_DISK_DRIVER",
    "disk.encryption": "KVBM_DISK_ENCRYPTION",
    "keys": "KVBM_KEYS",
    **object_settings.VARIABLES,
    "disk.flush": "KVBM_DISK_FLUSH",
    "retention.share": "KVBM_RETENTION_SHARE",
    "retention.pins": "KVBM_RETENTION_PINS",
    "tenants": "KVBM_TENANTS",
    "tenant": "KVBM_TENANT",
    "tenant_from_requests": "KVBM_TENANT_FROM_REQUESTS",
    "node": "KVBM_NODE",
    "weights_id": "KVBM_WEIGHTS_ID",
    "copy_threads": "KVBM_COPY_THREADS",
    "record": "KVBM_RECORD",
    "record_limit": "KVBM_RECORD_LIMIT",
    "synchronous_loads": "KVBM_SYNCHRONOUS_LOADS",
    "load": "KVBM_LOAD",
}
# What a node is told, and nobody else.
_NODE_SECTIONS = ("host.", "disk.", "object.", "retention.")
_NODE_KEYS = ("load", "keys", "tenants")
# What a section looks like, for messages.
_EXAMPLES = {
    "host": '{"capacity": "20GiB"}',
    "disk": '{"path": "/var/cache/kvbm", "capacity": "200GiB"}',
    "object": object_settings.EXAMPLE,
    "retention": '{"share": "25%"}',
}
# Read elsewhere: by the node itself, to find binaries, and by tests.
_OTHER_VARIABLES = {
    *("KVBM_SOCKET", "KVBM_HOST_RESERVE", "KVBM_DISK_THREADS", "KVBM_STAGING_TIMEOUT"),
    *("KVBM_LINGER", "KVBM_DRAIN_TIMEOUT", "KVBM_METRICS", "KVBM_BIN", "KVBM_LIBRARY"),
    *("KVBM_FAULT", "KVBM_FULL", "KVBM_DISK_QUEUE_DEPTH"),
}
_OTHER_PREFIXES = ("KVBM_TEST_", "KVBM_HARNESS_")


@dataclass(frozen=True)
class Settings:
    """The configuration of one engine, checked. Sizes in bytes."""

    # None: the node takes a share of what is free.
    host_capacity_bytes: int | None = HOST_CAPACITY_DEFAULT_BYTES
    disk_path: str | None = None
    disk_capacity_bytes: int | None = None
    # The socket of a node that somebody else runs; None: this engine starts one.
    node_socket: str | None = None
    weights_id: str | None = None
    # 0: the library's default.
    copy_threads: int = 0
    # Where the keys of requests are written down, and the size at which that ends.
    record_path: str | None = None
    record_limit_bytes: int = RECORD_LIMIT_DEFAULT_BYTES
    # Whether small loads may be made within their step.
    synchronous_loads: bool = True
    # What leaves each tier when it is full; None: the node's default.
    host_eviction: str | None = None
    disk_eviction: str | None = None
    # What is there is loaded "always", or as far as that is "measured" to be faster than computing.
    load: str = "always"
    host_admission: str = ADMISSIONS[0]
    disk_admission: str = ADMISSIONS[0]
    # A day; 0: no limit.
    disk_write_budget_bytes: int = 0
    disk_driver: str = DISK_DRIVERS[0]
    disk_encryption: str = ENCRYPTIONS[0]
    # A file, or "env:" and a variable's name; never the keys themselves.
    keys: str | None = None
    # The store that nodes share; None: there is none.
    object_store: object_settings.ObjectSettings | None = None
    disk_flush: str = DISK_FLUSHES[0]
    # What requests may call worth more and pin, in hundredths of a tier; None: the node's default.
    retention_share: int | None = None
    retention_pins: int | None = None
    # What tenants may have of the tiers; None: all blocks are alike. Who pays for this engine.
    tenants: str | None = None
    payer: Payer = Payer()

    def canonical(self) -> dict[str, object]:
        """What decides which node this engine belongs to."""
        optional = {
            "host_eviction": self.host_eviction,
            "disk_eviction": self.disk_eviction,
            "retention_share": self.retention_share,
            "retention_pins": self.retention_pins,
            "keys": self.keys,
            "tenants": self.tenants,
        }
        return {
            **{key: value for key, value in optional.items() if value is not None},
            **(self.object_store.canonical() if self.object_store else {}),
            "host": AUTOMATIC if self.host_capacity_bytes is None else self.host_capacity_bytes,
            "disk": self.disk_path,
            "disk_capacity": self.disk_capacity_bytes,
            "load": self.load,
            "host_admission": self.host_admission,
            "disk_admission": self.disk_admission,
            "disk_write_budget": self.disk_write_budget_bytes,
            "disk_driver": self.disk_driver,
            "disk_encryption": self.disk_encryption,
            "disk_flush": self.disk_flush,
        }


def parse_settings(extra: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Checks and merges both sources.

    Raises ValueError for an unknown key, a value of the wrong kind, a disk path that cannot be
    written, and parts that contradict each other.
    """
    flat = _flatten(extra)
    _check_variables(environment)
    for key, variable in _VARIABLES.items():
        if key not in flat and environment.get(variable):
            flat[key] = environment[variable]
    node_socket = _node_socket(flat)
    encryption = _choice(flat, "disk.encryption", ENCRYPTIONS)
    object_store = object_settings.parse_object(flat)
    uses = dict([("disk.encryption", encryption), object_settings.key_use(object_store)])
    return Settings(
        host_capacity_bytes=_host_capacity(flat),
        disk_path=_disk_path(flat),
        disk_capacity_bytes=_disk_capacity(flat),
        retention_share=_percent(flat, "retention.share"),
        retention_pins=_percent(flat, "retention.pins"),
        tenants=tenant_shares("tenants", flat.get("tenants")),
        payer=payer(flat),
        node_socket=node_socket,
        weights_id=_text(flat, "weights_id"),
        copy_threads=_count(flat, "copy_threads", COPY_THREADS_MAX),
        record_path=_record_path(flat),
        record_limit_bytes=parse_size(
            "record_limit", flat.get("record_limit", RECORD_LIMIT_DEFAULT_BYTES)
        ),
        load=_choice(flat, "load", ("always", "measured")),
        synchronous_loads=_choice(flat, "synchronous_loads", ("auto", "never")) == "auto",
        host_eviction=_eviction(flat, "host.eviction"),
        disk_eviction=_eviction(flat, "disk.eviction"),
        host_admission=_admission(flat, "host.admission"),
        disk_admission=_admission(flat, "disk.admission"),
        disk_write_budget_bytes=_write_budget(flat),
        disk_driver=_choice(flat, "disk.driver", DISK_DRIVERS),
        disk_encryption=encryption,
        keys=key_source(_text(flat, "keys"), environment, uses),
        object_store=object_store,
        disk_flush=_choice(flat, "disk.flush", DISK_FLUSHES),
    )


def check_capacities(settings: Settings, block_bytes: int) -> None:
    """Raises ValueError when a tier holds fewer than four blocks of this model.

    What an automatic capacity comes to, the node knows: it refuses what does not fit.
    """
    if settings.node_socket is not None:
        return
    tiers = (
        ("host.capacity", settings.host_capacity_bytes),
        ("disk.capacity", settings.disk_capacity_bytes),
    )
    for key, capacity in tiers:
        if capacity is not None and capacity < TIER_BLOCKS_MIN * block_bytes:
            raise ValueError(
                f"KVBM: {key} = {format_size(capacity)} holds fewer than {TIER_BLOCKS_MIN} blocks "
                f"of this model ({format_size(block_bytes)} each); "
                f"give at least {format_size(TIER_BLOCKS_MIN * block_bytes)}"
            )


def _flatten(extra: Mapping[str, Any]) -> dict[str, Any]:
    sections = {key.partition(".")[0] for key in _VARIABLES if "." in key}
    flat: dict[str, Any] = {}
    for key, value in extra.items():
        if key not in sections:
            if key not in _VARIABLES:
                raise ValueError(_unknown(key, [*_VARIABLES, *sections]))
            flat[key] = value
            continue
        if not isinstance(value, Mapping):
            raise ValueError(
                f"KVBM: {key} = {value!r} is not an object; write for example "
                f'"{key}": {_EXAMPLES[key]}'
            )
        for inner, item in value.items():
            name = f"{key}.{inner}"
            if name not in _VARIABLES:
                raise ValueError(_unknown(name, list(_VARIABLES)))
            flat[name] = item
    return flat


def _unknown(key: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return f"KVBM: unknown key {key!r}; the nearest known one is {nearest[0]!r}"


def _check_variables(environment: Mapping[str, str]) -> None:
    known = {*_VARIABLES.values(), *_OTHER_VARIABLES}
    for name, value in environment.items():
        if not name.startswith("KVBM_") or name in known or name.startswith(_OTHER_PREFIXES):
            continue
        nearest = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.85)
        if nearest:
            raise ValueError(
                f"KVBM: unknown variable {name} = {value!r}; did you mean {nearest[0]}?"
            )
        # Kubernetes puts variables for a service named "kvbm" into every container.
        once(("variable", name), logging.WARNING, "KVBM: the variable %s means nothing here", name)


def _text(flat: Mapping[str, Any], key: str) -> str | None:
    value = flat.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"KVBM: {key} = {value!r} must be a text that is not empty")
    return value


def _count(flat: Mapping[str, Any], key: str, maximum: int) -> int:
    value = flat.get(key, 0)
    text = str(value)
    if isinstance(value, bool) or not text.isdecimal() or int(text) > maximum:
        raise ValueError(f"KVBM: {key} = {value!r} must be a whole number from 0 to {maximum}")
    return int(text)


def _choice(flat: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> str:
    value = flat.get(key, choices[0])
    if value not in choices:
        wanted = " or ".join(f'"{choice}"' for choice in choices[-2:])
        wanted = "".join(f'"{choice}", ' for choice in choices[:-2]) + wanted
        raise ValueError(f"KVBM: {key} = {value!r} must be {wanted}")
    return str(value)


def _admission(flat: Mapping[str, Any], key: str) -> str:
    value = flat.get(key, ADMISSIONS[0])
    if not isinstance(value, str) or not (
        value in ADMISSIONS or PRIORITY_ADMISSION.fullmatch(value)
    ):
        wanted = ", ".join(f'"{choice}"' for choice in ADMISSIONS)
        raise ValueError(
            f'KVBM: {key} = {value!r} must be {wanted}, or "priority:N" with N from 1 to 100'
        )
    return value


def _write_budget(flat: Mapping[str, Any]) -> int:
    key = "disk.write_budget"
    value = flat.get(key, 0)
    if isinstance(value, (int, str)) and not isinstance(value, bool) and str(value) == "0":
        return 0
    size = parse_size(key, value)
    if size < WRITE_BUDGET_MIN_BYTES:
        raise ValueError(
            f"KVBM: {key} = {value!r} must be at least {format_size(WRITE_BUDGET_MIN_BYTES)} "
            "a day, or 0 for no limit"
        )
    return size


def _percent(flat: Mapping[str, Any], key: str) -> int | None:
    value = flat.get(key)
    if value is None:
        return None
    digits = str(value).removesuffix("%") if isinstance(value, str | int) else ""
    if isinstance(value, bool) or not digits.isdecimal() or int(digits) > 100:
        raise ValueError(f'KVBM: {key} = {value!r} must be a share from "0" to "100%", as in "25%"')
    return int(digits)


def _node_socket(flat: Mapping[str, Any]) -> str | None:
    value = _text(flat, "node")
    if value is None:
        return None
    if not value.startswith("unix:/"):
        raise ValueError(f'KVBM: node = {value!r} must be "unix:" and an absolute path')
    apart = (k for k in _VARIABLES if k.startswith(_NODE_SECTIONS) or k in _NODE_KEYS)
    for key in apart:
        if key in flat:
            raise ValueError(
                f"KVBM: {key} = {flat[key]!r} cannot be given together with node = {value!r}: "
                "the running node has its own settings; leave one of them out"
            )
    return value.removeprefix("unix:")


def _host_capacity(flat: Mapping[str, Any]) -> int | None:
    value = flat.get("host.capacity", HOST_CAPACITY_DEFAULT_BYTES)
    if value == AUTOMATIC:
        return None
    try:
        return parse_size("host.capacity", value)
    except ValueError as error:
        raise ValueError(f'{error}, or "{AUTOMATIC}"') from None


def _disk_path(flat: Mapping[str, Any]) -> str | None:
    path = _text(flat, "disk.path")
    if path is None:
        for key in flat:
            if key.startswith("disk."):
                raise ValueError(f"KVBM: {key} = {flat[key]!r} needs disk.path as well")
        return None
    absolute = os.path.abspath(os.path.expanduser(path))
    try:
        os.makedirs(absolute, mode=0o700, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"KVBM: disk.path = {path!r} cannot be made ({error.strerror}); "
            "give a directory that this user may write"
        ) from error
    if not os.access(absolute, os.R_OK | os.W_OK | os.X_OK):
        raise ValueError(
            f"KVBM: disk.path = {path!r} cannot be written by this user; "
            "give a directory that it may write"
        )
    return absolute


def _eviction(flat: Mapping[str, Any], key: str) -> str | None:
    return _choice(flat, key, EVICTIONS) if key in flat else None


def _record_path(flat: Mapping[str, Any]) -> str | None:
    path = _text(flat, "record")
    if path is None:
        if "record_limit" in flat:
            raise ValueError(
                f"KVBM: record_limit = {flat['record_limit']!r} needs record as well, the file"
            )
        return None
    absolute = os.path.abspath(os.path.expanduser(path))
    folder = os.path.dirname(absolute)
    if os.path.isdir(absolute) or not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(
            f"KVBM: record = {path!r} must be a file in a directory that this user may write"
        )
    return absolute


def _disk_capacity(flat: Mapping[str, Any]) -> int | None:
    if "disk.path" not in flat:
        return None
    if "disk.capacity" not in flat:
        raise ValueError(
            f"KVBM: disk.path = {flat['disk.path']!r} needs disk.capacity as well, "
            'for example "200GiB"'
        )
    return parse_size("disk.capacity", flat["disk.capacity"])
