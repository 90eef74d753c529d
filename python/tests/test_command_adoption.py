"""`kvbm vllm-args`, `kvbm plan` and `kvbm doctor`: the first minutes with a machine and a model."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import models
import pytest
from facts_for_tests import facts
from harness.nodes import Node

from swift_kvbm import _native, geometry
from swift_kvbm.config import parse_settings
from swift_kvbm.geometry import Group, describe
from swift_kvbm.handles import Engine, NativeScheduler
from swift_kvbm.node import node_binary

# The tests' tiny Llama, as the connector describes it.
LLAMA = Group("full", 4, 32, 16, 2, "bfloat16", ("a", "b", "c", "d"))


def kvbm(
    *arguments: str, limit: Callable[[], None] | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [node_binary(), *arguments],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, **environment},
        preexec_fn=limit,
    )


# MARK: vllm-args


def test_the_line_is_taken_by_vllm_and_by_the_connector(binaries, tmp_path):
    from vllm.config import KVTransferConfig

    folder = str(tmp_path / "a:b \"c' $HOME")
    done = kvbm("vllm-args", "--host", "1.5GiB", "--disk", f"{folder}:2TB", "--weights-id", "v1")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    config = KVTransferConfig(**json.loads(done.stdout))
    assert config.kv_connector == "KVBMConnector"
    assert config.kv_connector_module_path == "swift_kvbm.vllm"
    assert config.kv_load_failure_policy == "recompute"
    settings = parse_settings(config.kv_connector_extra_config, {})
    assert settings.host_capacity_bytes == 3 * 2**29
    assert settings.disk_path == folder
    assert settings.disk_capacity_bytes == 2 * 10**12
    assert settings.weights_id == "v1"


def test_the_line_survives_the_shell(binaries, tmp_path):
    script = f"""
        set -- --kv-transfer-config "$('{node_binary()}' vllm-args --host 64MiB \\
            --disk '{tmp_path}/x y:1GiB')"
        printf '%s\\n' $# "$2"
    """
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60)
    count, line = done.stdout.splitlines()
    assert count == "2"
    extra = json.loads(line)["kv_connector_extra_config"]
    assert extra == {
        "host": {"capacity": "64MiB"},
        "disk": {"path": f"{tmp_path}/x y", "capacity": "1GiB"},
    }


def test_nothing_is_said_that_was_not_asked_for(binaries):
    done = kvbm("vllm-args")
    assert json.loads(done.stdout)["kv_connector_extra_config"] == {}
    assert done.stderr == ""


def test_a_running_node_stands_alone(binaries):
    done = kvbm("vllm-args", "--node", "unix:/run/kvbm.sock")
    extra = json.loads(done.stdout)["kv_connector_extra_config"]
    assert parse_settings(extra, {}).node_socket == "/run/kvbm.sock"


def test_auto_takes_half_of_what_is_free_and_says_so(binaries):
    done = kvbm("vllm-args", "--host", "auto")
    capacity = json.loads(done.stdout)["kv_connector_extra_config"]["host"]["capacity"]
    settings = parse_settings({"host": {"capacity": capacity}}, {})
    assert settings.host_capacity_bytes % (64 * 2**20) == 0
    meminfo = Path("/proc/meminfo").read_text()
    available = int(meminfo.split("MemAvailable:")[1].split()[0]) * 1024
    assert 0 < settings.host_capacity_bytes <= available / 2 + 2**30
    assert f"kvbm: --host auto takes {capacity}, half of the" in done.stderr


def test_a_relative_directory_is_made_absolute(binaries, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = kvbm("vllm-args", "--disk", "kv/:1GiB")
    disk = json.loads(done.stdout)["kv_connector_extra_config"]["disk"]
    assert disk["path"] == f"{tmp_path}/kv"
    assert not (tmp_path / "kv").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "20G"], '--host is "20G"; it must be "auto" or a size'),
        (["--host", "64KiB"], "at least 1 MiB"),
        (["--disk", "/tmp"], 'it must be DIR:SIZE, as in "/var/cache/kvbm:200GiB"'),
        (["--disk", "/tmp:200G"], 'which "200G" is not'),
        (["--disk", "/proc/version:1GiB"], "/proc/version is no directory"),
        (["--disk", "/proc/version/x:1GiB"], "/proc/version"),
        (["--node", "/run/x"], '"unix:" and an absolute path'),
        (["--node", "unix:/run/x", "--host", "1GiB"], "it must be alone"),
        (["--weights-id", ""], "a text that is not empty"),
    ],
)
def test_what_the_connector_would_refuse_is_refused_here(binaries, arguments, said):
    done = kvbm("vllm-args", *arguments)
    assert done.returncode == 64
    assert done.stdout == ""
    assert said in done.stderr


# MARK: plan


def _write_config(folder: Path, **keys: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(keys))
    return folder


@pytest.fixture
def llama(tmp_path) -> Path:
    common = {"hidden_size": 256, "max_position_embeddings": 16384}
    return _write_config(
        tmp_path / "llama",
        model_type="llama",
        dtype="bfloat16",
        **common,
        **models.MODELS["llama"][2],
    )


def test_a_block_weighs_what_the_connector_stores(binaries, llama):
    report = json.loads(kvbm("plan", "--model", str(llama), "--host", "1GiB", "--json").stdout)
    assert report["block_bytes"] == LLAMA.block_bytes
    assert report["token_bytes"] * 16 == LLAMA.block_bytes
    assert report["slot_bytes"] == LLAMA.block_bytes + report["header_bytes"]
    assert report["not_covered"] == []
    host = report["tiers"]["host"]
    assert host["blocks"] == 2**30 // report["slot_bytes"]
    assert host["conversations"] == host["blocks"] // (8192 // 16)
    assert report["measured_copy_bytes_per_second"] > 2**20


def test_a_node_makes_slots_of_the_planned_size(binaries, llama, tmp_path):
    node = Node(tmp_path / "node")
    engine = Engine(
        socket_path=node.socket,
        instance="plan",
        namespace=b'{"model":"plan"}',
        geometry=describe(facts()),
        worker_count=1,
        producer_engine="test",
        producer_device="",
        producer_attention="",
    )
    scheduler = NativeScheduler(_native.Library(_native.library_path()), engine)
    assert scheduler.attach(5000)[0] == 0
    tiers = json.loads(kvbm("status", "--socket", node.socket, "--json").stdout)["tiers"]
    scheduler.close(True)
    arguments = ("--model", str(llama), "--block-size", "32", "--json")
    report = json.loads(kvbm("plan", *arguments).stdout)
    assert [tier["slot_bytes"] for tier in tiers] == [report["slot_bytes"]]
    assert node.stop() == 0


@pytest.mark.parametrize("ranks", [1, 2, 32, 64])
def test_plan_and_connector_agree_on_ranks(binaries, tmp_path, ranks):
    folder = _write_config(tmp_path, hidden_size=2048, num_hidden_layers=2, num_attention_heads=64)
    report = json.loads(kvbm("plan", "--model", str(folder), "--tp", str(ranks), "--json").stdout)
    refused = geometry._engine_reasons(facts(tensor_parallel=ranks, worker_count=ranks))
    in_connector = [text for text in refused if text.startswith("tensor parallelism")]
    assert report["not_covered"] == in_connector


def test_people_get_a_table_and_what_groups_there_are(binaries, tmp_path):
    hybrid = _write_config(
        tmp_path / "gemma2",
        model_type="gemma2",
        dtype="bfloat16",
        hidden_size=256,
        **models.MODELS["gemma2"][2],
    )
    done = kvbm("plan", "--model", str(hybrid / "config.json"), "--disk", "1GiB")
    assert done.returncode == 0
    assert "2 KV heads of 64, bfloat16" in done.stdout
    assert "a window of 256 tokens: 2 layers" in done.stdout
    assert "not covered" not in done.stdout
    assert "an engine loads" in done.stdout
    for speed in ("1,000", "5,000", "20,000"):
        assert f"{speed} tokens/s" in done.stdout


def test_a_directory_is_measured_and_left_as_it_was(binaries, llama, tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    arguments = ("plan", "--model", str(llama), "--disk", f"{folder}:1GiB")
    report = json.loads(kvbm(*arguments, "--json").stdout)
    assert report["tiers"]["disk"]["capacity_bytes"] == 2**30
    text = kvbm(*arguments).stdout
    if "measured_disk_bytes_per_second" in report:
        assert "loading from disk wins while" in text
    else:
        assert "could not be measured" in text
    assert list(folder.iterdir()) == []


def test_one_prefill_speed_takes_the_place_of_the_table(binaries, llama):
    arguments = ("--model", str(llama), "--prefill-tokens-per-second", "8000", "--json")
    report = json.loads(kvbm("plan", *arguments).stdout)
    assert report["break_even"] == [
        {
            "bytes_per_second": 8000 * report["slot_bytes"] // 16,
            "prefill_tokens_per_second": 8000,
        }
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kv-dtype", "int3"], '--kv-dtype is "int3"; it must be auto, bfloat16'),
        (["--tp", "3"], '--tp is "3"; it must be a divisor'),
        (["--block-size", "0"], '--block-size is "0"; it must be 1 to'),
        (["--context", "0"], '--context is "0"'),
        (["--host", "20G"], "'20G' is invalid for '--host"),
        (["--disk", "20G"], '--disk is "20G"; it must be a size as in'),
        (["--disk", "/x:20G"], 'which "20G" is not'),
        (["--prefill-tokens-per-second", "0"], "--prefill-tokens-per-second is 0"),
    ],
)
def test_a_wrong_plan_is_refused_with_what_would_be_right(binaries, llama, arguments, said):
    done = kvbm("plan", "--model", str(llama), *arguments)
    assert done.returncode == 64
    assert said in done.stderr


def test_a_model_that_is_none_is_named(binaries, tmp_path):
    done = kvbm("plan", "--model", str(tmp_path / "none"))
    assert done.returncode == 64
    assert f"{tmp_path}/none: No such file" in done.stderr
    done = kvbm("plan", "--model", str(_write_config(tmp_path / "empty")))
    assert done.returncode == 64
    assert "empty/config.json: num_attention_heads is missing" in done.stderr


# MARK: doctor


@pytest.fixture
def interpreter(tmp_path) -> str:
    """Answers as an engine's Python would in which all is well, in no time."""
    report = {"python": "3.11.7", "vllm": "0.32.0", "tried": ["0.32.0"], "library": "0.1.0"}
    path = tmp_path / "python"
    line = "KVBM-DOCTOR " + json.dumps({**report, "connector": "/x/vllm.py"})
    path.write_text(f"#!/bin/sh\necho noise; echo '{line}'\n")
    path.chmod(0o700)
    return str(path)


def _levels(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {item["check"]: item["level"] for item in json.loads(done.stdout)["findings"]}


def test_a_machine_on_which_the_tests_run_is_healthy(binaries, interpreter, tmp_path):
    disk = tmp_path / "disk"
    done = kvbm("doctor", "--python", interpreter, "--disk", str(disk))
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert all(line.split()[0] in ("OK", "WARN") for line in lines[:-1])
    assert lines[-1].endswith("failures: 0")
    assert not disk.exists() and [p.name for p in tmp_path.iterdir()] == ["python"]


def test_the_engines_own_python_is_asked(binaries):
    """The real interpreter, vLLM and connector: what a user sees first."""
    done = kvbm("doctor", "--python", sys.executable, "--json")
    levels = _levels(done)
    assert levels["vLLM"] == levels["libkvbm.so"] == levels["connector"] == "OK", done.stdout
    assert json.loads(done.stdout)["is_healthy"] is (done.returncode == 0)


def test_limits_that_would_break_a_node_fail(binaries, interpreter):
    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))

    done = kvbm("doctor", "--python", interpreter, "--json", limit=lower)
    assert done.returncode == 1
    levels = _levels(done)
    assert levels["open files"] == levels["file size limit"] == "FAIL"
    remedies = [item.get("remedy") for item in json.loads(done.stdout)["findings"]]
    assert any(text and "ulimit -n" in text for text in remedies)


def test_a_directory_that_cannot_be_used_fails(binaries, interpreter):
    done = kvbm("doctor", "--python", interpreter, "--disk", "/proc/kvbm", "--json")
    assert done.returncode == 1
    assert _levels(done)["disk"] == "FAIL"


def test_memory_is_no_disk(binaries, interpreter):
    done = kvbm("doctor", "--python", interpreter, "--disk", "/dev/shm", "--json")
    assert _levels(done)["disk type"] == "WARN"


def test_a_node_that_was_named_has_to_answer(binaries, interpreter, tmp_path):
    arguments = ("doctor", "--python", interpreter, "--json", "--socket")
    done = kvbm(*arguments, str(tmp_path / "none"))
    assert done.returncode == 1
    assert _levels(done)["node"] == "FAIL"
    node = Node(tmp_path / "node")
    assert _levels(kvbm(*arguments, node.socket))["node"] == "OK"
    assert node.stop() == 0


def test_a_runtime_directory_that_is_open_is_named(binaries, interpreter, private_runtime):
    folder = private_runtime / "kvbm"
    folder.mkdir(mode=0o755, exist_ok=True)
    folder.chmod(0o755)
    done = kvbm("doctor", "--python", interpreter, "--json")
    assert _levels(done)["runtime directory"] == "WARN"
    folder.chmod(0o700)


def test_an_interpreter_that_is_none_fails_only_when_it_was_named(binaries, tmp_path):
    done = kvbm("doctor", "--python", str(tmp_path / "none"), "--json")
    assert done.returncode == 1
    assert _levels(done)["vLLM"] == "FAIL"
    done = kvbm("doctor", "--json", PATH=str(tmp_path))
    assert _levels(done)["vLLM"] == "WARN"


def test_an_interpreter_that_hangs_is_ended_with_all_that_it_started(binaries, tmp_path):
    path, child = tmp_path / "python", tmp_path / "child"
    path.write_text(f"#!/bin/sh\nsleep 60 & echo $! > {child}; wait\n")
    path.chmod(0o700)
    done = kvbm("doctor", "--python", str(path), "--python-timeout", "1", "--json")
    assert done.returncode == 1
    assert "did not answer in 1 s" in done.stdout
    status = Path(f"/proc/{child.read_text().strip()}/status")
    assert not status.exists() or "State:\tZ" in status.read_text()
    assert kvbm("doctor", "--python-timeout", "0").returncode == 64


def test_an_interpreter_that_crashes_is_no_answer(binaries, tmp_path):
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\nkill -9 $$\n")
    path.chmod(0o700)
    done = kvbm("doctor", "--python", str(path), "--json")
    assert done.returncode == 1
    assert "ended with 137" in done.stdout
