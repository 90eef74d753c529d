"""What is inside the binaries that a wheel carries, as a CycloneDX 1.6 document.

Only what is linked in statically or compiled in. Versions come from the tools and packages of this
machine and from Package.swift, so the document is true for binaries that were built here.
"""

import hashlib
import json
import re
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LIBRARY, COMMAND = "libkvbm.so", "bin/kvbm"
_NAMESPACE = uuid.UUID("6d0e2f3b-54f5-5a94-9a0e-5d3f1c5b7c11")
_SWIFT = "Apache-2.0 WITH Swift-exception"


@dataclass(frozen=True)
class Component:
    """One part: its SPDX licence, package URL, and the files that contain it.

    No version where a copy came inside something else, whose version then decides it.
    """

    name: str
    version: str | None
    license: str
    purl: str
    inside: tuple[str, ...] = (LIBRARY, COMMAND)


def _output(*command: str) -> str:
    """What a command prints; "" when it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def swift_version() -> str:
    """Of the compiler, whose runtime is linked in. Raises RuntimeError without one."""
    found = re.search(r"Swift version (\S+)", _output("swift", "--version"))
    if found is None:
        raise RuntimeError("swift --version says no version; is Swift in PATH?")
    return found[1]


def pinned(package: str) -> str:
    """The exact version that Package.swift asks for. Raises RuntimeError when it asks for none."""
    text = (ROOT / "Package.swift").read_text()
    found = re.search(rf'/{re.escape(package)}", exact: "([^"]+)"', text)
    if found is None:
        raise RuntimeError(f"Package.swift pins no exact version of {package}")
    return found[1]


def unlisted_pins() -> set[str]:
    """Packages of Package.swift that `components` does not know."""
    text = (ROOT / "Package.swift").read_text()
    urls = re.findall(r'\.package\(\s*url: "([^"]+)"', text)
    return {url.rsplit("/", 1)[-1] for url in urls} - {"swift-argument-parser"}


def system_package(debian: str, pkg_config: str) -> tuple[str, str]:
    """Version and package URL of a system library; by pkg-config where there is no dpkg.

    Raises RuntimeError when neither knows it.
    """
    version = _output("dpkg-query", "--showformat=${Version}", "--show", debian)
    if version:
        distribution = _output("sh", "-c", ". /etc/os-release; echo $ID-$VERSION_ID")
        qualifiers = f"?arch=amd64&distro={distribution}" if distribution else "?arch=amd64"
        vendor = distribution.split("-")[0] or "debian"
        return version, f"pkg:deb/{vendor}/{debian}@{version.replace('+', '%2B')}{qualifiers}"
    version = _output("pkg-config", "--modversion", pkg_config)
    if not version:
        raise RuntimeError(f"neither dpkg nor pkg-config knows a version of {debian}")
    return version, f"pkg:generic/{pkg_config}@{version}"


def components() -> list[Component]:
    """Everything of others that the two binaries contain. THIRD_PARTY_NOTICES.md has the texts."""
    swift, parser = swift_version(), pinned("swift-argument-parser")
    openssl, openssl_purl = system_package("libssl-dev", "libcrypto")
    xxhash, xxhash_purl = system_package("libxxhash-dev", "libxxhash")
    gcc = _output("gcc", "-dumpfullversion") or "unknown"
    toolchain = f"swift-{swift}-RELEASE"

    def apple(name: str, inside: tuple[str, ...]) -> Component:
        return Component(name, swift, _SWIFT, f"pkg:swift/github.com/{name}@{toolchain}", inside)

    command = (COMMAND,)
    return [
        apple("swiftlang/swift", (LIBRARY, COMMAND)),
        Component(
            name="LLVM support code, in swiftlang/swift",
            version=None,
            license="Apache-2.0 WITH LLVM-exception",
            purl="pkg:github/llvm/llvm-project",
        ),
        apple("swiftlang/swift-foundation", command),
        Component(
            name="apple/swift-collections, in swiftlang/swift-foundation",
            version=None,
            license=_SWIFT,
            purl="pkg:swift/github.com/apple/swift-collections",
            inside=command,
        ),
        apple("swiftlang/swift-experimental-string-processing", command),
        apple("swiftlang/swift-corelibs-libdispatch", command),
        Component(
            name="apple/swift-argument-parser",
            version=parser,
            license=_SWIFT,
            purl=f"pkg:swift/github.com/apple/swift-argument-parser@{parser}",
            inside=command,
        ),
        Component("OpenSSL libcrypto", openssl, "Apache-2.0", openssl_purl),
        Component("xxHash", xxhash, "BSD-2-Clause", xxhash_purl),
        Component(
            name="libgcc",
            version=gcc,
            license="GPL-3.0-or-later WITH GCC-exception-3.1",
            purl=f"pkg:generic/libgcc@{gcc}",
        ),
    ]


def _entry(component: Component) -> dict[str, Any]:
    version = {} if component.version is None else {"version": component.version}
    return {
        "type": "library",
        "bom-ref": component.purl,
        "name": component.name,
        **version,
        "licenses": [{"expression": component.license}],
        "purl": component.purl,
        "properties": [{"name": "kvbm:linkedInto", "value": file} for file in component.inside],
    }


def document(name: str, version: str, epoch: int, binaries: dict[str, bytes]) -> str:
    """The document as JSON text. Equal for equal inputs; `epoch` is its time in seconds.

    Raises RuntimeError when a version cannot be found or a package is not listed here.
    """
    if unlisted := unlisted_pins():
        raise RuntimeError(f"not in scripts/kvbm_sbom.py: {', '.join(sorted(unlisted))}")
    parts = components()
    reference = f"pkg:pypi/{name}@{version}"
    own = {
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "licenses": [{"expression": "Apache-2.0"}],
        "purl": reference,
    }
    files = [
        {
            "type": "file",
            "bom-ref": f"file:{path}",
            "name": path,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}],
        }
        for path, content in sorted(binaries.items())
    ]
    contents = [
        {"ref": file["bom-ref"], "dependsOn": [c.purl for c in parts if file["name"] in c.inside]}
        for file in files
    ]
    body: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch)),
            "component": own,
        },
        "components": [*files, *(_entry(part) for part in parts)],
        "dependencies": [
            {"ref": reference, "dependsOn": [file["bom-ref"] for file in files]},
            *contents,
        ],
    }
    canonical = json.dumps(body, sort_keys=True)
    body["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, canonical)}"
    return json.dumps(body, indent=2) + "\n"
