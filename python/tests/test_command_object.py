"""`kvbm doctor --object`: whether shared stores can be used, a directory and a real S3 server."""

import json
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.objects import Server

from swift_kvbm.node import node_binary


def find_object(
    *arguments: str, limit: Callable[[], None] | None = None, **environment: str
) -> dict[str, str]:
    """The finding about the shared store, of a doctor that asks no engine's Python."""
    done = subprocess.run(
        [node_binary(), "doctor", "--json", "--python", "/bin/true", *arguments],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "no_proxy": "127.0.0.1", **environment},
        preexec_fn=limit,
        # Ignored by Python, and so by the command: a file that grows too long is an error.
        restore_signals=limit is None,
    )
    findings = json.loads(done.stdout)["findings"]
    return next(item for item in findings if item["check"] == "object")


def check(server: Server, bucket: str = "kvbm-test", **changes: str) -> dict[str, str]:
    """The finding about a bucket, with other variables where wanted."""
    arguments = ("--object", f"s3://{bucket}/kv", "--object-endpoint", server.url)
    return find_object(*arguments, **{**server.environment, **changes})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path, tls=True)
    yield started
    started.stop()


def test_a_directory_that_can_be_shared_is_fine(binaries, tmp_path):
    found = find_object("--object", f"file://{tmp_path}/shared")
    assert found["level"] == "OK" and "1 MiB put in" in found["text"]
    files = [path for path in (tmp_path / "shared").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["kvbm-objects.json"]
    # A second time it is a store already.
    assert find_object("--object", f"file://{tmp_path}/shared")["level"] == "OK"


def test_a_directory_of_somebody_else_is_left_alone(binaries, tmp_path):
    (tmp_path / "photo.jpg").write_text("x")
    found = find_object("--object", f"file://{tmp_path}")
    assert found["level"] == "FAIL" and "holds other files" in found["text"]
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_write_that_fails_in_the_middle_leaves_nothing_behind(binaries, tmp_path):
    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))

    found = find_object("--object", f"file://{tmp_path}/shared", limit=lower)
    assert found["level"] == "FAIL" and "File too large" in found["text"]
    files = [path for path in (tmp_path / "shared").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["kvbm-objects.json"]


def test_a_place_that_is_none_is_named(binaries):
    found = find_object("--object", "gs://bucket")
    assert found["level"] == "FAIL"
    assert "must be file:///directory or s3://bucket/prefix" in found["text"]


def test_a_bucket_is_fine_or_says_what_is_wrong(binaries, server, tmp_path):
    assert check(server)["level"] == "OK"
    wrong = {
        "SignatureDoesNotMatch": check(server, AWS_SECRET_ACCESS_KEY="wrong"),
        "there is no bucket nobodys": check(server, bucket="nobodys"),
        "certificate": check(server, AWS_CA_BUNDLE=""),
        "no credentials": check(server, AWS_SECRET_ACCESS_KEY="", HOME=str(tmp_path)),
    }
    for words, found in wrong.items():
        assert found["level"] == "FAIL" and words in found["text"], found
        assert found["remedy"]


def test_no_server_fails_and_ends(binaries):
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    arguments = ("--object", "s3://bucket", "--object-endpoint", "http://127.0.0.1:1")
    found = find_object(*arguments, **environment)
    assert found["level"] == "FAIL" and "127.0.0.1" in found["text"]
    assert "Check endpoint" in found["remedy"]
