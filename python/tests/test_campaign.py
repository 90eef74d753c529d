"""`kvbm campaign`: what it prints, how it ends, and that a writer is really killed."""

import json
import os
import subprocess

import pytest

from swift_kvbm.node import node_binary


def campaign(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [node_binary(), "campaign", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_a_killed_writer_loses_nothing_that_it_reported(binaries, tmp_path):
    done = campaign("kill", "--times", "12", "--directory", str(tmp_path), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["violations"]) == (0, [])
    assert 8 <= report["restarts"] <= 12
    assert report["blocks_served"] >= report["blocks_demanded"] > 50
    assert os.listdir(tmp_path) == []


def test_lost_power_loses_nothing_that_was_flushed(binaries, tmp_path):
    done = campaign("power", "--images", "40", "--directory", str(tmp_path), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["violations"], report["restarts"]) == (0, [], 40)
    assert report["blocks_demanded"] > 100 and report["slots_freed"] > 20
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("fault", ["reportEarly", "shortWrite"])
def test_a_planted_defect_is_found_and_told(binaries, fault):
    done = campaign("kill", "--times", "20", "--break", fault)
    assert done.returncode == 1
    assert "was durable and is missing" in done.stdout


def test_a_defect_that_is_not_found_is_no_success(binaries):
    assert campaign("power", "--images", "1", "--break", "trustHeader").returncode == 3


def test_defects_are_named_and_others_refused(binaries):
    names = [line.split(":")[0] for line in campaign("power", "--list-breaks").stdout.splitlines()]
    assert "noFlush" in names and "trustHeader" in names
    assert campaign("kill", "--break", "noFlush").returncode == 64
    assert campaign("kill", "--break", "none").returncode == 64
