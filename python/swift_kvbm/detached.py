"""Processes that outlive their maker, and whoever ends its whole family."""

import os
import select
import signal
import subprocess

_START_SECONDS_MAX = 10.0
# The shell ends at once, so that its child is nobody's descendant; standard output is its own.
_LAUNCH = '"$@" >&2 & echo $!'


class DetachedProcess:
    """A process in a session of its own that is not a descendant of this one.

    vLLM ends what is left of an engine by killing all its descendants. What other engines use, and
    a restarted one is to find again, must not be among them.
    """

    def __init__(self, command: list[str], output: int) -> None:
        """Starts it with both outputs to the file `output`. Raises OSError when it cannot be."""
        if not os.access(command[0], os.X_OK):
            raise FileNotFoundError(f"{command[0]} cannot be executed")
        launched = subprocess.run(
            ["/bin/sh", "-c", _LAUNCH, "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
            cwd="/",
            timeout=_START_SECONDS_MAX,
            check=False,
        )
        if not launched.stdout.strip().isdigit():
            raise OSError("the shell did not start it")
        self.pid = int(launched.stdout)
        # None: it has ended already.
        self._descriptor: int | None = None
        try:
            self._descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return

    def running(self) -> bool:
        """Whether it has not ended; does not wait."""
        if self._descriptor is None:
            return False
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if not poll.poll(0):
            return True
        os.close(self._descriptor)
        self._descriptor = None
        return False

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal, unless it has ended."""
        if self.running() and self._descriptor is not None:
            signal.pidfd_send_signal(self._descriptor, number)
