"""Recordings: what they say is what was served, they are bounded, and they harm nobody."""

import gzip
import json
import random
import resource
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from conftest import FAULT_LIBRARY
from harness.engine import Engine
from harness.isolated import run_isolated
from harness.play import Workload

from swift_kvbm import recording
from swift_kvbm.node import node_binary
from swift_kvbm.recording import Entry, Recorder
from swift_kvbm.retention import Range, priority_of_all
from swift_kvbm.scheduler import SchedulerHalf

REQUESTS = 25
BLOCK_TOKENS = 16


def entry(number: int = 0, blocks: int = 2) -> Entry:
    """Some request."""
    return Entry(1000.5 + number, bytes(range(16)) * blocks, blocks, 1, 0)


def lines(path: Path) -> list[dict]:
    """The requests of a recording."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def replay(path: Path) -> dict:
    """What `kvbm replay` says of it, in a tier that holds everything."""
    command = [node_binary(), "replay", str(path), "--format", "keys", "--host-blocks", "100000"]
    command += ["--eviction", "lru", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


# MARK: The file


@pytest.mark.parametrize("name", ["trace.jsonl", "trace.jsonl.gz"])
def test_a_recording_can_be_replayed_and_goes_on_where_it_ended(binaries, tmp_path, name):
    path = tmp_path / name
    for run in range(2):
        recorder = Recorder(str(path), 2**20)
        for number in range(3):
            recorder.add(entry(3 * run + number))
        recorder.close()
    found = lines(path)
    assert [line["timestamp"] for line in found] == [1000_500 + 1000 * n for n in range(6)]
    assert found[0]["keys"] == ["000102030405060708090a0b0c0d0e0f"] * 2
    assert (found[0]["prompt_blocks"], found[0]["device_blocks"]) == (2, 1)
    assert path.stat().st_mode & 0o777 == 0o600, "what users ask for is nobody else's business"
    assert replay(path)["requests"] == 6


def test_a_line_says_what_its_request_called_all_of_its_blocks_worth(binaries, tmp_path):
    ranges = [Range(priority=90), Range(start=16, priority=100), Range(end=16, priority=95)]
    assert priority_of_all(ranges) == 90
    assert priority_of_all([]) == priority_of_all(ranges[1:]) == 50
    path = tmp_path / "trace"
    recorder = Recorder(str(path), 2**20)
    recorder.add(replace(entry(1), priority=90))
    recorder.add(entry(2))
    recorder.close()
    first, second = lines(path)
    assert first["priority"] == 90 and "priority" not in second
    assert replay(path)["requests"] == 2


def test_lines_reach_the_file_without_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "FLUSH_SECONDS", 0.01)
    recorder = Recorder(str(tmp_path / "trace"), 2**20)
    recorder.add(entry())
    deadline = time.monotonic() + 20
    while not lines(recorder.path):
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.01)
    recorder.close()


def test_every_engine_has_a_file_of_its_own(tmp_path):
    recorders = [Recorder(str(tmp_path / "trace.jsonl.gz"), 2**20) for _ in range(3)]
    names = [recorder.path.name for recorder in recorders]
    assert names == ["trace.jsonl.gz", "trace.1.jsonl.gz", "trace.2.jsonl.gz"]
    for number, recorder in enumerate(recorders):
        recorder.add(entry(number))
        recorder.close()
    assert all(len(lines(recorder.path)) == 1 for recorder in recorders)


def test_nothing_is_added_to_a_file_that_is_no_recording(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n")
    with pytest.raises(OSError, match="no recording"):
        Recorder(str(path), 2**20)
    assert path.read_text() == "127.0.0.1 localhost\n"


@pytest.mark.parametrize("name", ["trace", "trace.gz"])
def test_the_recording_ends_at_its_size_with_one_warning(tmp_path, monkeypatch, caplog, name):
    monkeypatch.setattr(recording, "_BATCH_LINES_MAX", 1)
    recorder = Recorder(str(tmp_path / name), 1000)
    for number in range(50):
        recorder.add(entry(number))
    recorder.close()
    assert 0 < recorder.path.stat().st_size <= 1000
    assert 0 < len(lines(recorder.path)) < 50
    assert [r.message for r in caplog.records if "its full size" in r.message] == [
        f"KVBM: the recording {recorder.path} has its full size of 1000 bytes; "
        "nothing more is recorded"
    ]


def test_a_full_disk_costs_the_recording_and_leaves_whole_lines(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(recording, "_BATCH_LINES_MAX", 1)
    line = len(entry().line())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As on a full disk, the third line fits half.
    resource.setrlimit(resource.RLIMIT_FSIZE, (line * 2 + line // 2, limits[1]))
    try:
        recorder = Recorder(str(tmp_path / "trace"), 2**20)
        for number in range(6):
            recorder.add(entry(number))
        recorder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(lines(recorder.path)) == 2
    assert len([r for r in caplog.records if "cannot be written" in r.message]) == 1
    recorder.add(entry())


def test_a_disk_that_stands_still_costs_neither_memory_nor_time(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(recording, "_WAITING_BYTES_MAX", 320)
    monkeypatch.setattr(recording, "FLUSH_SECONDS", 60.0)
    recorder = Recorder(str(tmp_path / "trace"), 2**20)
    for number in range(100):
        recorder.add(entry(number))
    recorder.close()
    assert len(lines(recorder.path)) == 10
    assert len([r for r in caplog.records if "too slowly" in r.message]) == 1


# MARK: What is written


class Native:
    """A native scheduler that knows keys."""

    def __init__(self) -> None:
        self.appended = 0

    def begin(self, *arguments) -> int:
        return 1

    def append(self, request, tokens) -> None:
        self.appended += len(tokens)

    def match(self, request, first, count) -> tuple[int, int]:
        return 2, 0

    def load(self, *arguments) -> None:
        pass

    def keys(self, request, first, count) -> bytes:
        assert count * 16 <= self.appended
        return bytes(16 * count)

    def end(self, request) -> None:
        pass


def finish(*, ran: bool = True, computed: int = 0, again: bool = False) -> list[Entry]:
    """A request of 100 tokens of prompt and 21 generated, 32 of them on the device."""
    item = SimpleNamespace(
        request_id="r",
        all_token_ids=list(range(121)),
        num_tokens=121,
        num_prompt_tokens=100,
        num_computed_tokens=computed,
        arrival_time=7.0,
        cache_salt=None,
        skip_reading_prefix_cache=False,
        lora_request=None,
        mm_features=[],
        prompt_embeds=None,
        prompt_is_token_ids=None,
        resumable=False,
        kv_transfer_params=None,
    )
    added: list[Entry] = []
    half = SchedulerHalf(Native(), 16)
    half.recorder = SimpleNamespace(add=added.append)
    half.matched(item, 32)
    if ran:
        half.allocated(item, SimpleNamespace(get_block_ids=lambda: (list(range(1, 9)),)), 32)
    if again:
        half.matched(item, 96)
        half.allocated(item, SimpleNamespace(get_block_ids=lambda: (list(range(1, 9)),)), 0)
    half.finished(item)
    return added


def test_a_request_is_written_down_with_where_its_blocks_were():
    for again in (False, True):
        written = finish(computed=121, again=again)
        assert written == [Entry(7.0, bytes(16 * 7), 6, 2, 2)], "its first time counts"
    assert finish(computed=40) == [Entry(7.0, bytes(16 * 2), 2, 2, 2)]
    assert finish(ran=False) == [], "what never ran was never needed"


def test_a_recorder_that_fails_keeps_no_request_from_ending(monkeypatch):
    monkeypatch.setattr(Native, "keys", None)
    assert finish(computed=121) == []


# MARK: Served and recorded


def serve(
    folder: Path, extra: dict, count: int, asynchronous: bool
) -> list[tuple[list[int], int, str]]:
    """Requests one after another: tokens whose KV there is, how many were asked, and the salt."""
    engine = Engine(folder, extra, random.Random(1), asynchronous=asynchronous)
    workload = Workload(random.Random(5))
    served = []
    for index in range(count):
        tokens, salt, length = workload.prompt()
        engine.add(f"r{index}", tokens, salt, length)
        while engine.step():
            time.sleep(0.0002)
        tokens_with_kv = (tokens + engine.outputs[f"r{index}"])[:-1]
        # What fills no block is not written down.
        if len(tokens_with_kv) >= BLOCK_TOKENS:
            served.append((tokens_with_kv, len(tokens), salt))
    engine.settle()
    engine.close()
    return served


def serve_alone(folder: Path, path: Path) -> list[tuple[list[int], int, str]]:
    """The same without a node: nothing is loaded."""
    extra = {"node": "unix:/nonexistent/node.sock", "weights_id": "w", "record": str(path)}
    with mock.patch("swift_kvbm.attach.START_WAIT_SECONDS", 0.0):
        return serve(folder, extra, REQUESTS, asynchronous=False)


def check(path: Path, served: list[tuple[list[int], int, str]]) -> int:
    """Every key stands for one prefix and one salt, and the other way round.

    Returns the blocks that earlier requests had, for a request's prefix.
    """
    names: dict[tuple, str] = {}
    hits = 0
    found = lines(path)
    assert len(found) == len(served)
    for line, (tokens, prompt, salt) in zip(found, served, strict=True):
        count = len(tokens) // BLOCK_TOKENS
        prefixes = [(salt, *tokens[: (i + 1) * BLOCK_TOKENS]) for i in range(count)]
        assert len(line["keys"]) == count
        assert line["prompt_blocks"] == prompt // BLOCK_TOKENS
        assert line["device_blocks"] + line["loaded_blocks"] <= line["prompt_blocks"]
        hits += next((i for i, name in enumerate(prefixes) if name not in names), count)
        for name, key in zip(prefixes, line["keys"], strict=True):
            assert names.setdefault(name, key) == key
    assert len(set(names.values())) == len(names), "one key for two prefixes"
    return hits


@pytest.mark.harness
@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_was_served_can_be_replayed(make_node, tmp_path, asynchronous):
    path = tmp_path / "trace.jsonl"
    extra = {**make_node().extra, "record": str(path)}
    served = serve(tmp_path / "model", extra, REQUESTS, asynchronous)
    hits = check(path, served)
    assert sum(line["loaded_blocks"] for line in lines(path)) > 0, "nothing was ever loaded"
    assert sum(line["device_blocks"] for line in lines(path)) > 0
    row = replay(path)
    assert row["requests"] == len(served)
    assert row["blocks"] == sum(len(tokens) // BLOCK_TOKENS for tokens, _, _ in served)
    assert row["hit_blocks"] == hits > 0


@pytest.mark.harness
@pytest.mark.faults
def test_wrong_keys_are_seen(fault_library, tmp_path):
    for fault in ("", "salt"):
        path = tmp_path / f"trace{fault}"
        environment = {"KVBM_LIBRARY": str(FAULT_LIBRARY), "KVBM_FAULT": fault}
        served = run_isolated(serve_alone, tmp_path / "model", path, environment=environment)
        if not fault:
            assert check(path, served) > 0
            continue
        with pytest.raises(AssertionError, match="one key for two prefixes"):
            check(path, served)


@pytest.mark.harness
def test_a_file_that_cannot_be_had_is_named_and_nothing_else_happens(make_node, tmp_path, caplog):
    path = tmp_path / "trace.jsonl"
    path.write_text("my notes\n")
    extra = {**make_node().extra, "record": str(path)}
    assert len(serve(tmp_path / "model", extra, 2, False)) == 2
    assert path.read_text() == "my notes\n"
    assert len([r for r in caplog.records if "is no recording" in r.message]) == 1
