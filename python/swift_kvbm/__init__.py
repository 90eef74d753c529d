"""swift-kvbm: a KV-cache block manager for LLM inference; this package holds its connectors."""

__version__ = "0.1.0"
