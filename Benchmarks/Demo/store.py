"""The disk store as the demo needs it: is it in use, where are its blocks, spoil one.

Reads the files by their published format (docs/disk-format.md), independently of the code that
wrote them.
"""

import fcntl
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"KVBMSLT1"
# Offsets in a slot's header: header bytes, payload bytes, the block's position in its sequence.
HEADER_BYTES = struct.Struct("<I"), 12
PAYLOAD_BYTES = struct.Struct("<Q"), 32
POSITION = struct.Struct("<I"), 128
FIXED_HEADER_BYTES = 512


@dataclass(frozen=True)
class UsedSlot:
    """A slot that holds a block; offsets and lengths in bytes."""

    path: Path
    index: int
    offset: int
    header_bytes: int
    payload_bytes: int
    position: int


def used_slots(store: Path) -> list[UsedSlot]:
    """Every slot of the store that holds a block, by file and index."""
    found = []
    for path in sorted((store / "extents").glob("*.kvx")):
        slot_bytes = int(path.stem.split("-")[1])
        with path.open("rb") as file:
            for index in range(path.stat().st_size // slot_bytes):
                offset = index * slot_bytes
                header = os.pread(file.fileno(), FIXED_HEADER_BYTES, offset)
                if not header.startswith(MAGIC):
                    continue
                header_bytes, payload_bytes, position = (
                    form.unpack_from(header, at)[0]
                    for form, at in (HEADER_BYTES, PAYLOAD_BYTES, POSITION)
                )
                slot = UsedSlot(path, index, offset, header_bytes, payload_bytes, position)
                found.append(slot)
    return found


def flip_byte(slot: UsedSlot) -> int:
    """Inverts the byte in the middle of the slot's payload; returns its offset in the file."""
    offset = slot.offset + slot.header_bytes + slot.payload_bytes // 2
    with slot.path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0xFF]))
        file.flush()
        os.fsync(file.fileno())
    return offset


def wait_until_free(store: Path, seconds: float) -> bool:
    """Waits until no node holds the store; false when one still does after `seconds`."""
    deadline = time.monotonic() + seconds
    lock = store / "kvbm.lock"
    while lock.exists():
        with lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
        time.sleep(0.1)
    return True
