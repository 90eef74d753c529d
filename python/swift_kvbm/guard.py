"""Keeps exceptions inside: the cache can only help, so no hook may stop the engine."""

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from swift_kvbm.log import once

_Function = TypeVar("_Function", bound=Callable[..., Any])


def guarded(answer: Any = None) -> Callable[[_Function], _Function]:
    """Makes a method answer `answer` instead of raising; the first failure of a kind is logged.

    A callable `answer` is called with the method's own arguments and must not raise.
    """

    def decorate(function: _Function) -> _Function:
        @functools.wraps(function)
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return function(self, *args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the boundary to the engine
                once(
                    (function.__qualname__, type(error)),
                    logging.ERROR,
                    "KVBM: %s failed and was answered without cache: %s",
                    function.__qualname__,
                    error,
                    exc_info=True,
                )
                return answer(self, *args, **kwargs) if callable(answer) else answer

        return wrapper  # type: ignore[return-value]

    return decorate
