"""`kvbm bench`: what it prints, and what of it does not depend on the machine."""

import json
import re
import subprocess
from pathlib import Path

import pytest

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
        assert report["missed_blocks"] == 0
        policies = report["policies"]
        assert {policy["name"] for policy in policies} == {"lru", "leaf-first", "forecast"}
        for policy in policies:
            assert policy["five_step_ns"] > 0 and policy["allocate_ns"] > 0
            assert policy["bytes_allocated_after_open"] == 0
            assert [match["length"] for match in policy["match"]] == [8, 32, 128, 2048]
        # The figures of the whole are those of the policy that nodes have.
        for key in ("five_step_ns", "ratio", "bytes_per_block"):
            assert report[key] == policies[0][key]


def test_a_block_takes_few_bytes_under_every_policy(binaries):
    report = json.loads(bench("--blocks", "131072", "--json").stdout)
    sizes = {policy["name"]: policy["bytes_per_block"] for policy in report["policies"]}
    assert max(sizes.values()) <= 96, sizes
    # The columns of keys, buckets, states and links are in it.
    assert min(sizes.values()) > 16 + 9 + 12 + 8, sizes


def test_a_size_that_is_none_is_refused(binaries):
    assert bench("--blocks", "many").returncode == 64
    assert bench("--blocks", "12").returncode == 64


def tiers(directory: Path, *parts: str) -> list[dict]:
    command = [node_binary(), "bench", "tiers", "--quick", "--json", "--directory", str(directory)]
    command += [word for part in parts for word in ("--part", part)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert list(directory.iterdir()) == []
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_copies_are_measured_beside_memcpy(binaries, tmp_path):
    rows = tiers(tmp_path, "copies")
    assert len({(row["path"], row["yardstick"]) for row in rows}) == len(rows) == 14
    for row in rows:
        # One turn of either, so that the ratio is that of the two figures beside it.
        assert row["gbps"] > 0 and row["yardstick_gbps"] > 0
        assert row["ratio"] == pytest.approx(row["gbps"] / row["yardstick_gbps"])
        assert row["path"].startswith(("G1 to G2", "G2 to G1"))
    assert {row["yardstick"] for row in rows} == {"memcpy", "a loop by hand, and XXH3"}


def test_what_a_disk_does_for_requests_is_measured_in_times(binaries, tmp_path):
    rows = tiers(tmp_path, "staging", "mixed", "scan")
    assert any("blocks of 64 KiB, checked" in row["path"] for row in rows)
    assert any("while writing, threads" in row["path"] for row in rows)
    assert any(re.match(r"scan of \d+ slots", row["path"]) for row in rows)
    assert any(row["yardstick"] == "a scan of the headers" for row in rows)
    for row in rows:
        assert row["milliseconds"] > 0 and row["yardstick_milliseconds"] > 0 and row["ratio"] > 0
        assert "gbps" not in row


def test_a_part_of_the_tiers_that_there_is_not_is_refused(binaries):
    command = [node_binary(), "bench", "tiers", "--part", "memory"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 64 and "staging" in done.stderr
