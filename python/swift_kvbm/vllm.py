"""What users configure: `"kv_connector_module_path": "swift_kvbm.vllm"`."""

from swift_kvbm.connector import KVBMConnector

__all__ = ["KVBMConnector"]
