"""How fast the engine computes prompts: its steps, timed.

The scheduler's side sees a step begin, and hears of its end in vLLM's next output. Workers carry
one step out after the other, so a step that was scheduled while another ran has begun when that one
ended. Only steps that say something are timed: those that compute prompts and little else, without
a load beside them.
"""

import time
from typing import Any

# Shorter steps are mostly their own cost, which is no token's.
TOKENS_MIN = 64
# A step computes so many tokens for each of its requests at least: one that decodes computes one.
TOKENS_PER_REQUEST_MIN = 16
# Steps under way at a time, and more than vLLM ever has.
_STEPS_MAX = 16


class PrefillPace:
    """Times one engine's steps; `native` has the methods of `NativeScheduler`."""

    def __init__(self, native: Any) -> None:
        self._native = native
        self._last_step = 0
        # By step: when it was scheduled, its tokens, and the tokens before each, added up.
        self._steps: dict[int, tuple[int, int, int]] = {}
        # Requests whose asynchronous load runs.
        self._loading: set[str] = set()
        self._heard_at = 0

    def begins(self, output: Any, loading: set[str], beside_loads: bool) -> int:
        """A step was scheduled. Its number, for `ended`; 0 where it says nothing.

        `loading` are the requests that it begins to load asynchronously; `beside_loads` says that
        it loads anything at all.
        """
        self._loading |= loading
        scheduled = output.num_scheduled_tokens
        total = sum(scheduled.values())
        if total < max(TOKENS_MIN, TOKENS_PER_REQUEST_MIN * len(scheduled)):
            return 0
        if beside_loads or self._loading or len(self._steps) >= _STEPS_MAX:
            return 0
        cached = output.scheduled_cached_reqs
        starts = {new.req_id: new.num_computed_tokens for new in output.scheduled_new_reqs}
        starts.update(zip(cached.req_ids, cached.num_computed_tokens, strict=True))
        context = sum(
            count * starts[request_id] + count * (count - 1) // 2
            for request_id, count in scheduled.items()
        )
        self._last_step += 1
        self._steps[self._last_step] = (time.perf_counter_ns(), total, context)
        return self._last_step

    def ended(self, step: int, loaded: set[str]) -> None:
        """An output has come: of that step, or of one that is not timed (0).

        `loaded` are the requests whose load has ended.
        """
        now = time.perf_counter_ns()
        previous, self._heard_at = self._heard_at, now
        self._loading -= loaded
        timed = self._steps.pop(step, None)
        # Steps end in order: earlier ones were lost.
        for lost in [number for number in self._steps if number < step]:
            del self._steps[lost]
        if timed is not None:
            begun, tokens, context = timed
            self._native.note_prefill(tokens, context, now - max(begun, previous))

    def left(self, request_id: str) -> None:
        """The request is over, and perhaps never heard of again."""
        self._loading.discard(request_id)
