"""What the tests share: where the binaries are, private places, and quiet."""

import logging
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "swift_kvbm"
RUNTIME = Path(f"/tmp/kvbm-test-{os.getpid()}")
FAULT_LIBRARY = ROOT / "build" / "test" / "libkvbm.so"

# For the processes that tests start.
_PATHS = [str(ROOT / "python"), str(ROOT / "python" / "tests"), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(path for path in _PATHS if path)
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")


def full() -> bool:
    """Whether the long form of the tests was asked for."""
    return os.environ.get("KVBM_FULL") == "1"


@pytest.fixture(autouse=True)
def private_runtime(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """Sockets and caches of a test are its own; messages are written anew in each."""
    from swift_kvbm import log

    log.forget()
    RUNTIME.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(RUNTIME))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    for name in ("KVBM_FAULT", "KVBM_TEST_COPY_DELAY_US"):
        monkeypatch.delenv(name, raising=False)
    logging.getLogger("vllm").setLevel(logging.WARNING)
    return RUNTIME


@pytest.fixture
def binaries() -> None:
    """The built library and node; a test that needs them fails without, it does not skip."""
    library = Path(os.environ.get("KVBM_LIBRARY") or PACKAGE / "libkvbm.so")
    command = Path(os.environ.get("KVBM_BIN") or PACKAGE / "bin" / "kvbm")
    missing = [str(path) for path in (library, command) if not path.exists()]
    if missing:
        pytest.fail(f"not built: {', '.join(missing)} (run `make build`)")


@pytest.fixture
def fault_library(binaries: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The library's test build, in use for this test."""
    if not FAULT_LIBRARY.exists():
        pytest.fail(f"not built: {FAULT_LIBRARY} (run `make build`)")
    monkeypatch.setenv("KVBM_LIBRARY", str(FAULT_LIBRARY))
    return FAULT_LIBRARY


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    """The package's warnings from here on; vLLM keeps them from reaching the root logger."""
    from swift_kvbm import log

    monkeypatch.setattr(log.LOGGER, "propagate", False)
    log.LOGGER.addHandler(caplog.handler)
    log.forget()
    yield lambda: [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    log.LOGGER.removeHandler(caplog.handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Nothing that the tests started may stay behind."""
    if "harness.nodes" in sys.modules:
        sys.modules["harness.nodes"].stop_all(RUNTIME)
    shutil.rmtree(RUNTIME, ignore_errors=True)


@pytest.fixture
def make_node(binaries, tmp_path):
    """Starts nodes, each in a folder of its own; at the end all must stop as they should."""
    from harness.nodes import Node

    made: list[Node] = []

    def make(**options) -> Node:
        made.append(Node(tmp_path / f"node{len(made)}", **options))
        return made[-1]

    yield make
    for node in made:
        assert node.stop() == 0, node.log.read_text()[-3000:]
