"""The real vLLM engine with tiny models: the same tokens and logprobs, from memory and disk."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import full
from harness.nodes import nodes_of
from models import make_model
from test_encryption import key_file, keygen

pytestmark = pytest.mark.e2e

LOGPROB_DIFFERENCE_MAX = 0.05
BLOCKS = 24
LENGTH = 640
GENERATE = 8
# A pass that reads no cache, then two that do; and one that does before one that does not.
FRESH_FIRST = [True, False, False]
FRESH_LAST = [False, True]
_TIMEOUT_SECONDS = 480
# vLLM ends workers by force that take more than 5 s to go, and their node waits for the engine.
_LINGER_SECONDS = 5


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("models")


def prompts(count: int = 5) -> list[list[int]]:
    """Two shared beginnings and ends of their own: together several times the device cache."""
    rng = random.Random(3)
    beginnings = [[rng.randrange(8, 1000) for _ in range(256)] for _ in range(2)]
    ends = [[rng.randrange(8, 1000) for _ in range(200 + 7 * i)] for i in range(count)]
    return [beginnings[index % 2] + end for index, end in enumerate(ends)]


def connector(
    disk: Path | None = None, shared: tuple[Path, Path] | None = None, **changes: Any
) -> dict[str, Any]:
    """What a user writes."""
    extra: dict[str, Any] = {"host": {"capacity": "64MiB"}}
    if shared is not None:
        directory, keys = shared
        extra |= {"object": {"url": f"file://{directory}"}, "keys": str(keys)}
    if disk is not None:
        extra["disk"] = {"path": str(disk), "capacity": "1GiB"}
    return {
        "kv_connector": "KVBMConnector",
        "kv_connector_module_path": "swift_kvbm.vllm",
        "kv_role": "kv_both",
        "kv_load_failure_policy": "recompute",
        "kv_connector_extra_config": extra,
        **changes,
    }


def run(tmp_path: Path, model: Path, name: str, **job: Any) -> tuple[list[list[dict]], str]:
    """One engine's passes, and what it wrote."""
    known = {
        "model": str(model),
        "prompts": prompts(),
        "blocks": BLOCKS,
        "length": LENGTH,
        "generate": GENERATE,
    }
    source, target = tmp_path / f"{name}.job.json", tmp_path / f"{name}.result.json"
    source.write_text(json.dumps({**known, **job}))
    script = Path(__file__).with_name("e2e_engine.py")
    done = subprocess.run(
        [sys.executable, str(script), str(source), str(target)],
        env={"KVBM_LINGER": str(_LINGER_SECONDS), **os.environ, "VLLM_LOGGING_LEVEL": "INFO"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return json.loads(target.read_text())["passes"], done.stdout


def same(one: list[dict], two: list[dict]) -> None:
    """Equal greedy tokens, and logprobs within the limit."""
    for left, right in zip(one, two, strict=True):
        assert left["tokens"] == right["tokens"]
        for a, b in zip(left["logprobs"], right["logprobs"], strict=True):
            common = a.keys() & b.keys()
            assert common
            assert max(abs(a[token] - b[token]) for token in common) <= LOGPROB_DIFFERENCE_MAX


def cached(answers: list[dict]) -> int:
    return sum(answer["cached"] for answer in answers)


def wait_for_no_node(runtime: Path) -> None:
    deadline = time.monotonic() + 90
    while nodes_of(runtime):
        assert time.monotonic() < deadline, "the node stays after a clean stop"
        time.sleep(0.05)


def test_llama_from_host_memory_and_after_a_restart_from_disk(
    binaries, models, tmp_path, private_runtime
):
    model = make_model(models, "llama")
    plain, _ = run(tmp_path, model, "plain", prefix_caching=False)
    first, output = run(tmp_path, model, "first", connector=connector(tmp_path / "disk"))
    assert "not covered" not in output
    for answers in first:
        same(answers, plain[0])
    # The device cache holds a fraction of what the second pass found.
    assert cached(first[1]) > 0.8 * sum(len(tokens) // 32 * 32 for tokens in prompts())
    wait_for_no_node(private_runtime)
    restarted, _ = run(tmp_path, model, "again", connector=connector(tmp_path / "disk"))
    for answers in restarted:
        same(answers, plain[0])
    assert cached(restarted[0]) > 0.8 * sum(len(tokens) // 32 * 32 for tokens in prompts())
    wait_for_no_node(private_runtime)


def test_what_another_machines_engine_has_stored_comes_from_the_shared_store(
    binaries, models, tmp_path, private_runtime
):
    model = make_model(models, "llama")
    shared = tmp_path / "shared", key_file(tmp_path / "keys", keygen())
    passes, output = run(
        tmp_path,
        model,
        "first",
        connector=connector(shared=shared),
        fresh=FRESH_FIRST[:2],
    )
    assert "not covered" not in output and cached(passes[0]) == 0
    wait_for_no_node(private_runtime)
    # A node without a disk that ends leaves nothing behind but what it has put.
    again, _ = run(tmp_path, model, "again", connector=connector(shared=shared), fresh=FRESH_LAST)
    assert cached(again[0]) > 0.8 * sum(len(tokens) // 32 * 32 for tokens in prompts())
    assert cached(again[1]) == 0
    for answers in again:
        same(answers, passes[0])
    wait_for_no_node(private_runtime)


# Groups, windows shorter than the prompts, types and sizes; device blocks for one prompt and a bit.
OTHER_MODELS = {
    "gemma2": 48,
    "llama-f16": BLOCKS,
    "llama-kv2": BLOCKS,
    "mistral-sw": 32,
    "qwen2": BLOCKS,
    "llama-f32": BLOCKS,
    "llama-h80": BLOCKS,
}
QUICK = ["gemma2"]


@pytest.mark.parametrize("name", OTHER_MODELS if full() else QUICK)
def test_other_groups_shapes_and_types(binaries, models, tmp_path, private_runtime, name):
    model = make_model(models, name)
    options = {"connector": connector(tmp_path / "disk"), "blocks": OTHER_MODELS[name]}
    if name == "llama-f32":
        # By itself vLLM makes bfloat16 of it.
        options["dtype"] = "float32"
    passes, output = run(tmp_path, model, "first", fresh=FRESH_FIRST[:2], **options)
    assert "not covered" not in output
    assert cached(passes[0]) == 0
    same(passes[1], passes[0])
    whole = sum(len(tokens) // 32 * 32 for tokens in prompts())
    assert cached(passes[1]) > 0.8 * whole
    wait_for_no_node(private_runtime)
    again, _ = run(tmp_path, model, "again", fresh=FRESH_FIRST[1:2], **options)
    same(again[0], passes[0])
    assert cached(again[0]) > 0.8 * whole
    wait_for_no_node(private_runtime)


@pytest.mark.skipif(not full(), reason="KVBM_FULL=1: the harness plays latents")
def test_latents_are_refused_where_the_engines_attention_ignores_what_it_did_not_compute(
    binaries, models, tmp_path, private_runtime
):
    import torch

    if torch.cpu._is_amx_tile_supported():
        pytest.skip("this machine's attention over latents begins in the middle of a prompt")
    model = make_model(models, "deepseek2")
    passes, output = run(
        tmp_path, model, "latents", connector=connector(), blocks=100, fresh=FRESH_FIRST
    )
    assert "cannot begin in the middle of a prompt" in output
    same(passes[2], passes[0])
    assert cached(passes[2]) == 0


@pytest.mark.skipif(not full(), reason="KVBM_FULL=1: test_connector has the short form")
def test_an_engine_that_is_not_covered_is_served_with_one_warning(
    binaries, models, tmp_path, private_runtime
):
    model = make_model(models, "llama")
    settings = connector(kv_load_failure_policy="fail", kv_role="kv_consumer")
    passes, output = run(tmp_path, model, "consumer", connector=settings, fresh=FRESH_FIRST)
    same(passes[2], passes[0])
    warnings = [line for line in output.splitlines() if "not covered yet" in line]
    assert warnings and all("kv_role 'kv_consumer'" in line for line in warnings)
    # Once in each process: the engine's and its worker's.
    assert len(warnings) <= 2, warnings
    assert 'set it to "recompute"' in output
    assert nodes_of(private_runtime) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (2, 1),
        pytest.param(1, 2, marks=pytest.mark.skipif(not full(), reason="KVBM_FULL=1: the other")),
    ],
)
def test_what_some_ranks_stored_serves_another_number_of_ranks_from_disk(
    binaries, models, tmp_path, private_runtime, monkeypatch, first, second
):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    model = make_model(models, "llama")
    # Ranks sum in another order than one worker does; in bfloat16 that is more than the limit.
    options = {"connector": connector(tmp_path / "disk"), "dtype": "float32"}
    options |= {"prompts": prompts(2), "generate": 3}
    passes, output = run(tmp_path, model, "first", ranks=first, fresh=FRESH_FIRST[:2], **options)
    assert "not covered" not in output
    same(passes[1], passes[0])
    whole = sum(len(tokens) // 32 * 32 for tokens in prompts(2))
    assert cached(passes[0]) == 0 and cached(passes[1]) > 0.8 * whole
    wait_for_no_node(private_runtime)
    passes, _ = run(tmp_path, model, "second", ranks=second, fresh=FRESH_LAST, **options)
    assert cached(passes[0]) > 0.8 * whole and cached(passes[1]) == 0
    same(passes[0], passes[1])
    wait_for_no_node(private_runtime)


@pytest.mark.skipif(not full(), reason="KVBM_FULL=1: test_connector has the short form")
def test_a_wrong_configuration_is_refused_at_start(binaries, models, tmp_path):
    model = make_model(models, "llama")
    wrong = connector(kv_connector_extra_config={"hots": {"capacity": "64MiB"}})
    with pytest.raises(AssertionError, match="unknown key 'hots'; the nearest known one is 'host'"):
        run(tmp_path, model, "wrong", connector=wrong)
