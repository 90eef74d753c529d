"""Makes golden stores with the release of this checkout:  make_store.py RELEASE

`store-RELEASE.tar.xz` is what this release writes. `store-RELEASE-later.tar.xz` is the same as a
later release might have left it: slots with bits and a version that this one does not know, and a
marker with more members. Made once a release, and never again; needs libxxhash.
"""

import ctypes
import json
import struct
import sys
import tarfile
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from harness.nodes import Node  # noqa: E402

from golden.stored import SEQUENCES, Device  # noqa: E402

MAGIC = b"KVBMSLT1"
# By position in the sequence without a salt: what is changed, and the field's place and value.
LATER = {
    2: ("compatible_features", 20, 1),
    5: ("incompatible_features", 16, 1),
    6: ("format_version", 8, 2),
    7: ("codec", 164, 1),
}
MEBIBYTE = 2**20


def write(folder: Path) -> Path:
    """A store with both sequences, every block of which is on disk."""
    disk = folder / "disk"
    node = Node(folder, MEBIBYTE, disk, MEBIBYTE)
    device = Device(node.socket)
    for salt, tokens in SEQUENCES.items():
        device.store(salt, tokens)
    device.close()
    assert node.stop() == 0, node.log.read_text()
    return disk


def age(disk: Path) -> None:
    """Changes slots and the marker to what a later release might write."""
    marker = disk / "kvbm-store.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "later": {"x": [1, "2"]}}))
    xxhash = ctypes.CDLL("libxxhash.so.0")
    xxhash.XXH3_64bits.restype = ctypes.c_uint64
    xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    first = sorted_slots(disk)[0][3]
    for path, offset, position, chain in sorted_slots(disk):
        if chain != first or position not in LATER:
            continue
        _, place, value = LATER[position]
        with open(path, "r+b") as file:
            file.seek(offset)
            header = bytearray(file.read(4096))
            struct.pack_into("<H" if place == 164 else "<I", header, place, value)
            struct.pack_into("<Q", header, 504, 0)
            struct.pack_into("<Q", header, 504, xxhash.XXH3_64bits(bytes(header), len(header)))
            file.seek(offset)
            file.write(header)


def sorted_slots(disk: Path) -> list[tuple[Path, int, int, bytes]]:
    """(file, offset, position, first key of its sequence), as they were written."""
    found = []
    for path in (disk / "extents").glob("*.kvx"):
        size = int(path.name.split("-")[1])
        data = path.read_bytes()
        for offset in range(0, len(data), size):
            if data[offset : offset + 8] == MAGIC:
                (sequence,) = struct.unpack_from("<Q", data, offset + 40)
                key, parent = data[offset + 96 : offset + 112], data[offset + 112 : offset + 128]
                (position,) = struct.unpack_from("<I", data, offset + 128)
                found.append((sequence, path, offset, position, key, parent))
    found.sort(key=lambda slot: slot[0])
    heads: dict[bytes, bytes] = {}
    for _, _, _, position, key, parent in sorted(found, key=lambda slot: slot[3]):
        heads[key] = key if position == 0 else heads.get(parent, b"")
    return [(path, offset, position, heads[key]) for _, path, offset, position, key, _ in found]


def pack(disk: Path, target: Path) -> None:
    """The directory without its lock, in an archive that is the same for the same store."""
    with tarfile.open(target, "w:xz") as archive:
        for path in sorted(disk.rglob("*")):
            if path.is_file() and path.name != "kvbm.lock":
                entry = archive.gettarinfo(str(path), str(path.relative_to(disk)))
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = ""
                with open(path, "rb") as file:
                    archive.addfile(entry, file)


def main() -> None:
    """Writes both archives beside this file."""
    release = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        disk = write(Path(folder))
        here = Path(__file__).parent
        pack(disk, here / f"store-{release}.tar.xz")
        age(disk)
        pack(disk, here / f"store-{release}-later.tar.xz")


if __name__ == "__main__":
    main()
