"""Figures that every report needs."""


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of the others do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def first_token_difference(one: dict, other: dict) -> float:
    """Largest difference among the log probabilities that both list for the first token."""
    a, b = one["logprobs"][0], other["logprobs"][0]
    return max((abs(a[token] - b[token]) for token in a.keys() & b.keys()), default=0.0)
