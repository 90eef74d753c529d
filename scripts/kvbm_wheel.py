"""Packs the wheel, and is the build backend that pyproject.toml names: `pip install .` works too.

    python scripts/kvbm_wheel.py DIRECTORY

A wheel here is Python files, two binaries that scripts/build.sh made, and metadata. Equal inputs
give equal bytes: entries are sorted, modes fixed, and times those of SOURCE_DATE_EPOCH or of the
last commit.
"""

import base64
import csv
import hashlib
import io
import os
import re
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import kvbm_sbom  # noqa: E402 - beside this file, however it was started

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pip brings the same under its old name
    import tomli as tomllib

ROOT = kvbm_sbom.ROOT
PACKAGE = ROOT / "python" / "swift_kvbm"
# scripts/check_binary.sh holds the binaries to it before anything is packed.
TAG = "py3-none-manylinux_2_34_x86_64"
BINARIES = {kvbm_sbom.LIBRARY: "library", kvbm_sbom.COMMAND: "command"}
# The first moment that a zip file can name.
_EPOCH_MIN = 315532800


class UnsupportedOperation(Exception):
    """A hook of build backends that is not offered here."""


def project() -> dict[str, Any]:
    """pyproject.toml's [project]. Raises RuntimeError when the package says another version."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = re.search(r'^__version__ = "(.*)"$', (PACKAGE / "__init__.py").read_text(), re.M)
    if said is None or said[1] != table["version"]:
        raise RuntimeError(f"pyproject.toml says {table['version']}, swift_kvbm/__init__.py not")
    return table


def source_epoch() -> int:
    """The time that everything in the wheel gets, in seconds since 1970."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        command = ["git", "log", "-1", "--format=%ct"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
            text = done.stdout.strip()
        except FileNotFoundError:
            text = ""
    return max(int(text or 0), _EPOCH_MIN)


def metadata(table: dict[str, Any]) -> str:
    """METADATA, version 2.4, for the keys that pyproject.toml here has."""
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {table['name']}",
        f"Version: {table['version']}",
        f"Summary: {table['description']}",
        f"License-Expression: {table['license']}",
        *(f"License-File: {name}" for name in table["license-files"]),
        f"Requires-Python: {table['requires-python']}",
        *(f"Requires-Dist: {text}" for text in table["dependencies"]),
    ]
    for extra, requirements in table["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {text} ; extra == "{extra}"' for text in requirements]
    lines.append("Description-Content-Type: text/markdown")
    return "\n".join(lines) + "\n\n" + (ROOT / table["readme"]).read_text()


def entry_points(table: dict[str, Any]) -> str:
    """entry_points.txt: the command, and vLLM's plug-in."""
    groups = {"console_scripts": table["scripts"], **table["entry-points"]}
    sections = [
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())])
        for group, entries in groups.items()
    ]
    return "\n\n".join(sections) + "\n"


def checked_binaries() -> dict[str, bytes]:
    """The built files by their path in the package. Raises RuntimeError when one is not fit."""
    for name, kind in BINARIES.items():
        if not (PACKAGE / name).is_file():
            raise RuntimeError(f"{PACKAGE / name} is not built; run `make build` first")
        command = [ROOT / "scripts" / "check_binary.sh", kind, PACKAGE / name, "wheel"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip() or f"{command[0]} failed")
    return {name: (PACKAGE / name).read_bytes() for name in BINARIES}


def package_files() -> dict[str, bytes]:
    """What users import and run, by its path in the wheel."""
    sources = {
        path.relative_to(PACKAGE).as_posix(): path.read_bytes()
        for path in PACKAGE.rglob("*.py")
        if "__pycache__" not in path.parts
    }
    files = {**sources, **checked_binaries()}
    return {f"{PACKAGE.name}/{name}": content for name, content in files.items()}


def info_files(table: dict[str, Any], epoch: int, package: dict[str, bytes]) -> dict[str, bytes]:
    """The *.dist-info folder without RECORD, by path in the wheel."""
    binaries = {name: package[f"{PACKAGE.name}/{name}"] for name in BINARIES}
    texts = {
        "METADATA": metadata(table),
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: {Path(__file__).name} {table['version']}\n"
        f"Root-Is-Purelib: false\nTag: {TAG}\n",
        "entry_points.txt": entry_points(table),
        "top_level.txt": f"{PACKAGE.name}\n",
        "sboms/swift-kvbm.cdx.json": kvbm_sbom.document(
            table["name"], table["version"], epoch, binaries
        ),
    }
    for name in table["license-files"]:
        texts[f"licenses/{name}"] = (ROOT / name).read_text()
    folder = f"{stem(table)}.dist-info"
    return {f"{folder}/{name}": text.encode() for name, text in texts.items()}


def stem(table: dict[str, Any]) -> str:
    """Name and version as file names have them."""
    return f"{table['name'].replace('-', '_')}-{table['version']}"


def record(files: dict[str, bytes], path: str) -> bytes:
    """RECORD: every file with its hash and size, and RECORD itself with neither."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name, content in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
        writer.writerow([name, f"sha256={digest.decode()}", len(content)])
    writer.writerow([path, "", ""])
    return text.getvalue().encode()


def pack(directory: Path) -> Path:
    """Writes the wheel into `directory`, in one step; its path.

    Raises RuntimeError when something is missing or a binary does not hold what TAG promises.
    """
    table, epoch = project(), source_epoch()
    package = package_files()
    info = info_files(table, epoch, package)
    # The metadata last: so readers find it without reading the rest.
    files = {**dict(sorted(package.items())), **dict(sorted(info.items()))}
    record_path = f"{stem(table)}.dist-info/RECORD"
    files[record_path] = record(files, record_path)
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{stem(table)}-{TAG}.whl"
    partial = target.with_suffix(".new")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, time.gmtime(epoch)[:6])
            mode = 0o755 if name == f"{PACKAGE.name}/{kvbm_sbom.COMMAND}" else 0o644
            entry.external_attr = (stat.S_IFREG | mode) << 16
            entry.create_system = 3  # Unix, whatever this runs on: the modes mean something
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    partial.replace(target)
    return target


# MARK: PEP 517


def build_wheel(
    wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None
) -> str:
    """The hook that pip calls; the wheel's file name."""
    return pack(Path(wheel_directory)).name


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    """None: a source archive could not be built without Swift, which no installer brings."""
    raise UnsupportedOperation("swift-kvbm is built from a checkout, by `make wheel`")


def main() -> int:
    """The command line."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        print(pack(Path(sys.argv[1])))
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
