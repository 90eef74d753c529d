"""Where this user's sockets live, and which socket belongs to which configuration."""

import hashlib
import os
import stat
from pathlib import Path

from swift_kvbm.config import Settings
from swift_kvbm.identity import canonical_json

# A Unix socket's path fits in 108 bytes; some room is left.
SOCKET_PATH_BYTES_MAX = 100


def socket_path(settings: Settings) -> str:
    """The socket of the node for these settings.

    Equal for a restarted engine, so that it finds its node warm. Raises OSError when the directory
    belongs to somebody else or cannot be made.
    """
    if settings.node_socket is not None:
        return settings.node_socket
    key = canonical_json({"node": settings.canonical(), "uid": os.getuid()})
    name = f"node-{hashlib.sha256(key).hexdigest()[:24]}.sock"
    base = os.environ.get("XDG_RUNTIME_DIR")
    candidates = [Path(base) / "kvbm"] if base and os.path.isdir(base) else []
    candidates.append(Path(f"/tmp/kvbm-{os.getuid()}"))
    for folder in candidates:
        path = folder / name
        if len(os.fsencode(path)) < SOCKET_PATH_BYTES_MAX:
            return str(private_directory(folder) / name)
    raise OSError("no directory with a path short enough for a socket")


def private_directory(folder: Path) -> Path:
    """Makes `folder` if needed and checks that only this user can enter it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise OSError(f"{folder} is not a directory of this user")
    if stat.S_IMODE(status.st_mode) & 0o077:
        os.chmod(folder, 0o700)
    return folder
