"""What is played on which model, and how exact its outputs have to be."""

from dataclasses import dataclass

from Benchmarks.common.workload import Workload


@dataclass(frozen=True)
class Scene:
    """The workload that suits a model, and how exact its outputs are."""

    model: str
    workload: Workload
    # Largest difference of a first token's log probabilities that counts as equal.
    logprob_tolerance: float
    # False where equal KV does not yet mean equal tokens: near ties of a bfloat16 model.
    tokens_comparable: bool = True


_SHORT = Workload(conversations=6, turns=2)
SCENES = {
    "llama": Scene("llama", Workload(), logprob_tolerance=0.001),
    "llama-big": Scene("llama-big", Workload(conversations=8), 0.13, tokens_comparable=False),
    "gemma2": Scene("gemma2", Workload(), logprob_tolerance=0.001),
    "llama-f16": Scene("llama-f16", _SHORT, 0.13, tokens_comparable=False),
    "llama-kv2": Scene("llama-kv2", _SHORT, logprob_tolerance=0.001),
    "qwen2": Scene("qwen2", _SHORT, logprob_tolerance=0.001),
    "mistral-sw": Scene("mistral-sw", _SHORT, logprob_tolerance=0.001),
}
