"""The contract harness: vLLM's real scheduler over a pretend model that knows every byte."""
