"""The wheel: what is in it, that it is true, and that it is the same every time."""

import base64
import csv
import hashlib
import io
import json
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT
from wheel_environment import TOOL_SECONDS, pack, packed

pytestmark = pytest.mark.wheel

TAG = "py3-none-manylinux_2_34_x86_64"
INFO = "swift_kvbm-0.1.0.dist-info"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return packed(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def files(wheel) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_same_tree_gives_the_same_bytes(wheel, tmp_path):
    again = Path(pack(tmp_path / "again").stdout.strip())
    assert again.read_bytes() == wheel.read_bytes()
    later = Path(pack(tmp_path / "later", SOURCE_DATE_EPOCH="1800000000").stdout.strip())
    assert later.read_bytes() != wheel.read_bytes()


def test_pip_builds_the_same_from_the_checkout(wheel, tmp_path):
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", "--quiet"]
    command = [*pip, "--disable-pip-version-check", "--wheel-dir", tmp_path, ROOT]
    subprocess.run(command, check=True, timeout=TOOL_SECONDS)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_every_file_is_recorded_with_its_hash_and_size(wheel, files):
    assert wheel.name == f"swift_kvbm-0.1.0-{TAG}.whl"
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(files[f"{INFO}/RECORD"].decode()))}
    assert rows.keys() == files.keys()
    assert rows.pop(f"{INFO}/RECORD") == ["", ""]
    for name, (digest, size) in rows.items():
        said = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
        assert [digest, size] == [f"sha256={said}", str(len(files[name]))], name
    assert f"Tag: {TAG}\n".encode() in files[f"{INFO}/WHEEL"]


def test_modes_are_those_of_files_and_of_one_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert all(stat.S_ISREG(mode) for mode in modes.values())
    executable = {name for name, mode in modes.items() if mode & 0o111}
    assert executable == {"swift_kvbm/bin/kvbm"}
    assert not any(mode & 0o022 for mode in modes.values())


def test_nothing_is_in_it_that_does_not_belong_there(files):
    allowed = re.compile(
        rf"swift_kvbm/(\w+/)*\w+\.py|swift_kvbm/(libkvbm\.so|bin/kvbm)|{re.escape(INFO)}/.+"
    )
    assert [name for name in files if not allowed.fullmatch(name)] == []
    places = [str(ROOT).encode(), str(Path.home()).encode() + b"/"]
    assert [n for n, content in files.items() if any(place in content for place in places)] == []


def test_the_sbom_names_what_is_linked_in_and_the_notices_have_it(files):
    sbom = json.loads(files[f"{INFO}/sboms/swift-kvbm.cdx.json"])
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    parts = {part["name"]: part for part in sbom["components"] if part["type"] == "library"}
    notices = files[f"{INFO}/licenses/THIRD_PARTY_NOTICES.md"].decode()
    for name, part in parts.items():
        # A row of the table begins with the name, or with a link of that name.
        row = re.search(rf"^\| \[?{re.escape(name.split(', in ')[0])}[\],: |]", notices, re.M)
        assert row is not None, f"{name} has no notice"
        assert part["licenses"][0]["expression"] and part["purl"].startswith("pkg:")
        assert part.get("version") or ", in " in name
    manifest = (ROOT / "Package.swift").read_text()
    pins = dict(re.findall(r'github\.com/([\w/-]+)", exact: "([\d.]+)"', manifest))
    assert pins and all(parts[name]["version"] == version for name, version in pins.items())
    described = {part["bom-ref"] for part in sbom["components"]}
    assert {ref for entry in sbom["dependencies"] for ref in entry["dependsOn"]} == described
    for part in sbom["components"]:
        if part["type"] == "file":
            content = files[f"swift_kvbm/{part['name']}"]
            assert part["hashes"][0]["content"] == hashlib.sha256(content).hexdigest()
            # ICU's data, libxml2 and curl say their names; the notices say they are not here. What
            # only opens curl, when there is a bucket, knows its name and not its version.
            inside = re.search(rb"Unicode, Inc|icudt\d|libxml2|libcurl/\d", content)
            assert not inside, part["name"]


def test_the_tag_is_what_auditwheel_proves(wheel, tmp_path):
    command = [ROOT / "scripts" / "wheel.sh", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * TOOL_SECONDS)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path / wheel.name}: " in done.stdout
    assert re.search(r"runs wherever manylinux_2_\d+_x86_64 does", done.stdout)
