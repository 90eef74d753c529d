"""vLLM's plug-in: `"kv_connector": "KVBMConnector"` works without a module path.

Named as an entry point of the group `vllm.general_plugins`, which vLLM calls in every process of
an engine before it looks for its connector.
"""

from swift_kvbm.log import LOGGER

CONNECTOR = "KVBMConnector"
MODULE = "swift_kvbm.vllm"

_registered = False


def register() -> None:
    """Makes the connector known to vLLM by its name; it is imported when it is first asked for.

    May be called again. Raises nothing: vLLM does not guard its plug-ins, and an engine that uses
    no cache must start whatever this finds.
    """
    global _registered
    if _registered:
        return
    try:
        from vllm.distributed.kv_transfer.kv_connector.factory import KVConnectorFactory

        KVConnectorFactory.register_connector(CONNECTOR, MODULE, CONNECTOR)
        _registered = True
    except Exception as error:  # noqa: BLE001 - the boundary to the engine
        LOGGER.warning(
            'KVBM: the name %s was not registered: %s; set "kv_connector_module_path": "%s"',
            CONNECTOR,
            error,
            MODULE,
        )
