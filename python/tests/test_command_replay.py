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


@pytest.mark.parametrize(
    ("text", "arguments", "code", "reason"),
    [
        ('{"hash_ids": [1]}\n{"hash_ids": 1}\n', [], 65, 'trace:2: "1" in column 14'),
        ("", [], 65, "has no blocks"),
        (None, [], 66, "No such file"),
        ('{"hash_ids": [1]}', ["--eviction", "none"], 64, "it must be best, all"),
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
