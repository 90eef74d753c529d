"""Starting and keeping the node, without a real one: a script stands in."""

import os
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from swift_kvbm import node as node_module
from swift_kvbm.config import Settings
from swift_kvbm.node import NodeKeeper, keeper_for, node_command
from swift_kvbm.runtime_dir import private_directory, socket_path
from swift_kvbm.supervisor import Supervisor

SLEEPER = ["/bin/sleep", "60"]


def wait_for(condition, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def keeper(tmp_path):
    made = []

    def make(command=SLEEPER, name: str = "node.sock") -> NodeKeeper:
        made.append(NodeKeeper(command, str(tmp_path / name)))
        return made[-1]

    yield make
    for item in made:
        if item.pid is not None:
            os.kill(item.pid, signal.SIGKILL)


def test_the_command_line_is_the_settings(monkeypatch):
    monkeypatch.setenv("KVBM_BIN", "/bin/kvbm")
    settings = Settings(1024, "/d", 4096, disk_admission="seen-twice")
    assert node_command(settings, "/s") == [
        *("/bin/kvbm", "serve", "--socket", "/s", "--host-capacity", "1024"),
        *("--host-admission", "all", "--disk-path", "/d", "--disk-capacity", "4096"),
        *("--disk-admission", "seen-twice", "--disk-write-budget", "0"),
        *("--disk-driver", "auto"),
        *("--disk-flush", "never"),
        *("--load", "always", "--parent-started"),
    ]


def test_a_foreign_node_is_not_started():
    assert keeper_for(Settings(node_socket="/a"), "/a") is None


def test_one_keeper_for_each_socket_in_a_process():
    assert keeper_for(Settings(), "/x/one") is keeper_for(Settings(), "/x/one")


def test_the_node_is_nobodys_descendant_and_started_once(keeper):
    item = keeper()
    item.ensure()
    pid = item.pid
    assert pid is not None and os.getsid(pid) != os.getsid(0)
    # What vLLM does to an engine that does not end in time: it kills all that descends from it.
    assert pid not in [child.pid for child in psutil.Process().children(recursive=True)]
    item.ensure()
    assert item.pid == pid


def test_a_dead_child_is_started_again_with_growing_delay(keeper, monkeypatch):
    monkeypatch.setattr(node_module, "BACKOFF_MIN_SECONDS", 0.05)
    item = keeper(["/bin/sh", "-c", "exit 3"])
    starts = []
    inner = item._start
    monkeypatch.setattr(item, "_start", lambda now: (starts.append(now), inner(now)))
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        item.ensure()
        time.sleep(0.005)
    gaps = [later - earlier for earlier, later in zip(starts, starts[1:], strict=False)]
    assert 3 <= len(starts) <= 6 and all(
        later > earlier for earlier, later in zip(gaps, gaps[1:], strict=False)
    )


def test_a_node_that_went_in_good_order_is_started_again_at_once(keeper, caplog):
    item = keeper(["/bin/sh", "-c", "exit 0"])
    for _ in range(8):
        item.ensure()
        item.answered()
        item.leaving()
        pid = item._process.pid
        deadline = time.monotonic() + 10
        while item.pid is not None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        item.ensure()
        assert item._process is not None and item._process.pid != pid
    assert not caplog.records


def test_a_node_that_never_answered_goes_when_its_engine_does(keeper):
    item = keeper()
    item.ensure()
    item.answered()
    item.leaving()
    item.left()
    time.sleep(0.1)
    assert item.pid is not None, "it ends by itself, after a clean close"
    os.kill(item.pid, signal.SIGKILL)
    wait_for(lambda: item.pid is None)
    # The engine's thread has it started again, and the engine stops before it is attached.
    item.ensure()
    assert item.pid is not None
    item.leaving()
    item.left()
    wait_for(lambda: item.pid is None)


def test_only_one_keeper_starts_the_node(keeper):
    one, two = keeper(), keeper()
    one.ensure()
    two.ensure()
    assert one.pid is not None and two.pid is None


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_a_node_that_is_there_already_is_not_started_again(keeper, tmp_path, kind):
    with socket.socket(socket.AF_UNIX, kind) as listener:
        listener.bind(str(tmp_path / "node.sock"))
        listener.listen()
        item = keeper()
        item.ensure()
        assert item.pid is None
    # The file is left, and nobody behind it.
    item.ensure()
    assert item.pid is not None


def test_a_child_that_keeps_silent_is_ended(keeper, monkeypatch):
    monkeypatch.setattr(node_module, "SILENT_SECONDS_MAX", 0.05)
    item = keeper()
    item.ensure()
    first = item.pid
    item.ensure(silent=True)
    time.sleep(0.1)
    item.answered()
    item.ensure(silent=True)
    assert item.pid == first, "it answered in between"
    time.sleep(0.1)
    item.ensure(silent=True)
    wait_for(lambda: item.pid is None)


def test_a_missing_binary_is_a_warning_and_no_more(keeper):
    item = keeper(["/nonexistent/kvbm"])
    item.ensure()
    assert item.pid is None


def test_sockets_are_private_short_and_stable(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = socket_path(Settings())
    assert path == socket_path(Settings()) != socket_path(Settings(host_capacity_bytes=1))
    assert len(path) < 100 and os.stat(Path(path).parent).st_mode & 0o777 == 0o700
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("x" * 90)))
    assert socket_path(Settings()).startswith(f"/tmp/kvbm-{os.getuid()}/")
    assert socket_path(Settings(node_socket="/my/node")) == "/my/node"


def test_a_directory_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match="not a directory of this user"):
        private_directory(tmp_path / "link")
    (tmp_path / "open").mkdir(mode=0o755)
    private_directory(tmp_path / "open")
    assert os.stat(tmp_path / "open").st_mode & 0o777 == 0o700


class Handle:
    """Attachable: `node` says whether somebody answers."""

    def __init__(self) -> None:
        self.node, self.attached, self.count, self.tries = False, False, 0, 0

    def attach(self, timeout_ms: int) -> tuple[int, str]:
        self.tries += 1
        if not self.node:
            return -2, "nobody there"
        self.attached, self.count = True, self.count + 1
        return 0, ""

    def state(self):
        return type("State", (), {"attached": self.attached, "attach_count": self.count})


def test_the_supervisor_attaches_again_and_says_so(caplog, monkeypatch):
    import logging

    logging.getLogger("vllm").propagate = True
    monkeypatch.setattr("swift_kvbm.supervisor.BACKOFF_MIN_SECONDS", 0.02)
    monkeypatch.setattr("swift_kvbm.supervisor._WATCH_SECONDS", 0.01)
    handle, attached = Handle(), []
    supervisor = Supervisor("scheduler", handle, None, lambda: attached.append(1))
    with caplog.at_level("INFO", logger="vllm.swift_kvbm"):
        supervisor.start()
        assert not supervisor.wait_attached(0.05)
        handle.node = True
        assert supervisor.wait_attached(5)
        handle.node = handle.attached = False
        wait_for(lambda: "goes on without cache" in caplog.text)
        handle.node = True
        wait_for(lambda: "the cache is back" in caplog.text)
    assert attached == [1, 1] and supervisor.stop()
    assert caplog.text.count("goes on without cache") == 1
