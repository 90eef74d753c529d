"""The node that an engine starts: starting, restarting, and leaving it behind.

The node is nobody's child: it outlives this process for its linger time, so that a restarted
engine finds it warm. Of all processes with the same settings one keeps the node; which one is
decided by a lock on a file beside the socket.
"""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from swift_kvbm.config import AUTOMATIC, Settings
from swift_kvbm.detached import DetachedProcess
from swift_kvbm.log import LOGGER

BACKOFF_MIN_SECONDS = 0.5
BACKOFF_MAX_SECONDS = 30.0
# A child that lived this long is started again without delay.
_SOUND_SECONDS = 60.0
# A child that does not answer for this long is ended, and started again.
SILENT_SECONDS_MAX = 60.0

_keepers: dict[str, "NodeKeeper"] = {}
_keepers_lock = threading.Lock()


def node_binary() -> str:
    """$KVBM_BIN, or the command inside this package."""
    return os.environ.get("KVBM_BIN") or str(Path(__file__).with_name("bin") / "kvbm")


def node_command(settings: Settings, path: str) -> list[str]:
    """The command line of the node for these settings."""
    command = [node_binary(), "serve", "--socket", path]
    command += ["--host-capacity", str(settings.host_capacity_bytes or AUTOMATIC)]
    command += ["--host-admission", settings.host_admission]
    if settings.disk_path is not None:
        command += ["--disk-path", settings.disk_path]
        command += ["--disk-capacity", str(settings.disk_capacity_bytes)]
        command += ["--disk-admission", settings.disk_admission]
        command += ["--disk-write-budget", str(settings.disk_write_budget_bytes)]
        command += ["--disk-driver", settings.disk_driver]
        if settings.disk_encryption != "none":
            command += ["--disk-encryption", settings.disk_encryption]
        command += ["--disk-flush", settings.disk_flush]
    if settings.keys is not None:
        command += ["--keys", settings.keys]
    if settings.object_store is not None:
        command += settings.object_store.flags()
    for tier, eviction in (("host", settings.host_eviction), ("disk", settings.disk_eviction)):
        if eviction is not None:
            command += [f"--{tier}-eviction", eviction]
    command += ["--load", settings.load]
    for flag, share in (
        ("--retention-share", settings.retention_share),
        ("--retention-pins", settings.retention_pins),
    ):
        command += [] if share is None else [flag, f"{share}%"]
    command += [] if settings.tenants is None else ["--tenants", settings.tenants]
    # How long it lingers is its own default, or KVBM_LINGER, which it reads as this process would.
    return [*command, "--parent-started"]


def keeper_for(settings: Settings, path: str) -> "NodeKeeper | None":
    """This process's keeper for the socket; None when somebody else runs the node."""
    if settings.node_socket is not None:
        return None
    with _keepers_lock:
        keeper = _keepers.get(path)
        if keeper is None:
            keeper = _keepers[path] = NodeKeeper(node_command(settings, path), path)
        return keeper


def somebody_listens(path: str) -> bool:
    """Whether a process holds this Unix socket open, of whatever type; does not wait."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        return probe.connect_ex(path) in (0, errno.EAGAIN, errno.EINPROGRESS, errno.EPROTOTYPE)


class NodeKeeper:
    """Keeps one node process alive while it is asked to. Safe on every thread.

    1. `ensure` starts the node unless one that this process started still runs, with back-off.
    2. `ensure` again after a failed attachment: the node is started again when it has died.
    3. There is no stop: a node goes by itself, after a clean close of its last engine.
    """

    def __init__(self, command: list[str], path: str) -> None:
        self._command = command
        self._socket = path
        self._lock = threading.Lock()
        self._lock_file: int | None = None
        self._process: DetachedProcess | None = None
        self._started_at = 0.0
        self._silent_since: float | None = None
        self._backoff_seconds = 0.0
        # Whether the node was told that this process does without it.
        self._may_go = False
        # Whether the node that was started last has answered this process.
        self._has_answered = False

    @property
    def pid(self) -> int | None:
        """The running node, if this process started it."""
        with self._lock:
            process = self._process
            return process.pid if process is not None and process.running() else None

    def ensure(self, silent: bool = False) -> None:
        """Starts the node if none runs and the back-off allows it; does not wait for it.

        `silent` says that a node took the connection and did not answer.
        """
        with self._lock:
            now = time.monotonic()
            if self._process is not None:
                if self._process.running():
                    self._watch_silence(silent, now)
                    return
                self._note_end(now)
            if silent or now < self._started_at + self._backoff_seconds:
                return
            # One that an earlier engine left behind, or another process's, is as good.
            if not somebody_listens(self._socket) and self._take_lock():
                self._start(now)

    def answered(self) -> None:
        """An attachment succeeded."""
        with self._lock:
            self._silent_since = None
            self._may_go = False
            self._has_answered = True

    def leaving(self) -> None:
        """An engine of this process stops: a node that ends now does so in good order."""
        with self._lock:
            self._may_go = True

    def left(self) -> None:
        """The engine has stopped trying. A node that was started for it and that it never reached
        would wait for it a minute; it goes, unless another engine is there."""
        with self._lock:
            if self._process is not None and not self._has_answered:
                self._process.send(signal.SIGUSR1)

    def _note_end(self, now: float) -> None:
        self._process = None
        if self._may_go:
            self._backoff_seconds = 0.0
            return
        lived = now - self._started_at
        if lived >= _SOUND_SECONDS:
            self._backoff_seconds = 0.0
        else:
            self._backoff_seconds = min(
                max(BACKOFF_MIN_SECONDS, 2 * self._backoff_seconds), BACKOFF_MAX_SECONDS
            )
        LOGGER.warning(
            "KVBM: the node ended after %.1f s (its messages: %s)",
            lived,
            self._log_path,
        )

    def _watch_silence(self, silent: bool, now: float) -> None:
        if not silent:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = now
        elif now - self._silent_since > SILENT_SECONDS_MAX and self._process is not None:
            LOGGER.warning("KVBM: the node does not answer; it is ended and started again")
            self._process.send(signal.SIGKILL)
            self._silent_since = None

    @property
    def _log_path(self) -> str:
        return f"{self._socket}.log"

    def _take_lock(self) -> bool:
        """Whether this process is the one that starts the node."""
        if self._lock_file is not None:
            return True
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(f"{self._socket}.keeper", flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._lock_file = file
        return True

    def _start(self, now: float) -> None:
        self._started_at = now
        self._has_answered = False
        self._backoff_seconds = max(self._backoff_seconds, BACKOFF_MIN_SECONDS)
        try:
            if os.path.exists(self._log_path):
                os.replace(self._log_path, f"{self._log_path}.1")
            flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            log = os.open(self._log_path, flags, 0o600)
            try:
                self._process = DetachedProcess(self._command, log)
            finally:
                os.close(log)
        except (OSError, subprocess.SubprocessError) as error:
            self._backoff_seconds = min(2 * self._backoff_seconds, BACKOFF_MAX_SECONDS)
            LOGGER.warning("KVBM: the node could not be started: %s", error)
            return
        LOGGER.info("KVBM: started the node (process %d, %s)", self._process.pid, self._socket)
