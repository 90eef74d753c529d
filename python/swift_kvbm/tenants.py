"""Who pays for what requests bring, and what tenants may have of a node's tiers.

    "tenant": "acme"
    "tenants": {"acme": {"host_share": "30%", "host_reserve": "10%"}, "*": {"host_share": "20%"}}

Tenancy says who pays, not who may read: `cache_salt` keeps contents apart.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Every tenant that is not named.
OTHERS = "*"
_NAME = re.compile(r"[A-Za-z0-9._@:-]{1,64}")
NAME_WORDS = "1 to 64 letters, digits and . _ @ : -"
_SHARES = ("host_share", "host_reserve", "disk_share", "disk_reserve")
_EXAMPLE = '{"acme": {"host_share": "30%", "host_reserve": "10%"}, "*": {"host_share": "20%"}}'


@dataclass(frozen=True)
class Payer:
    """Who pays for an engine's requests."""

    # None: nobody in particular.
    name: str | None = None
    # Whether a request may name another one; requests come from strangers.
    trusts_requests: bool = False


def is_name(value: Any) -> bool:
    """Whether a tenant can have that name."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def payer(flat: Mapping[str, Any]) -> Payer:
    """Who pays by an engine's settings. Raises ValueError for what cannot be."""
    name, trust = flat.get("tenant"), flat.get("tenant_from_requests", "never")
    if name is not None and not is_name(name):
        raise ValueError(f"KVBM: tenant = {name!r} must be a name of {NAME_WORDS}")
    if trust not in ("never", "always"):
        raise ValueError(f'KVBM: tenant_from_requests = {trust!r} must be "never" or "always"')
    return Payer(name, trust == "always")


def tenant_shares(key: str, value: Any) -> str | None:
    """What a node is told of its tenants, as JSON in one form; None when nothing is said.

    Raises ValueError for what no node would take.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(f"KVBM: {key} = {value!r} is no JSON; write {_EXAMPLE}") from None
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"KVBM: {key} = {value!r} must be an object of tenants, as in {_EXAMPLE}")
    shares = {name: _share(f"{key}.{name}", name, said) for name, said in value.items()}
    for tier in ("host", "disk"):
        reserved = sum(share.get(f"{tier}_reserve", 0) for share in shares.values())
        if reserved > 100:
            raise ValueError(
                f"KVBM: {key} reserves {reserved}% of the {tier} tier; "
                "for all tenants together it must be 100% at most"
            )
    return json.dumps(shares, sort_keys=True, separators=(",", ":"))


def _share(key: str, name: Any, said: Any) -> dict[str, int]:
    if name != OTHERS and not is_name(name):
        raise ValueError(
            f'KVBM: {key} must be a name of {NAME_WORDS}, or "*" for all that are not named'
        )
    if not isinstance(said, Mapping):
        raise ValueError(f"KVBM: {key} = {said!r} must be an object, as in {_EXAMPLE}")
    share: dict[str, int] = {}
    for inner, value in said.items():
        if inner not in _SHARES:
            raise ValueError(f"KVBM: unknown key {key}.{inner}; it must be {', '.join(_SHARES)}")
        digits = str(value).removesuffix("%") if isinstance(value, str | int) else ""
        if isinstance(value, bool) or not digits.isdecimal() or int(digits) > 100:
            raise ValueError(
                f'KVBM: {key}.{inner} = {value!r} must be a share from "0" to "100%", as in "30%"'
            )
        share[inner] = int(digits)
    for tier in ("host", "disk"):
        reserve, limit = share.get(f"{tier}_reserve", 0), share.get(f"{tier}_share", 100)
        if reserve and name == OTHERS:
            raise ValueError(
                f"KVBM: {key}.{tier}_reserve = {reserve}% cannot be: how many tenants are not "
                "named is not known; reserve by name"
            )
        if reserve > limit:
            raise ValueError(
                f"KVBM: {key}.{tier}_reserve = {reserve}% must be no more than its {tier}_share, "
                f"{limit}%"
            )
    return share
