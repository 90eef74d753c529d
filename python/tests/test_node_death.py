"""The node killed and stopped at random moments: the engine goes on, exactly, and gets it back."""

import os
import random
import signal
import time
from collections.abc import Callable

import pytest
from harness.engine import Engine
from harness.isolated import Died, run_isolated
from harness.nodes import Node
from harness.play import Workload, play
from harness.runs import seeds
from harness.trouble import Mischief, Trouble

pytestmark = pytest.mark.faults

MEBIBYTE = 2**20
SEEDS = seeds(4, 40)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The same back-off, in shorter steps."""
    monkeypatch.setattr("swift_kvbm.supervisor.BACKOFF_MIN_SECONDS", 0.05)
    monkeypatch.setattr("swift_kvbm.supervisor._WATCH_SECONDS", 0.02)
    monkeypatch.setattr("swift_kvbm.node.BACKOFF_MIN_SECONDS", 0.05)


def killed_or_stopped(node: Node, kinds: tuple[str, ...]) -> Mischief:
    """A node that is killed and started again, or stands still for a while."""

    def mischief(rng: random.Random, wait: Callable[[float], bool]) -> None:
        if rng.choice(kinds) == "kill":
            node.kill()
            wait(rng.uniform(0.0, 0.3))
            node.start()
        else:
            node.signal(signal.SIGSTOP)
            wait(rng.uniform(0.05, 0.6))
            node.signal(signal.SIGCONT)

    return mischief


@pytest.mark.parametrize("kinds", [("kill",), ("stop",), ("kill", "stop")])
def test_the_engine_goes_on_exactly(binaries, tmp_path, kinds):
    node = Node(tmp_path / "node", host_capacity=2 * MEBIBYTE, disk=tmp_path / "disk")
    troubles = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        with Trouble(rng, killed_or_stopped(node, kinds), (0.05, 0.4)) as trouble:
            # Slow enough for several troubles in each run.
            report = play(
                tmp_path, node.extra, seed, requests=120, on_step=lambda _: time.sleep(0.002)
            )
        print(kinds, trouble.count, report, flush=True)
        troubles += trouble.count
    assert troubles >= len(SEEDS)
    assert play(tmp_path, node.extra, 99, resets=False).loads > 0
    assert node.stop() == 0, node.log.read_text()[-3000:]


def test_a_node_killed_between_a_promise_and_its_load(binaries, tmp_path):
    node = Node(tmp_path / "node", host_capacity=2 * MEBIBYTE, disk=tmp_path / "disk")
    rng = random.Random(11)

    def make(*arguments, **options) -> Engine:
        engine = Engine(*arguments, **options)
        asked = engine.connector.get_num_new_matched_tokens

        def deadly(request, computed):
            answer = asked(request, computed)
            if answer[0] and rng.random() < 0.3:
                node.kill()
            return answer

        engine.connector.get_num_new_matched_tokens = deadly
        return engine

    def revive(_: Engine) -> None:
        time.sleep(0.001)
        if node.process.poll() is not None and rng.random() < 0.02:
            node.start()

    failed = 0
    for seed in SEEDS:
        if node.process.poll() is not None:
            node.start()
        report = play(tmp_path, node.extra, seed, make=make, on_step=revive, resets=False)
        print(report, flush=True)
        failed += report.failed_blocks
    assert failed > 0, "no load ever failed"
    node.kill()


def hits(engine: Engine, workload: Workload, count: int) -> int:
    """Tokens loaded for prompts that were all asked before, with vLLM's own cache emptied."""
    before = engine.loaded_tokens
    for tokens, salt in workload.seen[:count]:
        engine.settle()
        engine.scheduler.reset_prefix_cache()
        engine.add(f"again{time.monotonic_ns()}", tokens, salt, 1)
        while engine.live():
            engine.step()
    engine.settle()
    return engine.loaded_tokens - before


def until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_cache_comes_back_by_itself(binaries, tmp_path, number):
    extra = {"host": {"capacity": "4MiB"}, "weights_id": "harness"}
    extra["disk"] = {"path": str(tmp_path / "disk"), "capacity": "64MiB"}
    engine = Engine(tmp_path, extra, random.Random(1))
    keeper = engine.connector._attachment.supervisor._keeper
    workload = Workload(random.Random(5))
    try:
        for index in range(12):
            tokens, salt, _ = workload.prompt()
            engine.add(f"r{index}", tokens, salt, 4)
            while engine.live():
                engine.step()
        assert hits(engine, workload, 12) > 0
        first = keeper.pid
        os.kill(first, number)
        # While it is away nothing is loaded, and everything is answered.
        started = time.monotonic()
        assert hits(engine, workload, 2) == 0
        assert time.monotonic() - started < 10
        if number == signal.SIGSTOP:
            os.kill(first, signal.SIGCONT)
        else:
            until(lambda: keeper.pid not in (None, first))
        # Both sides attach again, each in its own time; what is lost is computed and stored anew.
        until(lambda: hits(engine, workload, 12) > 0)
    finally:
        engine.close()
    until(lambda: keeper.pid is None, 15)


def serve_and_die(folder, extra, count: int) -> None:
    """An engine that is killed in the middle of its life."""
    engine = Engine(folder, extra, random.Random(1))
    workload = Workload(random.Random(5))
    for index in range(count):
        tokens, salt, _ = workload.prompt()
        engine.add(f"r{index}", tokens, salt, 4)
        while engine.live():
            engine.step()
    engine.settle()
    engine.worker._attachment.native.drain(5000)
    os.kill(os.getpid(), signal.SIGKILL)


def serve_again(folder, extra, count: int) -> tuple[int, int]:
    """The same prompts on another engine, which ends well: (tokens loaded, nodes started)."""
    engine = Engine(folder, extra, random.Random(1))
    workload = Workload(random.Random(5))
    for _ in range(count):
        workload.prompt()
    loaded = hits(engine, workload, count)
    started = engine.connector._attachment.supervisor._keeper.pid is not None
    engine.close()
    return loaded, int(started)


def test_a_killed_engine_finds_its_node_warm(binaries, tmp_path, private_runtime):
    extra = {"host": {"capacity": "5MiB"}, "weights_id": "harness"}
    environment = {"XDG_RUNTIME_DIR": str(private_runtime)}
    with pytest.raises(Died):
        run_isolated(serve_and_die, tmp_path, extra, 12, environment=environment)
    loaded, started = run_isolated(serve_again, tmp_path, extra, 12, environment=environment)
    assert started == 0, "the node that was there had to be used"
    # Host memory only: nothing else can have kept them.
    assert loaded > 0
