"""Nodes that share a store: a directory and a bucket on a real server, damaged, cut off, killed."""

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness.nodes import Node
from harness.objects import BUCKET, DAMAGES, Server, Way, objects_of
from harness.play import play
from harness.runs import play_seeds, seeds
from harness.trouble import Mischief, Trouble

from swift_kvbm.node import node_binary

pytestmark = pytest.mark.faults

MEBIBYTE = 2**20
SEEDS = seeds(3, 20)
# Seconds between one trouble and the next, and that it lasts.
PAUSE = (0.1, 0.5)
OPTIONS = {"resets": False, "requests": 40}


@dataclass
class Store:
    """Where objects are, and how they are taken away and given back."""

    flags: list[str]
    environment: dict[str, str]
    take: Callable[[], None]
    give: Callable[[], None]

    def node(self, folder: Path, **options) -> Node:
        """A node with little memory of its own: what it serves comes from the store."""
        options.setdefault("host_capacity", 2 * MEBIBYTE)
        node = Node(folder, flags=self.flags, environment=self.environment, **options)
        until(lambda: node.status()["object"]["state"] != "opening")
        return node


def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Waits for something; the limit is a guard against tests that hang."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# Every node of a test has the same.
KEYS = {"KVBM_KEYS": "env:KEYS_OF_TESTS", "KEYS_OF_TESTS": "1f" * 32}


def directory_store(tmp_path: Path) -> Store:
    """A directory that is taken away by another name."""
    shared, away = tmp_path / "shared", tmp_path / "away"
    return Store(
        flags=["--object-url", f"file://{shared}"],
        environment=dict(KEYS),
        take=lambda: shared.rename(away),
        give=lambda: away.rename(shared),
    )


@pytest.fixture(params=["directory", "encrypted", "bucket"])
def store(request, tmp_path) -> Iterator[Store]:
    if request.param != "bucket":
        made = directory_store(tmp_path)
        if request.param == "encrypted":
            made.flags += ["--object-encryption", "aes-256-gcm"]
            made.environment["KVBM_DISK_ENCRYPTION"] = "aes-256-gcm"
        yield made
        return
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server", tls=False)
    way = Way(server.port)
    flags = ["--object-url", BUCKET, "--object-endpoint", way.url]
    # The server is a Python program: its answers may take long on a busy machine.
    environment = {**KEYS, **server.environment, "KVBM_STAGING_TIMEOUT": "30000"}
    yield Store(flags=flags, environment=environment, take=way.cut, give=way.mend)
    way.cut()
    server.stop()


def no_wrong_object(node: Node) -> dict[str, int]:
    """The node's counters, after a run in which nothing was damaged."""
    counters = node.counters()
    print({name: value for name, value in counters.items() if value}, flush=True)
    assert counters["object_corrupt"] == counters["objects_cut"] == counters["corrupt_copies"] == 0
    return counters


@pytest.mark.harness
def test_what_one_node_has_put_another_serves(binaries, tmp_path, store):
    first = store.node(tmp_path / "first")
    play_seeds(tmp_path, first.extra, SEEDS, **OPTIONS)
    no_wrong_object(first)
    assert first.stop() == 0, first.log.read_text()[-3000:]
    second = store.node(tmp_path / "second")
    # Nothing but the store can have what the first request asks for.
    probe = play_seeds(tmp_path, second.extra, SEEDS[:1], resets=False, requests=1)
    assert probe["loaded_tokens"] > 0
    total = play_seeds(tmp_path, second.extra, SEEDS, **OPTIONS)
    counters = no_wrong_object(second)
    assert total["loads"] > 0 and total["deferred"] > 0 and counters["blocks_fetched"] > 0
    assert second.stop() == 0, second.log.read_text()[-3000:]


@pytest.mark.harness
def test_a_disk_and_a_store_serve_together(binaries, tmp_path, store):
    node = store.node(tmp_path / "node", disk=tmp_path / "disk", host_capacity=MEBIBYTE)
    play_seeds(tmp_path, node.extra, SEEDS, **OPTIONS)
    assert node.stop() == 0, node.log.read_text()[-3000:]
    node.start()
    total = play_seeds(tmp_path, node.extra, SEEDS, **OPTIONS)
    no_wrong_object(node)
    assert total["loads"] > 0
    assert node.stop() == 0, node.log.read_text()[-3000:]


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_damaged_objects_cost_hits_and_nothing_else(binaries, tmp_path, damage):
    store = directory_store(tmp_path)
    first = store.node(tmp_path / "first")
    play_seeds(tmp_path, first.extra, SEEDS, **OPTIONS)
    assert first.stop() == 0, first.log.read_text()[-3000:]
    DAMAGES[damage](tmp_path / "shared", random.Random(7))
    second = store.node(tmp_path / "second")
    play_seeds(tmp_path, second.extra, SEEDS, **OPTIONS)
    counters = second.counters()
    assert counters["object_corrupt"] + counters["objects_cut"] > 0, "none was ever got"
    # What was found wrong was put again.
    assert counters["blocks_put"] > 0
    assert second.stop() == 0, second.log.read_text()[-3000:]


def done_and_undone(do: Callable[[], None], undo: Callable[[], None]) -> Mischief:
    """Something that is so for a while."""

    def mischief(rng: random.Random, wait: Callable[[float], bool]) -> None:
        do()
        wait(rng.uniform(*PAUSE))
        undo()

    return mischief


def test_a_store_that_comes_and_goes(binaries, tmp_path, store):
    node = store.node(tmp_path / "node")
    # A first object, so that there is a store to be taken away.
    play(tmp_path, node.extra, 98, resets=False, requests=4)
    away = done_and_undone(store.take, store.give)
    for seed in SEEDS:
        with Trouble(random.Random(seed), away, PAUSE) as trouble:
            report = play(
                tmp_path, node.extra, seed, requests=60, on_step=lambda _: time.sleep(0.002)
            )
        print(trouble.count, report, flush=True)
        assert trouble.count > 0
    until(lambda: node.status()["object"] | {"bytes": 0, "objects": 0} == calm(node))
    assert node.status()["degraded"] == []
    no_wrong_object(node)
    assert node.stop() == 0, node.log.read_text()[-3000:]
    second = store.node(tmp_path / "second")
    assert play(tmp_path, second.extra, SEEDS[0], resets=False).loads > 0
    no_wrong_object(second)
    assert second.stop() == 0, second.log.read_text()[-3000:]


def calm(node: Node) -> dict[str, object]:
    """The report of a store that answers and has all."""
    url = node.command[node.command.index("--object-url") + 1]
    encrypted = "--object-encryption" in node.command
    protection = "aes-256-gcm" if encrypted else "authenticated"
    calm = {"url": url, "state": "open", "pending_puts": 0, "objects": 0, "bytes": 0}
    return {**calm, "protection": protection}


def test_a_store_that_is_not_there_at_the_start(binaries, tmp_path, store):
    first = store.node(tmp_path / "first")
    play_seeds(tmp_path, first.extra, SEEDS[:1], **OPTIONS)
    assert first.stop() == 0, first.log.read_text()[-3000:]
    store.take()
    started = time.monotonic()
    # A parent that is there, and a place in it that cannot be made a store: somebody else's file.
    (tmp_path / "shared").touch()
    node = store.node(tmp_path / "node")
    assert time.monotonic() - started < 60
    assert play(tmp_path, node.extra, SEEDS[0], resets=False).loads > 0, "host memory serves"
    until(lambda: node.status()["object"]["state"] in ("closed", "left alone"))
    (reason,) = node.status()["degraded"]
    assert "object store" in reason
    lines = subprocess.run(
        [node_binary(), "status", "--socket", node.socket], capture_output=True, text=True
    ).stdout.splitlines()
    assert any(line.startswith("object ") for line in lines), lines
    (tmp_path / "shared").unlink()
    store.give()
    until(lambda: node.status()["object"]["state"] == "open")
    until(lambda: node.status()["degraded"] == [])
    assert play(tmp_path, node.extra, SEEDS[-1] + 1, resets=False).loads > 0
    until(lambda: node.counters()["blocks_put"] > 0)
    assert node.stop() == 0, node.log.read_text()[-3000:]


def test_a_node_that_is_killed_leaves_only_whole_objects(binaries, tmp_path):
    store = directory_store(tmp_path)
    node = store.node(tmp_path / "node")
    killed = done_and_undone(node.kill, node.start)
    for seed in SEEDS:
        with Trouble(random.Random(seed), killed, PAUSE) as trouble:
            play(tmp_path, node.extra, seed, requests=60, on_step=lambda _: time.sleep(0.002))
        assert trouble.count > 0
    node.kill()
    sizes = {path.stat().st_size for path in objects_of(tmp_path / "shared")}
    assert len(sizes) == 1, sizes
    second = store.node(tmp_path / "second")
    play_seeds(tmp_path, second.extra, SEEDS, **OPTIONS)
    counters = no_wrong_object(second)
    assert counters["blocks_fetched"] > 0
    assert second.stop() == 0, second.log.read_text()[-3000:]
