"""The wheel in use: installed into an empty environment beside vLLM, and served from."""

import json
import socket
import stat
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import full
from harness.nodes import nodes_of
from models import make_model
from test_e2e import connector, wait_for_no_node
from wheel_environment import Environment, packed

pytestmark = pytest.mark.wheel

_ENGINE_SECONDS = 180
# Two prompts that do not fit in the device cache together.
BLOCKS, BLOCK_TOKENS, LENGTH, PROMPT_TOKENS = 24, 32, 640, 600
PROMPTS = [[8 + (7 * i + 5 * p * i) % 990 for i in range(PROMPT_TOKENS)] for p in (0, 1)]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("venv") / "v")
    environment.install(packed(tmp_path_factory.mktemp("dist")))
    return environment


def test_the_command_is_on_path_and_passes_on_what_it_is_given(installed):
    assert installed.run("kvbm", "version").stdout.startswith("kvbm 0.1.0\n")
    done = installed.run("kvbm", "verify", "--disk", installed.site)
    assert done.returncode == 66, done.stdout
    inside = installed.site / "swift_kvbm" / "bin" / "kvbm"
    assert stat.S_IMODE(inside.stat().st_mode) & 0o111 == 0o111
    away = inside.with_name("away")
    inside.chmod(0o644)
    try:
        assert installed.run("kvbm", "version").returncode == 126
        inside.rename(away)
        done = installed.run("kvbm", "version")
        assert (done.returncode, "is not there" in done.stdout) == (127, True)
    finally:
        if away.exists():
            away.rename(inside)
        inside.chmod(0o755)


def test_vllm_finds_the_connector_by_its_name(installed):
    script = """
from vllm.plugins import load_general_plugins
load_general_plugins()
import swift_kvbm.vllm
from vllm.distributed.kv_transfer.kv_connector.factory import KVConnectorFactory
found = KVConnectorFactory.get_connector_class_by_name("KVBMConnector")
assert found is swift_kvbm.vllm.KVBMConnector
print("FROM", swift_kvbm.__file__)
"""
    done = installed.run("python", "-c", script)
    assert done.returncode == 0, done.stdout
    assert f"FROM {installed.site / 'swift_kvbm' / '__init__.py'}\n" in done.stdout
    assert "KVBM:" not in done.stdout, "the plug-in complains"


def test_vllm_serves_from_the_installed_wheel(installed, tmp_path, private_runtime):
    settings = connector()
    del settings["kv_connector_module_path"]
    job = {
        "model": str(make_model(tmp_path, "llama")),
        "prompts": PROMPTS,
        "blocks": BLOCKS,
        "length": LENGTH,
        "generate": 4,
        "connector": settings,
    }
    source, target = tmp_path / "job.json", tmp_path / "result.json"
    source.write_text(json.dumps(job))
    engine = Path(__file__).with_name("e2e_engine.py")
    done = installed.run("python", engine, source, target, timeout=_ENGINE_SECONDS)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "not covered" not in done.stdout
    first, second = json.loads(target.read_text())["passes"]
    assert [answer["tokens"] for answer in first] == [answer["tokens"] for answer in second]
    assert sum(answer["cached"] for answer in first) == 0
    assert sum(answer["cached"] for answer in second) > 0.8 * 2 * PROMPT_TOKENS
    wait_for_no_node(private_runtime)
    assert nodes_of(private_runtime) == []


def answer(port: int, model: str, tokens: list[int]) -> tuple[list[int], int]:
    """What the server makes of a prompt: the tokens, and how many it found in a cache."""
    asked = {"model": model, "prompt": tokens, "max_tokens": 4, "temperature": 0}
    body = json.dumps({**asked, "ignore_eos": True, "return_token_ids": True}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/completions", body, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        got = json.load(response)
    details = got["usage"]["prompt_tokens_details"] or {}
    return got["choices"][0]["token_ids"], details.get("cached_tokens") or 0


def wait_for_server(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until it says that it is well."""
    deadline = time.monotonic() + _ENGINE_SECONDS
    while True:
        assert server.poll() is None and time.monotonic() < deadline, log.read_text()[-6000:]
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)


@pytest.mark.skipif(not full(), reason="KVBM_FULL=1: the same as above, over HTTP")
def test_a_server_answers_with_hits(installed, tmp_path, private_runtime):
    model = str(make_model(tmp_path, "llama"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # `vllm serve` asks for a distribution named vllm, which the CPU build is not.
    command = [installed.bin / "python", "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", model, "--skip-tokenizer-init", "--enforce-eager", "--host", "127.0.0.1"]
    command += ["--port", port, "--block-size", BLOCK_TOKENS, "--max-model-len", LENGTH]
    command += ["--num-gpu-blocks-override", BLOCKS, "--enable-prompt-tokens-details"]
    command += [
        "--kv-transfer-config",
        installed.run("kvbm", "vllm-args", "--host", "64MiB").stdout,
    ]
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(
            [*map(str, command)], stdout=log, stderr=log, **installed.surroundings
        )
    try:
        wait_for_server(server, port, tmp_path / "log")
        first = [answer(port, model, tokens) for tokens in PROMPTS]
        second = [answer(port, model, tokens) for tokens in PROMPTS]
    finally:
        server.terminate()
        server.wait(60)
    assert [tokens for tokens, _ in first] == [tokens for tokens, _ in second]
    assert sum(cached for _, cached in first) == 0
    assert sum(cached for _, cached in second) > 0.8 * 2 * PROMPT_TOKENS
    wait_for_no_node(private_runtime)
