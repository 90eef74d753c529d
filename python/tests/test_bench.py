"""`kvbm bench core`: what it prints, and what of it does not depend on the machine."""

import json
import subprocess

from swift_kvbm.node import node_binary


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [node_binary(), "bench", "core", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_pool_is_measured_beside_its_yardstick(binaries):
    done = bench("--blocks", "16384,24576", "--json")
    assert done.returncode == 0
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report["blocks"] for report in reports] == [16384, 24576]
    for report in reports:
        assert report["five_step_ns"] > 0 and report["baseline_unordered_map_ns"] > 0
        assert report["bytes_per_block"] <= 96
        assert report["bytes_allocated_after_open"] == 0
        assert report["missed_blocks"] == 0
        assert [match["length"] for match in report["match"]] == [8, 32, 128, 2048]
        assert {policy["name"] for policy in report["policies"]} >= {"lru", "leaf-first"}


def test_a_size_that_is_none_is_refused(binaries):
    assert bench("--blocks", "many").returncode == 64
    assert bench("--blocks", "12").returncode == 64
