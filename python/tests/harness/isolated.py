"""Runs a function in a process of its own, with an environment of its own.

The library's test build reads its fault once in a process. The processes are forked from one that
has vLLM loaded already and nothing else.
"""

import multiprocessing
import os
import traceback
from collections.abc import Callable
from typing import Any

_TIMEOUT_SECONDS = 240.0


class Raised(AssertionError):
    """What the function raised over there; `kind` is the exception's class name."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        super().__init__(text)


class Died(AssertionError):
    """The process ended without an answer."""


def run_isolated(
    function: Callable[..., Any], *arguments: Any, environment: dict[str, str], **options: Any
) -> Any:
    """What the function answers; Raised for what it raises, Died when it ends its process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["harness.play"])
    here, there = context.Pipe()
    process = context.Process(
        target=_child, args=(there, environment, function, arguments, options)
    )
    process.start()
    there.close()
    try:
        if not here.poll(_TIMEOUT_SECONDS):
            raise Died(f"no answer in {_TIMEOUT_SECONDS:.0f} s")
        answer = here.recv()
    except EOFError:
        process.join(10)
        raise Died(f"the process ended with {process.exitcode}") from None
    finally:
        process.join(10)
        if process.is_alive():
            process.kill()
    if answer[0] == "raised":
        raise Raised(answer[1], answer[2])
    return answer[1]


def _child(
    pipe: Any,
    environment: dict[str, str],
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: dict[str, Any],
) -> None:
    os.environ.update(environment)
    try:
        pipe.send(("value", function(*arguments, **options)))
    except BaseException as error:  # noqa: BLE001 - it is raised over there
        pipe.send(("raised", type(error).__name__, f"{error}\n{traceback.format_exc()}"))
