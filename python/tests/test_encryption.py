"""Encrypted slots on disk: served with the key, unreadable and kept without it."""

import json
import os
import subprocess
from array import array
from pathlib import Path

import numpy as np
import pytest
from golden import stored
from harness.nodes import Node
from test_disk_driver import goes_and_comes_back

from swift_kvbm.node import node_binary

TOKENS_BLOCKS = 16


def keygen() -> str:
    """A new key, as `kvbm keygen` prints it."""
    made = subprocess.run([node_binary(), "keygen"], capture_output=True, text=True, check=True)
    return made.stdout


def key_file(path: Path, *keys: str, mode: int = 0o600) -> Path:
    """A file of these keys."""
    path.write_text("".join(keys))
    path.chmod(mode)
    return path


def encrypting(keys: Path) -> dict[str, str]:
    """The variables of a node that encrypts."""
    return {"KVBM_DISK_ENCRYPTION": "aes-256-gcm", "KVBM_KEYS": str(keys)}


def extents(store: Path) -> dict[str, bytes]:
    """Every extent's bytes."""
    return {path.name: path.read_bytes() for path in (store / "extents").iterdir()}


def verify(store: Path, *arguments: str) -> dict:
    """What `kvbm verify` says."""
    command = [node_binary(), "verify", "--disk", str(store), "--json", *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def blocks_found(node: Node) -> int:
    """How many blocks of the stored prompt come from the disk, each compared."""
    tokens = array("I", range(64))
    device = stored.Device(node.socket)
    found = device.load(b"", tokens, TOKENS_BLOCKS)
    device.close()
    for block, words in enumerate(found):
        assert np.array_equal(words, stored.block_bytes(b"", block))
    return len(found)


def test_an_encrypted_store_is_served_and_shows_nothing(binaries, tmp_path):
    keys = key_file(tmp_path / "keys", keygen())
    store = tmp_path / "store"
    node = Node(tmp_path / "node", disk=store, environment=encrypting(keys))
    goes_and_comes_back(node)
    assert node.status()["disk_encryption"].startswith("aes-256-gcm, key ")
    assert node.stop() == 0
    files = b"".join(extents(store).values())
    for block in range(TOKENS_BLOCKS):
        words = stored.block_bytes(b"", block).tobytes()
        for first in range(0, len(words), 64):
            assert words[first : first + 16] not in files
    assert verify(store, "--keys", str(keys))["intact"] == TOKENS_BLOCKS
    without = verify(store)
    assert without["locked"] == TOKENS_BLOCKS and without["intact"] == without["damaged"] == 0


def test_without_its_key_a_store_is_kept_and_comes_back(binaries, tmp_path):
    keys = key_file(tmp_path / "keys", keygen())
    store = tmp_path / "store"
    node = Node(tmp_path / "node", disk=store, environment=encrypting(keys))
    goes_and_comes_back(node)
    assert node.stop() == 0
    before = extents(store)
    others = key_file(tmp_path / "others", keygen())
    for environment in (encrypting(others), {}):
        stranger = Node(tmp_path / "stranger", disk=store, environment=environment)
        assert blocks_found(stranger) == 0
        assert stranger.stop() == 0
        log = stranger.log.read_text()
        assert "16 slots are protected with keys that are not at hand" in log
        stranger.log.unlink()
        after = extents(store)
        assert {name: after[name] for name in before} == before
    # A new key comes first, the old one is still there.
    key_file(tmp_path / "keys", keygen(), keys.read_text())
    node.start()
    assert blocks_found(node) == TOKENS_BLOCKS
    assert node.stop() == 0


def test_what_is_wrong_with_keys_is_said(binaries, tmp_path):
    command = [node_binary(), "serve", "--socket", str(tmp_path / "s"), "--host-capacity", "8MiB"]
    command += ["--disk-path", str(tmp_path / "d"), "--disk-capacity", "64MiB"]
    command += ["--disk-encryption", "aes-256-gcm"]
    shown = key_file(tmp_path / "shown", keygen(), mode=0o644)
    broken = key_file(tmp_path / "broken", "secret")
    for arguments, words in (
        ([], "name a file of keys in `keys`"),
        (["--keys", str(shown)], "has mode 644: others can read or change the keys"),
        (["--keys", str(broken)], "line 1: no key; it must be 64 hexadecimal digits"),
        (["--keys", str(tmp_path / "none")], "No such file or directory"),
        (["--keys", "env:NO_SUCH"], "the variable NO_SUCH is not set"),
    ):
        ended = subprocess.run(
            command + arguments, capture_output=True, text=True, timeout=20, env={**os.environ}
        )
        assert ended.returncode == 64 and words in ended.stderr, ended.stderr
        assert "secret" not in ended.stderr


@pytest.mark.parametrize("place", ["payload", "header"])
def test_a_changed_slot_is_refused_and_counted(binaries, tmp_path, place):
    keys = key_file(tmp_path / "keys", keygen())
    store = tmp_path / "store"
    node = Node(tmp_path / "node", disk=store, environment=encrypting(keys))
    goes_and_comes_back(node)
    assert node.stop() == 0
    path = next(p for p in (store / "extents").iterdir() if any(p.read_bytes()))
    slot_bytes = int(path.name.split("-")[1])
    with open(path, "r+b") as file:
        for slot in range(TOKENS_BLOCKS):
            file.seek(slot * slot_bytes + (4096 if place == "payload" else 600))
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
    node.start()
    assert blocks_found(node) == 0
    # The scan sees what is wrong with a header, and a read what is wrong with the rest.
    forged = node.counters()["disk_forged"]
    assert forged > 0 if place == "payload" else forged == 0
    assert node.stop() == 0
