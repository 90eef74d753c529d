"""What a real vLLM engine is asked for beside plain prompts: adapters, embeddings, drafts."""

import json
import random
import re
from pathlib import Path

import pytest
import torch
from conftest import full
from models import make_model
from safetensors.torch import save_file
from test_e2e import FRESH_FIRST, FRESH_LAST, cached, connector, run, same, wait_for_no_node

pytestmark = pytest.mark.e2e

BLOCK = 32


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("models")


def tokens(seed: int, count: int = 200) -> list[int]:
    rng = random.Random(seed)
    return [rng.randrange(8, 1000) for _ in range(count)]


def make_adapter(folder: Path, seed: int, scale: int = 16) -> Path:
    """An adapter that changes all of K and V of the models in models.py of four layers."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(4):
        for name, width in (("q_proj", 256), ("k_proj", 128), ("v_proj", 128)):
            place = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            tensors[f"{place}.lora_A.weight"] = torch.randn(8, 256, generator=generator) * 0.2
            tensors[f"{place}.lora_B.weight"] = torch.randn(width, 8, generator=generator) * 0.2
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 8, "lora_alpha": scale, "bias": "none"}
    config["target_modules"] = ["q_proj", "k_proj", "v_proj"]
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def whole(count: int) -> int:
    return count // BLOCK * BLOCK


def test_adapters_and_embeddings_by_content_and_after_a_restart_from_disk(
    binaries, models, tmp_path, private_runtime
):
    model = make_model(models, "llama")
    one, two = make_adapter(tmp_path / "one", 1), make_adapter(tmp_path / "two", 2)
    weak = make_adapter(tmp_path / "weak", 1, scale=8)
    prompt, rows = tokens(1), list(range(1000, 1200))
    options = {"enable_lora": True, "max_lora_rank": 8, "max_loras": 2, "max_cpu_loras": 2}
    settings = {
        "connector": connector(tmp_path / "disk"),
        "options": {**options, "enable_prompt_embeds": True},
        "blocks": 64,
    }
    asked = [
        {"tokens": prompt},
        {"tokens": prompt, "adapter": ["a", 1, str(one)]},
        {"tokens": prompt, "adapter": ["b", 2, str(two)]},
        {"rows": rows},
        {"rows": [*rows[:100], *range(2000, 2100)]},
    ]
    passes, output = run(tmp_path, model, "first", prompts=asked, fresh=FRESH_FIRST[:2], **settings)
    assert "not covered" not in output and "without cache" not in output
    same(passes[1], passes[0])
    # Each makes other tokens: KV that was taken from another would show.
    assert len({tuple(answer["tokens"]) for answer in passes[0]}) == len(asked)
    wait_for_no_node(private_runtime)

    again = [
        # The same content under another name and number, and other content under a known one.
        {"tokens": prompt, "adapter": ["b", 2, str(one)]},
        {"tokens": prompt, "adapter": ["a", 1, str(weak)]},
        {"tokens": prompt},
        {"rows": [*rows[:100], *range(3000, 3100)]},
        {"rows": rows},
    ]
    passes, output = run(tmp_path, model, "again", prompts=again, fresh=FRESH_LAST, **settings)
    assert "without cache" not in output
    same(passes[0], passes[1])
    found = [answer["cached"] for answer in passes[0]]
    assert found[0] == found[2] == found[4] == whole(200)
    assert (found[1], found[3]) == (0, whole(100))
    wait_for_no_node(private_runtime)


def test_what_a_request_wants_kept_outlives_a_flood(binaries, models, tmp_path, private_runtime):
    model = make_model(models, "llama-f32")
    flood = [tokens(100 + number, 320) for number in range(16)]
    kept, plain = tokens(1, 320), tokens(2, 320)
    wanted = {"tokens": kept, "params": {"kvbm": {"priority": 90}, "other": {"of": "others"}}}
    odd = {"tokens": plain, "params": {"kvbm": {"priority": "high"}}}
    asked = [*flood[:8], wanted, odd, *flood[8:]]
    settings = connector()
    # A slot holds 32 tokens of 4 KiB: some 30 of them, three prompts.
    settings["kv_connector_extra_config"] = {"host": {"capacity": "4MiB"}}
    settings["kv_connector_extra_config"]["retention"] = {"share": "50%"}
    job = {"prompts": asked, "fresh": FRESH_FIRST[:2], "connector": settings}
    passes, output = run(tmp_path, model, "kept", **job)
    same(passes[1], passes[0])
    found = [answer["cached"] for answer in passes[1]]
    assert found[8] >= whole(320) - 1, found
    assert found[9] == 0, found
    assert "kv_transfer_params['kvbm'] of request" in output and "'high'" in output
    wait_for_no_node(private_runtime)


@pytest.mark.skipif(not full(), reason="KVBM_FULL=1: the harness plays drafts")
def test_accepted_drafts_are_kept_and_nothing_else(binaries, models, tmp_path, private_runtime):
    model = make_model(models, "llama")
    drafting = {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 3}
    drafting["prompt_lookup_min"] = 1
    asked = [tokens(seed, 110) for seed in range(2)]
    # Verified drafts are summed in other shapes than single tokens are: float32. And of a few words
    # a text repeats itself: drafts are found, and some of them are right.
    settings = {"connector": connector(tmp_path / "disk"), "generate": 90, "dtype": "float32"}
    settings["allowed"] = [10, 20, 30]
    passes, output = run(
        tmp_path,
        model,
        "drafting",
        prompts=asked,
        fresh=FRESH_FIRST[:2],
        options={"speculative_config": drafting},
        statistics=True,
        **settings,
    )
    assert "not covered" not in output
    drafted, accepted = (
        int(re.search(rf"vllm:spec_decode_num_{kind}_tokens (\d+)", output)[1])
        for kind in ("draft", "accepted")
    )
    assert 0 < accepted < drafted, "drafts of both kinds are wanted"
    same(passes[1], passes[0])
    assert cached(passes[0]) == 0 and cached(passes[1]) == 2 * whole(110)
    wait_for_no_node(private_runtime)

    # What was generated is asked again, by an engine without drafts, after a restart.
    longer = [prompt + answer["tokens"] for prompt, answer in zip(asked, passes[0], strict=True)]
    settings["generate"] = 8
    passes, _ = run(tmp_path, model, "plain", prompts=longer, fresh=FRESH_LAST, **settings)
    same(passes[0], passes[1])
    # Every full block of prompt and output but for the last token, which was never computed.
    assert [answer["cached"] for answer in passes[0]] == [whole(199)] * 2
    wait_for_no_node(private_runtime)
