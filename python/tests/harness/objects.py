"""Shared stores for tests: a directory, and a bucket on a server whose way can be cut."""

import contextlib
import os
import random
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SERVER_PYTHON = ROOT / "build/venv-object/bin/python"
BUCKET = "s3://kvbm-test/kv"


class Server:
    """The S3 server of the Swift tests, and who may use its bucket."""

    def __init__(self, directory: Path, tls: bool) -> None:
        assert SERVER_PYTHON.exists(), "run scripts/setup.sh venv-object"
        script = ROOT / "Tests/ObjectTierTests/s3_server.py"
        self.process = subprocess.Popen(
            [SERVER_PYTHON, script, directory, *(["tls"] if tls else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        port, key, secret = self.process.stdout.readline().split()
        self.port = int(port)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self.environment = {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": "us-east-1",
            "no_proxy": "127.0.0.1",
        }
        if tls:
            self.environment["AWS_CA_BUNDLE"] = str(directory / "ca.pem")

    def stop(self) -> None:
        """Ends it: with its input it has nothing to serve for."""
        self.process.communicate(timeout=60)


class Way:
    """A port that leads to a server's, until it is cut, and again when it is mended."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.mend()

    @property
    def url(self) -> str:
        """What clients are told."""
        return f"http://127.0.0.1:{self.port}"

    def mend(self) -> None:
        """Takes connections, at the same port as before."""
        listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuses connections, and ends those that there are."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # Whoever waits in accept is not woken by close alone.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            for connection in self._open:
                _shut(connection)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            with self._lock:
                self._open |= {client, server}
                if self._listener is not listener:
                    _shut(client)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        _shut(source)
        _shut(sink)
        with self._lock:
            self._open -= {source}


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def objects_of(store: Path) -> list[Path]:
    """Every object in a directory."""
    found = [path for path in store.rglob("*.1") if path.is_file()]
    assert found, "the store holds nothing"
    return sorted(found)


def flipped(store: Path, rng: random.Random) -> None:
    """A flipped bit in two objects of three, anywhere."""
    for path in objects_of(store):
        if rng.random() < 0.67:
            data = bytearray(path.read_bytes())
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            path.write_bytes(data)


def cut_short(store: Path, rng: random.Random) -> None:
    """Half of the objects end somewhere before their end."""
    for path in objects_of(store):
        if rng.random() < 0.5:
            os.truncate(path, rng.randrange(path.stat().st_size))


def swapped(store: Path, rng: random.Random) -> None:
    """Objects under each other's names: sound in themselves."""
    paths = objects_of(store)
    data = [path.read_bytes() for path in paths]
    for path in paths:
        path.write_bytes(rng.choice(data))


def torn(store: Path, rng: random.Random) -> None:
    """Pages that were never written: zeros behind the header."""
    for path in objects_of(store):
        data = bytearray(path.read_bytes())
        start = 4096 * rng.randrange(1, max(2, len(data) // 4096))
        data[start : start + 4096] = bytes(len(data[start : start + 4096]))
        path.write_bytes(data)


def noise(store: Path, rng: random.Random) -> None:
    """Something else, as long as an object."""
    for path in objects_of(store):
        path.write_bytes(rng.randbytes(path.stat().st_size))


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    function.__name__: function for function in (flipped, cut_short, swapped, torn, noise)
}
