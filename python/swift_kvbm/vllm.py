"""What users configure: `"kv_connector_module_path": "swift_kvbm.vllm"`.

vLLM imports this by its path, and an exception here would keep the engine from starting: where the
connector cannot be imported, or does not fit, there is one that caches nothing.
"""

from typing import Any

from swift_kvbm import inert

__all__ = ["KVBMConnector"]


def _fitting() -> tuple[Any, str]:
    try:
        from swift_kvbm import metadata, metrics, signatures
        from swift_kvbm.connector import KVBMConnector

        others = [metadata.KVBMMetadata, metadata.KVBMWorkerMetadata, metadata.KVBMHandshake]
        others += [metrics.KVBMStats, metrics.KVBMPromMetrics]
        difference = signatures.first_difference(KVBMConnector, others)
    except Exception as error:  # noqa: BLE001 - the boundary to the engine
        difference = f"cannot be used: {error}"
    if not difference:
        return KVBMConnector, ""
    inert.say(difference)
    return inert.inert_connector(), difference


# Why it is the one that caches nothing; empty when it is not.
DIFFERENCE: str
KVBMConnector: Any
KVBMConnector, DIFFERENCE = _fitting()
