"""Where a node finds the keys that protect blocks outside host memory: never what they are."""

import os
from collections.abc import Mapping

# What is done to blocks outside host memory; the first one is the default.
ENCRYPTIONS = ("none", "aes-256-gcm")
# Before the name of a variable that has keys; else they are in a file.
VARIABLE_PREFIX = "env:"


def key_source(
    source: str | None, environment: Mapping[str, str], uses: Mapping[str, str]
) -> str | None:
    """The source as a node takes it; what is in it, the node judges itself.

    `uses` are settings that need keys unless they are "none". Raises ValueError when there is
    no such file or variable, and for a use without keys.
    """
    if source is None:
        for key, value in uses.items():
            if value != "none":
                instead = ', or "off"' if value == "on" else ""
                raise ValueError(
                    f"KVBM: {key} = {value!r} needs keys as well, a file that `kvbm keygen` makes"
                    + instead
                )
        return None
    if source.startswith(VARIABLE_PREFIX):
        if not environment.get(source.removeprefix(VARIABLE_PREFIX)):
            raise ValueError(f"KVBM: keys = {source!r} names a variable that is not set")
        return source
    absolute = os.path.abspath(os.path.expanduser(source))
    if not os.path.isfile(absolute) or not os.access(absolute, os.R_OK):
        raise ValueError(
            f'KVBM: keys = {source!r} must be a file that this user may read, or "env:" and the '
            "name of a variable"
        )
    return absolute
