"""What not every release of vLLM has that this package was tried with; docs/compatibility.md."""

from types import SimpleNamespace
from typing import Any

# The newest first; `make test-releases` tries these.
TRIED_VERSIONS = ("0.32.0", "0.31.0")


def _hit_sources() -> Any:
    try:
        from vllm.v1.metrics.cache_hit_source import CacheHitSource
    except ImportError:
        # Before 0.32 vLLM does not ask where a hit came from.
        return SimpleNamespace(HOST=None)
    return CacheHitSource


CacheHitSource = _hit_sources()
