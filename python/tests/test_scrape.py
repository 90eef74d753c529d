"""The node's own /metrics: over a Unix socket and over TCP, read by Prometheus's parser."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from harness.nodes import Node
from harness.play import play
from prometheus_client.parser import text_string_to_metric_families

from swift_kvbm.node import node_binary


@pytest.fixture
def make_node(binaries, tmp_path):
    made = []

    def make(metrics: str) -> Node:
        environment = {"KVBM_METRICS": metrics}
        disk = tmp_path / f"disk{len(made)}"
        made.append(Node(tmp_path / f"node{len(made)}", disk=disk, environment=environment))
        return made[-1]

    yield make
    for node in made:
        if node.process.poll() is None:
            assert node.stop() == 0


def ask(address: str | tuple[str, int], request: bytes, pieces: int = 1) -> bytes:
    """Sends a request in some pieces; all that comes back until the end."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connect(connection, address)
        size = -(-len(request) // pieces)
        for first in range(0, len(request), size):
            connection.sendall(request[first : first + size])
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def connect(connection: socket.socket, address: str | tuple[str, int]) -> None:
    """Connects to a node that has just answered elsewhere, and may not listen here yet."""
    deadline = time.monotonic() + 20
    while connection.connect_ex(address) != 0:
        assert time.monotonic() < deadline, f"nobody listens at {address}"
        time.sleep(0.01)


def body(answer: bytes) -> str:
    head, _, text = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
    assert f"Content-Length: {len(text)}\r\n".encode() in head
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n" in head
    return text.decode()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample; that there are two of one name and labels is an error."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type != "unknown", family.name
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


GET = b"GET /metrics HTTP/1.1\r\nHost: kvbm\r\n\r\n"


@pytest.mark.harness
def test_series_tell_what_was_asked_found_and_moved(make_node, tmp_path):
    path = str(tmp_path / "metrics")
    node = make_node(f"unix:{path}")
    for _ in range(2):
        play(tmp_path, node.extra, 3, resets=False, requests=30)
    text = body(ask(path, GET))
    found = samples(text)

    def value(name: str, **labels: str) -> float:
        return found[("kvbm_" + name, tuple(sorted(labels.items())))]

    asked = value("node_requested_blocks_total")
    assert asked > value("node_matched_blocks_total") > 0
    # Without an ending, as KVBM has it; the parser gives it one.
    assert "\nkvbm_matched_tokens " in text
    assert value("matched_tokens_total") == 16 * value("node_matched_blocks_total")
    assert value("node_requested_tokens_total") == 16 * asked
    for way in ("store", "load", "write"):
        assert value("node_transferred_bytes_total", way=way) > 0, way
        count = value("node_transfer_seconds_count", way=way)
        assert count > 0 and value("node_transfer_seconds_bucket", way=way, le="+Inf") == count
        assert value("node_transfer_seconds_sum", way=way) > 0
    assert value("node_match_seconds_count") == value("node_matches_total")
    assert value("node_removed_blocks_total", tier="host", reason="corrupt") == 0
    assert value("offload_blocks_d2h_total") == value("node_blocks_stored_total")
    assert value("onboard_blocks_h2d_total") == value("node_blocks_loaded_total")
    assert value("node_capacity_bytes", tier="host") == 8 * 2**20


def test_the_same_as_the_command_prints(make_node, tmp_path):
    path = str(tmp_path / "metrics")
    node = make_node(f"unix:{path}")
    command = [node_binary(), "status", "--socket", node.socket, "--prometheus"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    served = body(ask(path, GET, pieces=7))
    assert set(samples(served)) == set(samples(printed))


def test_curl_gets_it_and_the_socket_is_private_and_goes_with_the_node(make_node, tmp_path):
    path = tmp_path / "metrics"
    node = make_node(f"unix:{path}")
    assert samples(body(ask(str(path), GET)))
    assert path.stat().st_mode & 0o777 == 0o600
    curl = shutil.which("curl")
    if curl:
        command = [curl, "--silent", "--fail", "--unix-socket", str(path), "http://kvbm/metrics"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        assert ("kvbm_node_sessions", ()) in samples(done.stdout)
    # One that was killed leaves its socket, which the next one takes over.
    node.kill()
    assert path.exists()
    node.start()
    assert samples(body(ask(str(path), GET)))
    assert node.stop() == 0
    assert not path.exists()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_over_tcp_and_what_is_asked_wrongly(make_node):
    port = free_port()
    node = make_node(f"127.0.0.1:{port}")
    address = ("127.0.0.1", port)
    assert samples(body(ask(address, GET)))
    for request, status in (
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"DELETE /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"\0\0\0\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\n" + b"x" * 9000, b"431"),
    ):
        assert ask(address, request).startswith(b"HTTP/1.1 " + status), request[:40]
    # More than there may be at a time: some are turned away, and then there is room again.
    many = [socket.create_connection(address, timeout=20) for _ in range(40)]
    for connection in many:
        connection.close()
    assert samples(body(ask(address, GET)))
    assert node.process.poll() is None


def test_a_scraper_that_says_nothing_is_let_go(make_node, tmp_path):
    path = str(tmp_path / "metrics")
    make_node(f"unix:{path}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.settimeout(30)
        connect(silent, path)
        silent.sendall(b"GET /metrics")
        assert silent.recv(1) == b""


def test_an_address_that_cannot_be_had_is_no_reason_to_end(make_node, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("a file")
    node = make_node(f"unix:{taken}")
    assert node.counters()["matches"] == 0
    assert "the path is taken; the node serves without them" in Path(node.log).read_text()
    assert taken.read_text() == "a file"


def test_a_wrong_address_is_refused(binaries, tmp_path):
    command = [node_binary(), "serve", "--host-capacity", "1GiB", "--socket", str(tmp_path / "s")]
    command += ["--metrics", "9401"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 64 and 'metrics is "9401"; it must be "unix:"' in done.stderr
