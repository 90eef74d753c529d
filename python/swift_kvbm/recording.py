"""Writes down which blocks requests needed, by their keys and never by their tokens.

A line of JSON for each request, when it ends; `kvbm replay FILE --format keys` plays it. A thread
of its own writes, so that no engine waits for a disk. What cannot be written ends the recording
with one warning, and costs nothing else.
"""

import contextlib
import errno
import fcntl
import gzip
import logging
import os
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from swift_kvbm._native import KEY_BYTES
from swift_kvbm.log import LOGGER, once
from swift_kvbm.retention import PRIORITY_NORMAL
from swift_kvbm.sizes import format_size

# Lines wait this long at most until they are written.
FLUSH_SECONDS = 2.0
# What waits beyond this is dropped: a disk that stands still must not fill the memory.
_WAITING_BYTES_MAX = 64 * 2**20
_BATCH_LINES_MAX = 256
_CLOSE_SECONDS_MAX = 5.0
# Files beside one another when so many engines record to one path.
_FILES_MAX = 64
_PACKED_MAGIC = b"\x1f\x8b"
_PLAIN_MAGIC = b'{"timestamp":'


@dataclass(frozen=True)
class Entry:
    """A request at its end: the keys of its full blocks, and where those of its prompt were."""

    # Seconds since 1970.
    arrival: float
    # 16 bytes a block: the prompt's, then what was generated.
    keys: bytes
    prompt_blocks: int
    # At its first step: in vLLM's own cache; loaded behind them. The others were computed.
    device_blocks: int
    loaded_blocks: int
    # What it called all of its blocks worth, 0 to 100.
    priority: int = PRIORITY_NORMAL

    def line(self) -> bytes:
        """The line that `kvbm replay` reads."""
        keys = self.keys.hex(",", -KEY_BYTES).replace(",", '","')
        priority = "" if self.priority == PRIORITY_NORMAL else f'"priority":{self.priority},'
        return (
            f'{{"timestamp":{self.arrival * 1000:.3f},"prompt_blocks":{self.prompt_blocks},'
            f'"device_blocks":{self.device_blocks},"loaded_blocks":{self.loaded_blocks},'
            f'{priority}"keys":["{keys}"]}}\n'
        ).encode()


class Recorder:
    """A recording that is open. `add` is for the scheduling thread; it never waits for the file."""

    def __init__(self, path: str, limit_bytes: int) -> None:
        """Opens the file, or a numbered one beside it when another engine writes there.

        Raises OSError when there is none that can be written.
        """
        self.path, self._file = _open(Path(path))
        self._packs = self.path.suffix == ".gz"
        self._limit_bytes = limit_bytes
        self._size = os.fstat(self._file).st_size
        self._waiting: deque[Entry] = deque()
        self._waiting_bytes = 0
        self._closing = False
        self._failed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="kvbm-record", daemon=True)
        self._thread.start()

    def add(self, entry: Entry) -> None:
        """Has a request written down. Costs some microseconds."""
        if not entry.keys:
            return
        with self._changed:
            if self._failed or self._closing:
                return
            if self._waiting_bytes + len(entry.keys) > _WAITING_BYTES_MAX:
                once(
                    ("record", "behind"),
                    logging.WARNING,
                    "KVBM: %s is written too slowly; requests are left out of the recording",
                    self.path,
                )
                return
            self._waiting.append(entry)
            self._waiting_bytes += len(entry.keys)
            if len(self._waiting) >= _BATCH_LINES_MAX:
                self._changed.notify()

    def close(self) -> None:
        """Writes what waits, and closes the file; a disk that stands still is left alone."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_CLOSE_SECONDS_MAX)
        if self._thread.is_alive():
            LOGGER.warning("KVBM: the end of the recording %s could not be written", self.path)

    # MARK: The thread

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._closing and len(self._waiting) < _BATCH_LINES_MAX:
                    self._changed.wait(FLUSH_SECONDS)
                batch = [
                    self._waiting.popleft()
                    for _ in range(min(len(self._waiting), _BATCH_LINES_MAX))
                ]
                self._waiting_bytes -= sum(len(entry.keys) for entry in batch)
                is_last = self._closing and not batch
            if is_last or not self._write(batch):
                os.close(self._file)
                return

    def _write(self, batch: list[Entry]) -> bool:
        """Appends lines; False when the recording is over."""
        if not batch:
            return True
        data = b"".join(entry.line() for entry in batch)
        if self._packs:
            # A member for each batch: what was written can be read, however the engine ends.
            data = gzip.compress(data, compresslevel=6)
        if self._size + len(data) > self._limit_bytes:
            return self._end("has its full size of %s", format_size(self._limit_bytes))
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, memoryview(data)[written:])
        except OSError as error:
            # Half a line would spoil the recording. Nobody else writes to this file.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            return self._end("cannot be written (%s)", error.strerror)
        self._size += len(data)
        return True

    def _end(self, reason: str, argument: object) -> bool:
        with self._changed:
            self._failed = True
            self._waiting.clear()
        LOGGER.warning(
            "KVBM: the recording %s " + reason + "; nothing more is recorded", self.path, argument
        )
        return False


def _open(path: Path) -> tuple[Path, int]:
    """The first of `name`, `name.1`, ... that no other engine writes to, opened to append."""
    stem, dot, endings = path.name.partition(".")
    for number in range(_FILES_MAX):
        place = path.with_name(f"{stem}.{number}{dot}{endings}") if number else path
        file = os.open(place, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _check(place, file)
        except OSError as error:
            os.close(file)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            continue
        return place, file
    raise OSError(errno.EBUSY, f"{_FILES_MAX} engines record there already", str(path))


def _check(path: Path, file: int) -> None:
    """Raises OSError for a file that is no recording: nothing is to be added to it."""
    magic = _PACKED_MAGIC if path.suffix == ".gz" else _PLAIN_MAGIC
    start = os.pread(file, len(magic), 0)
    if start and start != magic:
        raise OSError(errno.EEXIST, "it exists and is no recording", str(path))
