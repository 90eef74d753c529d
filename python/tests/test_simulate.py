"""`kvbm simulate`: what it prints, and how it ends."""

import json
import subprocess

import pytest
from conftest import full

from swift_kvbm.node import node_binary


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [node_binary(), "simulate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_clean_run_says_what_it_saw(binaries):
    done = simulate("--seed", "3", "--steps", "50000", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert (report["seed"], report["steps"], report["violations"]) == (3, 50000, 0)
    assert report["hits"] > 0 and report["recoveries"] > 0 and report["steps_per_second"] > 0
    # A kind of mishap that never happens would prove nothing.
    assert len(report["faults"]) > 15 and all(report["faults"].values())


def test_several_seeds_are_played_one_after_the_other(binaries):
    done = simulate("--seeds", "5..7", "--steps", "2000", "--json")
    assert [json.loads(line)["seed"] for line in done.stdout.splitlines()] == [5, 6, 7]


def test_equal_seeds_tell_equal_stories(binaries):
    stories = {simulate("--break", "reportSuccess", "--seed", "2").stdout for _ in range(2)}
    assert len(stories) == 1


def test_every_planted_bug_is_found_and_shrunk(binaries):
    names = [bug["name"] for bug in json.loads(simulate("--list-breaks", "--json").stdout)]
    assert len(names) >= 10
    # All of them are hunted by the Swift tests, on three seeds each.
    for name in names if full() else names[::8]:
        done = simulate("--seed", "1", "--break", name, "--json")
        report = json.loads(done.stdout)
        assert done.returncode == 1, name
        failure = report["failure"]
        assert failure["invariant"] and failure["trace"], name
        assert failure["shrunk_acts"] < failure["step"], name


@pytest.mark.parametrize("name", ["trustHost", "giveUpDisk"])
def test_a_bug_that_is_not_found_is_no_success(binaries, name):
    assert simulate("--steps", "10", "--break", name).returncode == 3


@pytest.mark.parametrize("wrong", [["--break", "none"], ["--seeds", "3..1"], ["--steps", "0"]])
def test_wrong_arguments_are_refused(binaries, wrong):
    assert simulate(*wrong).returncode == 64
