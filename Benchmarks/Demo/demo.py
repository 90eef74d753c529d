"""`make demo`: the real vLLM engine without swift-kvbm, with it, and with it after a restart.

Plays one multi-turn workload on a device cache that is a quarter of its working set, each engine in
a process of its own; compares times, sources and outputs; spoils one byte of the disk store and
shows that it is caught. Exits with 0 only if every claim held.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from Benchmarks.common.environment import BLOCK_TOKENS, PRESSURE, ROOT
from Benchmarks.common.node import COMMAND
from Benchmarks.common.scenes import SCENES, Scene
from Benchmarks.Demo import report, store
from Benchmarks.Demo.engines import Engines

# Seconds for a node to write what it still holds and to end, after its engine has.
NODE_END_SECONDS = 60
# What pass 1 must be below recompute, from host memory and from a warm disk.
HOST_FACTOR, DISK_FACTOR = 5.0, 3.0


class Demo:
    """The play, in acts; each act is one engine process."""

    def __init__(self, scene: Scene, engines: Engines) -> None:
        self.scene = scene
        self.engines = engines
        self.rows: list[report.Row] = []
        self.claims: list[tuple[bool, str]] = []
        self.reference: dict = {}

    def claim(self, holds: bool, text: str) -> None:
        """Notes something that the demo shows, or failed to show."""
        self.claims.append((holds, text))

    def add(self, title: str, played: dict) -> report.Row:
        """Turns a pass into a row; its outputs must be the reference's."""
        row = report.row(title, played, self.reference, BLOCK_TOKENS)
        self.rows.append(row)
        near = row.logprob_difference <= self.scene.logprob_tolerance
        same = not row.different or not self.scene.tokens_comparable
        self.claim(
            near and same,
            f"{title}: outputs as recomputed ({row.requests - row.different} of {row.requests} "
            f"token for token, first log probabilities within {row.logprob_difference:.6f})",
        )
        return row

    def claim_factor(self, where: str, row: report.Row, least: float) -> None:
        """The pass must be `least` times below recompute."""
        factor = row.faster_than(self.rows[0])
        text = f"TTFT p50 {where} is {factor:.1f}x below recompute (at least {least:.0f}x)"
        self.claim(factor >= least, text)

    def end_node(self) -> None:
        """Waits until the node of the last engine has written everything and ended."""
        if not store.wait_until_free(self.engines.store, NODE_END_SECONDS):
            sys.exit(f"a node holds {self.engines.store} {NODE_END_SECONDS} s after its engine")

    def verify(self) -> subprocess.CompletedProcess:
        """`kvbm verify` on the store, shown as a user would see it."""
        arguments = ["verify", "--disk", str(self.engines.store)]
        done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False)
        print(f"  $ kvbm {' '.join(arguments)}")
        for line in (done.stdout + done.stderr).strip().splitlines()[-6:]:
            print(f"  {line.split(chr(13))[-1]}")
        print(f"  exit code {done.returncode}", flush=True)
        return done

    def without_kvbm(self, with_vllm_cache: bool) -> None:
        """Everything computed; then vLLM's own prefix cache."""
        act("1", "without swift-kvbm: every prompt is computed")
        self.reference = self.engines.play("recompute", ["pass 0"], cache=False, kvbm=False)[0]
        self.add("recompute, no cache", self.reference)
        if with_vllm_cache:
            act("1b", "vLLM's own prefix cache, a quarter of the working set")
            passes = self.engines.play("vllm-cache", ["pass 0", "pass 1"], cache=True, kvbm=False)
            self.add("vLLM prefix cache alone", passes[1])

    def with_kvbm(self) -> None:
        """Two passes on one engine, then one on a new engine and a new node."""
        act("2", "with swift-kvbm: the same device cache, host memory and disk behind it")
        passes = self.engines.play("kvbm", ["pass 0", "pass 1"], cache=True, kvbm=True)
        self.add("swift-kvbm, pass 0", passes[0])
        self.claim_factor(
            "from host memory", self.add("swift-kvbm, pass 1", passes[1]), HOST_FACTOR
        )

        act("3", "engine and node stopped and started: host memory empty, disk warm")
        self.end_node()
        self.claim(self.verify().returncode == 0, "kvbm verify finds the store clean")
        played = self.engines.play("restarted", ["pass 1"], cache=True, kvbm=True)[0]
        row = self.add("swift-kvbm, restarted", played)
        self.claim_factor("after the restart", row, DISK_FACTOR)
        self.claim(row.tokens["disk"] > 0, f"{row.tokens['disk']:,} prompt tokens came from disk")

    def damage(self) -> None:
        """One byte of one used block is inverted; it must be found, and must not be used."""
        act("4", "one flipped byte on disk")
        self.end_node()
        # In the middle of a system prompt: many requests need it, and no warm-up is so long.
        position = self.scene.workload.prefix_tokens // BLOCK_TOKENS // 2
        slots = store.used_slots(self.engines.store)
        slot = next((s for s in slots if s.position == position), None)
        if slot is None:
            self.claim(False, f"a block of position {position} is in the store")
            return
        offset = store.flip_byte(slot)
        print(f"  byte {offset:,} of {slot.path.name} inverted: slot {slot.index}, its payload")
        found = self.verify()
        output = found.stdout + found.stderr
        named = slot.path.name in output and str(slot.index) in output
        self.claim(found.returncode == 1 and named, "kvbm verify exits with 1 and names the slot")
        played = self.engines.play("damaged", ["pass 1"], cache=True, kvbm=True)[0]
        self.add("swift-kvbm, damaged disk", played)
        caught = played["counters"].get("corrupt_copies", 0)
        self.claim(caught > 0, f"the engine's node met the damage and dropped it ({caught} copy)")
        self.end_node()

    def finish(self) -> int:
        """Table, picture, claims, and what a user would type; returns the exit code."""
        act("5", "the result")
        print(report.table(self.rows))
        picture = self.engines.directory / "demo.png"
        tokens = self.scene.workload.working_set_tokens
        report.draw(
            self.rows,
            picture,
            f"{self.engines.model} (random weights), vLLM on a CPU, {self.rows[0].requests} "
            f"requests a pass, working set {tokens:,} tokens, device cache 1/{PRESSURE:.0f} of it",
        )
        rows = [asdict(row) for row in self.rows]
        (self.engines.directory / "rows.json").write_text(json.dumps(rows, indent=1))
        print(f"\npicture: {picture}\n")
        for holds, text in self.claims:
            print(f"  {'ok    ' if holds else 'FAILED'}  {text}")
        config = self.engines.connector_config()
        config["kv_connector_extra_config"] = {
            "host": {"capacity": "20GiB"},
            "disk": {"path": "/var/cache/kvbm", "capacity": "200GiB"},
        }
        print("\nOn your own model:\n")
        print(f"  PYTHONPATH={ROOT / 'python'} vllm serve MODEL \\")
        print(f"    --kv-transfer-config '{json.dumps(config, separators=(',', ':'))}'\n")
        return 0 if all(holds for holds, _ in self.claims) else 1

    def run(self, with_vllm_cache: bool) -> int:
        """All acts in order."""
        w = self.scene.workload
        blocks = self.engines.device_blocks
        share = 100 * blocks * BLOCK_TOKENS / w.working_set_tokens
        print(
            f"{w.conversations} conversations of {w.turns} turns with {w.groups} system prompts of "
            f"{w.prefix_tokens} tokens: {w.working_set_tokens:,} tokens of KV.\n"
            f"Device cache: {blocks} blocks of {BLOCK_TOKENS} tokens, {share:.0f} % of that."
        )
        self.without_kvbm(with_vllm_cache)
        self.with_kvbm()
        self.damage()
        return self.finish()


def act(number: str, title: str) -> None:
    """A heading of the play."""
    print(f"\n{number}. {title}", flush=True)


def main() -> int:
    """Parses the command line and plays."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=("llama", "llama-big"), default="llama")
    parser.add_argument("--directory", type=Path, default=ROOT / "build/demo")
    parser.add_argument("--without-vllm-cache", action="store_true", help="leave out act 1b")
    options = parser.parse_args()
    if not COMMAND.exists():
        sys.exit(f"{COMMAND} is not built; run make build")
    directory = options.directory.resolve()
    if (directory / "store" / "kvbm-store.json").exists():
        shutil.rmtree(directory / "store")
    directory.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    scene = SCENES[options.model]
    engines = Engines(options.model, scene.workload, directory)
    try:
        code = Demo(scene, engines).run(not options.without_vllm_cache)
    finally:
        engines.close()
    print(f"{time.monotonic() - started:.0f} s", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
