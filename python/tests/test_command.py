"""The `kvbm` command as people meet it: what it prints, refuses and ends with."""

import json
import os
import signal
import stat
import subprocess

import pytest
from harness.nodes import Node

from swift_kvbm.node import node_binary
from swift_kvbm.sizes import parse_size


def kvbm(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [node_binary(), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_the_version_is_said_for_people_and_for_programs(binaries):
    assert kvbm("version").stdout.startswith("kvbm 0.1.0\n")
    report = json.loads(kvbm("version", "--json").stdout)
    assert report == {"slot_format": 1, "version": "0.1.0", "wire_protocol": 5}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host-capacity", "20G"], "'20G' is invalid for '--host-capacity"),
        (["--host-capacity", "20G"], '"512MiB", "20GB" or a count of bytes'),
        (["--host-capacity", "64KiB"], 'host.capacity is "64 KiB"; it must be at least 1 MiB'),
        ([], "--host-capacity is missing"),
        (["--host-capacity", "1GiB", "--disk-path", "/x"], "--disk-path needs --disk-capacity"),
        (["--host-capacity", "1GiB", "--disk-capacity", "1GiB"], "--disk-capacity needs"),
        (["--host-capacity", "1GiB", "--hots-capacity", "1GiB"], "option '--hots-capacity'"),
        (["--host-capacity", "1GiB", "--linger", "-1"], "linger"),
        (["--host-capacity", "1GiB", "--host-eviction", "mru"], "leaf-first"),
        (["--host-capacity", "1GiB", "--disk-eviction", "lru"], "needs --disk-path"),
        (["--host-capacity", "1GiB", "--socket", "/" + "s" * 200], 'socket is "/sss'),
    ],
)
def test_a_wrong_setting_is_refused_with_what_would_be_right(binaries, tmp_path, arguments, said):
    if "--socket" not in arguments:
        arguments = [*arguments, "--socket", str(tmp_path / "s")]
    done = kvbm("serve", *arguments)
    assert done.returncode != 0
    assert said in done.stderr


def test_a_variable_is_named_when_it_is_wrong(binaries):
    done = kvbm("serve", KVBM_HOST_CAPACITY="lots")
    assert done.returncode != 0
    assert 'KVBM_HOST_CAPACITY is "lots"; it must be "auto" or a size' in done.stderr


def test_half_of_what_is_free_is_taken_by_one_rule(binaries, tmp_path):
    printed = json.loads(kvbm("vllm-args", "--host", "auto").stdout)
    expected = parse_size("host", printed["kv_connector_extra_config"]["host"]["capacity"])
    node = Node(tmp_path / "node", host_capacity="auto")
    status = json.loads(kvbm("status", "--socket", node.socket, "--json").stdout)
    taken = status["host_capacity_bytes"]
    # What is free moves between the two, on a machine where other things run.
    assert taken % 2**26 == 0 and expected / 2 < taken < expected * 2
    assert node.stop() == 0
    # The variable says the same, and a reserve that leaves nothing is named.
    refused = kvbm("serve", "--host-reserve", "1000TiB", KVBM_HOST_CAPACITY="auto")
    assert refused.returncode == 64 and '"auto" comes to nothing' in refused.stderr


def test_a_directory_that_cannot_be_written_is_refused_with_its_path(binaries, tmp_path):
    socket = str(tmp_path / "s")
    arguments = ["--host-capacity", "1GiB", "--disk-capacity", "1GiB", "--socket", socket]
    done = kvbm("serve", *arguments, "--disk-path", "/proc/kvbm")
    assert done.returncode == 73
    assert "disk.path: mkdir /proc/kvbm" in done.stderr


def test_one_directory_serves_one_node(binaries, tmp_path):
    node = Node(tmp_path / "first", disk=tmp_path / "disk")
    disk = ["--disk-path", str(tmp_path / "disk"), "--disk-capacity", "64MiB"]
    done = kvbm("serve", "--host-capacity", "8MiB", *disk, "--socket", str(tmp_path / "s"))
    assert done.returncode == 73
    assert f"in use by another process (pid {node.process.pid})" in done.stderr
    assert node.stop() == 0


def test_a_node_with_a_disk_ends_cleanly_on_sigterm(binaries, tmp_path):
    node = Node(tmp_path / "node", disk=tmp_path / "disk")
    assert node.stop() == 0
    assert node.log.read_text().rstrip().endswith("ended")
    assert not os.path.exists(node.socket)


def test_a_node_without_engines_ends_when_it_is_asked_to_go(binaries, tmp_path):
    node = Node(tmp_path / "node")
    node.process.send_signal(signal.SIGUSR1)
    assert node.process.wait(timeout=30) == 0
    assert not os.path.exists(node.socket)


def test_a_node_says_what_leaves_its_tiers(binaries, tmp_path):
    variables = {"KVBM_HOST_EVICTION": "forecast", "KVBM_DISK_EVICTION": "lru"}
    node = Node(tmp_path / "node", disk=tmp_path / "disk", environment=variables)
    status = node.status()
    assert (status["host_eviction"], status["disk_eviction"]) == ("forecast", "lru")
    said = kvbm("status", "--socket", node.socket).stdout
    assert "eviction: forecast" in said and "eviction: lru" in said
    assert node.stop() == 0


def test_a_wrong_policy_in_a_variable_is_named(binaries):
    done = kvbm("serve", "--host-capacity", "1GiB", KVBM_HOST_EVICTION="mru")
    assert done.returncode == 64
    assert 'KVBM_HOST_EVICTION is "mru"; it must be of lru, leaf-first' in done.stderr


def test_messages_can_be_json(binaries, tmp_path):
    command = [node_binary(), "serve", "--json", "--host-capacity", "8MiB"]
    command += ["--socket", str(tmp_path / "s")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        first = json.loads(process.stderr.readline())
        process.terminate()
        rest = [json.loads(line) for line in process.stderr]
    assert process.returncode == 0
    assert first["level"] == "INFO" and first["pid"] == process.pid
    assert rest[-1]["message"] == "ended"


def test_files_and_sockets_are_private(binaries, tmp_path):
    node = Node(tmp_path / "node", disk=tmp_path / "disk")
    # It listens before its store is open, and answers after.
    node.counters()
    for path in (node.socket, tmp_path / "disk" / "kvbm.lock", tmp_path / "disk"):
        assert stat.S_IMODE(os.stat(path).st_mode) & 0o077 == 0, path
    assert node.stop() == 0


def test_status_speaks_prometheus(binaries, tmp_path):
    from prometheus_client.parser import text_string_to_metric_families

    node = Node(tmp_path / "node", disk=tmp_path / "disk")
    shown = kvbm("status", "--socket", node.socket, "--prometheus").stdout
    families = {family.name: family for family in text_string_to_metric_families(shown)}
    assert families["kvbm_node_matches"].type == "counter"
    capacity = {s.labels["tier"]: s.value for s in families["kvbm_node_capacity_bytes"].samples}
    assert capacity == {"host": 8 * 2**20, "disk": 64 * 2**20}
    assert families["kvbm_node_degraded"].samples == []
    assert node.stop() == 0


def test_status_needs_a_node_and_says_so(binaries, tmp_path):
    done = kvbm("status", "--socket", str(tmp_path / "none"))
    assert done.returncode == 69
    assert f"no node listens at {tmp_path / 'none'}" in done.stderr


def test_inspect_and_verify_of_an_empty_store(binaries, tmp_path):
    node = Node(tmp_path / "node", disk=tmp_path / "disk")
    assert node.stop() == 0
    report = json.loads(kvbm("inspect", "--disk", str(tmp_path / "disk"), "--json").stdout)
    assert report["blocks"] == 0 and report["namespaces"] == []
    done = kvbm("verify", "--disk", str(tmp_path / "disk"))
    assert done.returncode == 0
    assert "0 blocks intact" in done.stdout


def test_what_is_no_store_is_not_verified(binaries, tmp_path):
    done = kvbm("verify", "--disk", str(tmp_path))
    assert done.returncode == 66
    assert "kvbm-store.json" in done.stderr
