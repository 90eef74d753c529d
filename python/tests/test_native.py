"""The binding agrees with kvbm.h, to the byte; nothing escapes a hook."""

import ctypes
import re
import shutil
import subprocess

import pytest
from conftest import ROOT

from swift_kvbm import _native, log
from swift_kvbm.guard import guarded

HEADER = ROOT / "Sources" / "C" / "CKVBM" / "include" / "kvbm.h"
STRUCTURES = {
    "kvbm_group": _native.CGroup,
    "kvbm_engine_config": _native.CEngineConfig,
    "kvbm_state": _native.CState,
    "kvbm_request_identity": _native.CRequestIdentity,
    "kvbm_retention": _native.CRetention,
    "kvbm_match": _native.CMatch,
    "kvbm_layer": _native.CLayer,
    "kvbm_load_result": _native.CLoadResult,
}


def test_every_function_of_the_header_is_bound_with_as_many_arguments():
    text = re.sub(r"//.*", "", HEADER.read_text())
    text = re.sub(r"\(\*\w+\)\([^)]*\)", "function", text)
    declared = dict(re.findall(r"\b(kvbm_\w+)\(([^)]*)\)\s*;", text))
    assert set(declared) == set(_native._PROTOTYPES)
    for name, arguments in declared.items():
        count = 0 if arguments.strip() == "void" else arguments.count(",") + 1
        assert len(_native._PROTOTYPES[name][1]) == count, name


def test_codes_and_limits_are_those_of_the_header():
    text = HEADER.read_text()
    codes = {name: int(value) for name, value in re.findall(r"KVBM_(\w+) = (-?\d+)", text)}
    for name in ("OK", "UNAVAILABLE", "TIMEOUT", "SPACE"):
        assert getattr(_native, name) == codes[name]
    assert f"KVBM_ABI_VERSION {_native.ABI_VERSION}u" in text
    assert f"KVBM_GROUP_COUNT_MAX {_native.GROUP_COUNT_MAX}u" in text
    assert f"KVBM_RETENTION_COUNT_MAX {_native.RETENTION_COUNT_MAX}u" in text


def test_structures_have_the_compilers_layout(tmp_path):
    compiler = shutil.which("cc") or shutil.which("clang") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    lines = ['#include "kvbm.h"', "#include <stdio.h>", "int main(void) {"]
    for name, structure in STRUCTURES.items():
        lines.append(f'printf("%zu\\n", sizeof({name}));')
        for field in structure._fields_:
            lines.append(f'printf("%zu\\n", offsetof({name}, {field[0]}));')
    source, program = tmp_path / "layout.c", tmp_path / "layout"
    source.write_text("\n".join([*lines, "return 0; }"]))
    subprocess.run([compiler, "-I", HEADER.parent, source, "-o", program], check=True)
    found = [int(n) for n in subprocess.check_output([program], text=True).split()]
    expected = []
    for structure in STRUCTURES.values():
        expected.append(ctypes.sizeof(structure))
        expected += [getattr(structure, field[0]).offset for field in structure._fields_]
    assert found == expected


def test_a_library_that_is_none_is_an_os_error(tmp_path):
    path = tmp_path / "libkvbm.so"
    with pytest.raises(OSError):
        _native.Library(str(path))
    path.write_bytes(b"no library")
    with pytest.raises(OSError):
        _native.Library(str(path))
    with pytest.raises(OSError, match="not a usable libkvbm"):
        _native.Library("libc.so.6")


class Hook:
    @guarded((0, False))
    def constant(self):
        raise RuntimeError("inside")

    @guarded(lambda self, x: x + 1)
    def computed(self, x):
        raise KeyError(x)


def test_a_guarded_hook_answers_and_writes_once(caplog):
    log.LOGGER.propagate = True
    import logging

    logging.getLogger("vllm").propagate = True
    hook = Hook()
    with caplog.at_level("ERROR", logger="vllm.swift_kvbm"):
        assert hook.constant() == (0, False)
        assert hook.constant() == (0, False)
        assert hook.computed(4) == 5
    assert len([r for r in caplog.records if "constant" in r.getMessage()]) == 1
