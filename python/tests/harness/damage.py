"""Ways in which a disk store goes wrong between two runs. Each takes the store's directory."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

SLOT_ALIGNMENT = 4096


def _extents(store: Path) -> list[Path]:
    found = sorted((store / "extents").glob("*.kvx"))
    assert found, "the store holds nothing that could be damaged"
    return found


def _change(path: Path, rng: random.Random, count: int, length: int, alignment: int) -> None:
    with open(path, "r+b") as file:
        size = path.stat().st_size
        for _ in range(count):
            place = rng.randrange(max(1, (size - length) // alignment)) * alignment
            file.seek(place)
            old = file.read(length)
            file.seek(place)
            file.write(bytes(byte ^ (1 << rng.randrange(8)) for byte in old))


def truncated(store: Path, rng: random.Random) -> None:
    """Every extent ends somewhere in its used part."""
    for path in _extents(store):
        with open(path, "r+b") as file:
            file.truncate(rng.randrange(1, max(2, path.stat().st_size // 8)))


def flipped(store: Path, rng: random.Random) -> None:
    """Single flipped bits everywhere."""
    for path in _extents(store):
        _change(path, rng, path.stat().st_size // 3000, 1, 1)


def flipped_headers(store: Path, rng: random.Random) -> None:
    """Flipped bits within the first bytes of pages."""
    for path in _extents(store):
        with open(path, "r+b") as file:
            for page in range(path.stat().st_size // SLOT_ALIGNMENT):
                if rng.random() < 0.5:
                    place = page * SLOT_ALIGNMENT + rng.randrange(520)
                    file.seek(place)
                    byte = file.read(1)[0]
                    file.seek(place)
                    file.write(bytes([byte ^ (1 << rng.randrange(8))]))


def torn(store: Path, rng: random.Random) -> None:
    """Pages that were never written: old zeros behind new headers."""
    for path in _extents(store):
        with open(path, "r+b") as file:
            for page in range(path.stat().st_size // SLOT_ALIGNMENT):
                if rng.random() < 0.4:
                    file.seek(page * SLOT_ALIGNMENT)
                    file.write(bytes(SLOT_ALIGNMENT))


def zeroed(store: Path, rng: random.Random) -> None:
    """The first half of every extent is zero."""
    for path in _extents(store):
        with open(path, "r+b") as file:
            file.write(bytes(path.stat().st_size // 2))


def moved(store: Path, rng: random.Random) -> None:
    """Pages at other pages' places: sound in themselves, and not what they should be."""
    for path in _extents(store):
        pages = path.stat().st_size // SLOT_ALIGNMENT
        with open(path, "r+b") as file:
            for _ in range(pages // 4):
                source, target = rng.randrange(pages), rng.randrange(pages)
                file.seek(source * SLOT_ALIGNMENT)
                page = file.read(SLOT_ALIGNMENT)
                file.seek(target * SLOT_ALIGNMENT)
                file.write(page)


def deleted(store: Path, rng: random.Random) -> None:
    """Some extents, the marker and the namespaces are gone."""
    for path in _extents(store)[::2]:
        path.unlink()
    (store / "kvbm-store.json").unlink()
    shutil.rmtree(store / "namespaces")


def foreign(store: Path, rng: random.Random) -> None:
    """Files that are not the store's, under its names and others, and links."""
    noise = rng.randbytes(300_000)
    for name in ("00000099-8192-16.kvx", "zzz-8192-16.kvx", "notes.txt", "00000001.kvx"):
        (store / "extents" / name).write_bytes(noise)
    (store / "extents" / "00000098-8192-16.kvx").symlink_to("/dev/zero")
    (store / "extents" / "00000097-8192-16.kvx").mkdir()
    (store / "kvbm-store.json").write_bytes(noise[:100])
    (store / "namespaces" / ("0" * 64 + ".json")).write_bytes(noise[:100])
    (store / "kvbm-probe").write_bytes(noise)
    for path in _extents(store)[:1]:
        if path.is_file():
            path.write_bytes(noise)


def emptied(store: Path, rng: random.Random) -> None:
    """Every file has no bytes."""
    for path in store.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    function.__name__: function
    for function in (
        *(truncated, flipped, flipped_headers, torn, zeroed, moved, deleted, foreign, emptied),
    )
}
