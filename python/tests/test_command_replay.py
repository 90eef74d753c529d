"""`kvbm replay`: its figures, its picture, and what it says of traces that cannot be read."""

import gzip
import json
import subprocess
import xml.etree.ElementTree
from pathlib import Path

import pytest

from swift_kvbm.node import node_binary

TRACE = (
    Path(__file__).resolve().parents[2]
    / "Tests/ReplayTests/Traces/mooncake_conversation_trace.jsonl.gz"
)


def replay(*arguments: str | Path) -> subprocess.CompletedProcess:
    """Runs the command on a trace."""
    return subprocess.run(
        [node_binary(), "replay", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_lru_has_the_published_hit_rate(binaries) -> None:
    done = replay(
        TRACE, "--format", "mooncake", "--host-blocks", "10000", "--eviction", "lru", "--json"
    )
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["requests"], row["blocks"], row["eviction"]) == (12_031, 288_500, "lru")
    assert row["hit_rate"] == 0.2116
    assert row["hit_blocks"] == 61_046
    assert row["optimal_hit_rate"] == 0.3664
    assert row["operations_per_second"] > 0


def test_several_policies_and_capacities_come_side_by_side_with_a_picture(
    binaries, tmp_path: Path
) -> None:
    trace = tmp_path / "tokens.gz"
    lines = [" ".join(str(round_ % 7 * 10 + token) for token in range(8)) for round_ in range(40)]
    trace.write_bytes(gzip.compress("\n".join(lines).encode()))
    picture = tmp_path / "rates.svg"
    common = [trace, "--format", "tokens", "--block-size", "4", "--host-blocks", "4,40"]
    done = replay(*common, "--eviction", "all", "--json", "--plot", picture)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["results"]
    policies = {row["eviction"] for row in rows}
    assert {"lru", "leaf-first", "forecast"} <= policies
    assert len(rows) == 2 * len(policies)
    assert all(row["blocks"] == 80 for row in rows)
    # Everything fits: all but the first time is a hit, whatever the policy.
    assert {row["hit_blocks"] for row in rows if row["host_blocks"] == 40} == {66}
    xml.etree.ElementTree.parse(picture)
    best = replay(*common, "--eviction", "best")
    assert best.returncode == 0
    assert len(best.stdout.splitlines()) == 3


def test_what_is_written_to_disk_is_played_on_the_engine(binaries) -> None:
    tiers = ["--host-blocks", "10000", "--disk-blocks", "10000", "--block-tokens", "512"]
    common = [TRACE, "--format", "mooncake", *tiers, "--disk-admission", "all,seen-twice"]
    done = replay(*common, "--json")
    assert done.returncode == 0, done.stderr
    everything, twice = json.loads(done.stdout)["results"]
    assert (everything["disk_admission"], twice["disk_admission"]) == ("all", "seen-twice")
    # A disk of the host tier's size that takes everything has nothing else.
    assert everything["disk_hit_blocks"] < 1_000 < 15_000 < twice["disk_hit_blocks"]
    assert twice["written_bytes"] * 4 < everything["written_bytes"]
    # Nobody says anything of a priority in that trace: all or nothing is above a threshold, but for
    # blocks whose parents have left, which no policy but "all" lets in.
    valued = replay(*common[:-1], "priority:50,priority:51", "--json")
    assert valued.returncode == 0, valued.stderr
    normal, above = json.loads(valued.stdout)["results"]
    assert 0.999 < normal["written_bytes"] / everything["written_bytes"] <= 1
    assert above["written_bytes"] == 0
    assert above["disk_admission"] == "priority:51"
    # What a day's budget pays for, of an hour's trace: a twenty-fourth.
    budget = replay(*common[:-1], "all", "--disk-write-budget", "100GiB", "--json")
    assert budget.returncode == 0, budget.stderr
    written = json.loads(budget.stdout)["written_bytes"]
    assert 4 * 2**30 * 9 // 10 < written <= 100 * 2**30 // 24 + 2**30


def test_what_comes_in_is_played_beside_what_leaves(binaries) -> None:
    common = [TRACE, "--format", "mooncake", "--host-blocks", "5000", "--eviction", "lru"]
    done = replay(*common, "--admission", "all,seen-twice", "--json")
    assert done.returncode == 0, done.stderr
    everything, twice = json.loads(done.stdout)["results"]
    assert (everything["admission"], twice["admission"]) == ("all", "seen-twice")
    # All but what was hit is stored, and of what came once nothing.
    assert everything["stored_blocks"] == 288_500 - everything["hit_blocks"]
    assert (twice["hit_blocks"], twice["stored_blocks"]) == (47_773, 57_937)


def test_what_requests_call_their_blocks_worth_is_played(binaries, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text(
        "".join(
            f'{{"timestamp":{time},{said}"keys":["{name * 32}"]}}\n'
            for time, said, name in [
                (1, "", "1"),
                (2, '"priority":80,', "2"),
                (3, "", "1"),
                (4, '"priority":80,', "2"),
            ]
        )
    )
    common = [str(trace), "--format", "keys", "--host-blocks", "10", "--admission", "priority:60"]
    for way in ([], ["--through", "engine"]):
        done = replay(*common, *way, "--json")
        assert done.returncode == 0, done.stderr
        row = json.loads(done.stdout)
        assert row.get("hit_blocks", row.get("host_hit_blocks")) == 1, way


@pytest.mark.parametrize(
    ("text", "arguments", "code", "reason"),
    [
        ('{"hash_ids": [1]}\n{"hash_ids": 1}\n', [], 65, 'trace:2: "1" in column 14'),
        ("", [], 65, "has no blocks"),
        (None, [], 66, "No such file"),
        ('{"hash_ids": [1]}', ["--eviction", "none"], 64, "it must be best, all"),
        ('{"hash_ids": [1]}', ["--admission", "none"], 64, "it must be of all, seen-twice"),
        (
            '{"hash_ids": [1]}',
            ["--admission", "tinylfu", "--through", "engine"],
            64,
            "tinylfu is no policy of a node",
        ),
        ('{"hash_ids": [1]}', ["--plot", "/nowhere/rates.svg"], 73, "/nowhere/rates.svg"),
    ],
)
def test_what_is_wrong_is_named(
    binaries, tmp_path: Path, text: str | None, arguments: list[str], code: int, reason: str
) -> None:
    trace = tmp_path / "trace"
    if text is not None:
        trace.write_text(text)
    done = replay(trace, "--format", "mooncake", "--host-blocks", "3", *arguments)
    assert done.returncode == code
    assert reason in done.stderr


def test_the_engine_over_tiers_has_the_hits_of_the_pool_and_more_from_disk(binaries) -> None:
    common = [TRACE, "--format", "mooncake", "--host-blocks", "1000", "--block-tokens", "512"]
    done = replay(*common, "--disk-blocks", "0,50000", "--eviction", "lru,leaf-first", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["results"]
    assert [(row["disk_blocks"], row["eviction"]) for row in rows] == [
        *((0, "lru"), (0, "leaf-first"), (50_000, "lru"), (50_000, "leaf-first"))
    ]
    for row in rows:
        assert (row["requests"], row["prompt_blocks"]) == (12_031, 288_500)
        assert row["served"]["mean_seconds"] < row["recomputed"]["mean_seconds"]
        hits = row["host_hit_blocks"] + row["disk_hit_blocks"]
        assert row["loaded_bytes"] == hits * 2 * 2**20
        # 512 tokens a block, 5,000 of them a second.
        assert abs(row["prefill_saved_seconds"] - hits * 512 / 5000) < 0.01
        if row["disk_blocks"]:
            # Nearly all that a single tier of this size would have.
            assert 0.33 < row["hit_rate"] < 0.36
            assert row["written_bytes_per_day"] > row["written_bytes"] > 0
        else:
            assert abs(row["hit_rate"] - 0.0445) < 0.001
            assert row["read_bytes"] == row["written_bytes"] == 0
    table = replay(*common, "--through", "engine")
    assert table.returncode == 0, table.stderr
    lines = table.stdout.splitlines()
    assert len(lines) == 3 and lines[2].startswith("computed whole")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--host-speed", "1GB/s"], "--host-speed is for --through engine"),
        (["--through", "pool", "--disk-blocks", "4"], "--disk-blocks is for --through engine"),
        (["--disk-blocks", "4,-1"], "--disk-blocks 4,-1 must be numbers from 0"),
        (
            ["--disk-blocks", "4", "--disk-speed", "fast"],
            "--disk-speed fast must be bytes a second",
        ),
        (["--disk-blocks", "4", "--prefill-speed", "0"], "--prefill-speed 0 must be tokens"),
        (["--prefill-context", "1000"], "--prefill-context is for --through engine"),
        (["--disk-blocks", "4", "--prefill-context", "0"], "--prefill-context 0.0 must be tokens"),
        (["--disk-blocks", "4", "--block-bytes", "2GiB"], "--block-bytes 2GiB must be a size"),
        (["--disk-blocks", "4", "--eviction", "s3-fifo"], "s3-fifo is no policy of a node"),
        (["--disk-blocks", "4", "--plot", "/tmp/x.svg"], "--plot draws hit rates of a pool"),
    ],
)
def test_what_tiers_cannot_be_is_named(
    binaries, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    trace = tmp_path / "trace"
    trace.write_text('{"hash_ids": [1]}')
    done = replay(trace, "--format", "mooncake", "--host-blocks", "3", *arguments)
    assert done.returncode == 64
    assert reason in done.stderr
