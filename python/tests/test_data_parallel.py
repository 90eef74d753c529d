"""Many engines on one node: data-parallel ranks, other models, engines that come and go."""

import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness.engine import Engine
from harness.nodes import Node, nodes_of, stop_all
from harness.play import Workload
from models import make_model
from test_e2e import FRESH_LAST, connector, run, same

MEBIBYTE = 2**20
_TIMEOUT_SECONDS = 480


def ask(engine: Engine, prompts: list[tuple[list[int], str]], name: str) -> int:
    """Asks all, with vLLM's own cache emptied before; tokens that were loaded for them."""
    engine.settle()
    engine.scheduler.reset_prefix_cache()
    before = engine.loaded_tokens
    for index, (tokens, salt) in enumerate(prompts):
        engine.add(f"{name}-{index}", tokens, salt, 3)
        while engine.live():
            engine.step()
    engine.settle()
    return engine.loaded_tokens - before


@pytest.mark.harness
def test_engines_of_two_models_share_one_node_and_no_block_of_the_other(binaries, tmp_path):
    node = Node(tmp_path / "node", host_capacity=8 * MEBIBYTE, disk=tmp_path / "disk")
    workload = Workload(random.Random(5))
    for _ in range(10):
        workload.prompt()
    prompts = workload.seen
    made: list[Engine] = []

    def make(weights: str) -> Engine:
        engine = Engine(
            tmp_path / f"engine{len(made)}",
            {**node.extra, "weights_id": weights},
            random.Random(len(made)),
        )
        # Other weights make other KV of the same tokens: the harness checks every position.
        engine.model.generation = {"one": 0, "two": 77}[weights]
        made.append(engine)
        return engine

    try:
        first, second, other = make("one"), make("one"), make("two")
        ask(first, prompts, "first")
        assert ask(second, prompts, "second") > 0, "what one engine stored serves the next"
        assert ask(other, prompts[:1], "other") == 0, "another model has nothing of it"
        ask(other, prompts, "other again")
        # All at once, and one that goes while the others work.
        rng = random.Random(9)
        loaded = {engine: engine.loaded_tokens for engine in made}
        for index in range(60):
            engine = rng.choice(made)
            engine.scheduler.reset_prefix_cache()
            engine.add(f"mixed-{index}", *rng.choice(prompts), 3)
            for _ in range(8):
                rng.choice(made).step()
            if index == 30:
                while first.live():
                    first.step()
                first.settle()
                first.close()
                made.remove(first)
                loaded[make("one")] = 0
        while any(engine.live() for engine in made):
            rng.choice(made).step()
        for engine in made:
            engine.settle()
            assert engine.loaded_tokens > loaded[engine], "every engine found something"
    finally:
        for engine in made:
            engine.close()
    assert node.counters()["corrupt_copies"] == 0
    assert node.stop() == 0, node.log.read_text()[-3000:]


def tokens(seed: int, count: int = 300) -> list[int]:
    rng = random.Random(seed)
    return [rng.randrange(8, 1000) for _ in range(count)]


@pytest.fixture
def no_node_stays(private_runtime):
    """A node that waits for a killed engine would wait into the next test."""
    yield
    stop_all(private_runtime)


@pytest.mark.e2e
def test_ranks_share_hits_and_a_killed_engine_finds_its_node_warm(
    binaries, tmp_path, private_runtime, no_node_stays, monkeypatch
):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    # However long a loaded machine takes to start the next engine.
    monkeypatch.setenv("KVBM_LINGER", "600")
    model = make_model(tmp_path / "models", "llama")
    one, two = tokens(1), tokens(2)
    asked = [(0, one, True), (1, one, False), (1, two, True), (0, two, False)]
    job = {"model": str(model), "ranks": 2, "connector": connector(), "asked": asked}
    source, target = tmp_path / "job.json", tmp_path / "result.json"
    source.write_text(json.dumps(job))
    script = Path(__file__).with_name("parallel_engine.py")
    done = subprocess.run(
        [sys.executable, str(script), str(source), str(target)],
        env={**os.environ, "VLLM_LOGGING_LEVEL": "INFO"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT_SECONDS,
    )
    assert done.returncode == -signal.SIGKILL, done.stdout[-6000:]
    answers = json.loads(target.read_text())["answers"]
    assert [answer["cached"] for answer in answers] == [0, 288, 0, 288]
    assert [answers[0], answers[2]] == [{**answer, "cached": 0} for answer in answers[1::2]]
    # One node for all, and names that tell the ranks apart.
    assert done.stdout.count("KVBM: started the node") == 1
    assert {"0", "1"} == set(re.findall(r"engine_id: [0-9a-f-]+_dp(\d)", done.stdout))
    assert "not covered" not in done.stdout

    # Everything that descended from the engine is gone; what it stored is in memory, not on disk.
    assert len(nodes_of(private_runtime)) == 1
    passes, output = run(
        tmp_path, model, "again", prompts=[one], connector=connector(), fresh=FRESH_LAST
    )
    assert "KVBM: started the node" not in output
    assert passes[0][0]["cached"] == 288 and passes[0][0]["tokens"] == answers[0]["tokens"]
    same(passes[0], passes[1])
