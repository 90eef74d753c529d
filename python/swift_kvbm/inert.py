"""The connector in an engine that the real one does not fit: every request is served, uncached.

Needs nothing of vLLM but the base class. Its methods take whatever they are called with.
"""

import logging
from typing import Any

from vllm.distributed.kv_transfer.kv_connector.v1 import base

from swift_kvbm.log import once


def _answering(answer: Any) -> Any:
    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        return answer

    return method


class _Nothing(getattr(base, "KVConnectorMetadata", object)):  # type: ignore[misc]
    """A step's plan: nothing. At the module's level, since it is pickled."""


_HYBRID = getattr(base, "SupportsHMA", None)


def inert_connector(connector_base: Any = base.KVConnectorBase_V1, hybrid: Any = _HYBRID) -> type:
    """The class that vLLM gets, with an answer to each method that it wants today."""
    bases = (connector_base,) if hybrid is None else (connector_base, hybrid)
    wanted = {name for cls in bases for name in getattr(cls, "__abstractmethods__", ())}
    members: dict[str, Any] = {name: _answering(None) for name in wanted}
    members |= {
        "__doc__": "Serves without cache.",
        "__module__": "swift_kvbm.vllm",
        "requires_kv_delivery": property(lambda self: False),
        "get_num_new_matched_tokens": _answering((0, False)),
        "request_finished": _answering((False, None)),
        "request_finished_all_groups": _answering((False, None)),
        "build_connector_meta": lambda self, *arguments, **named: _Nothing(),
        "reset_cache": _answering(True),
        "take_events": _answering(()),
    }
    return type("KVBMConnector", bases, members)


def say(reason: str) -> None:
    """The one line, in each process of the engine."""
    once(
        ("inert", reason),
        logging.WARNING,
        "KVBM: this vLLM (%s) %s. The engine serves without cache.",
        _version(),
        reason,
    )


def _version() -> str:
    import vllm

    return str(getattr(vllm, "__version__", "of no known version"))
