"""The connector as vLLM makes it: refused, inert, or without what it needs."""

import logging
import random
from types import SimpleNamespace
from unittest import mock

import pytest
from harness.config import kv_cache_config, vllm_config
from harness.engine import Engine
from harness.model import Shape
from vllm.distributed.kv_transfer.kv_connector.factory import KVConnectorFactory
from vllm.distributed.kv_transfer.kv_connector.v1 import KVConnectorRole, supports_hma

from swift_kvbm.connector import KVBMConnector
from swift_kvbm.geometry import NotCovered
from swift_kvbm.metadata import KVBMMetadata

EXTRA = {"weights_id": "w", "host": {"capacity": "1MiB"}}
SHAPE = Shape()


@pytest.fixture
def warnings(caplog):
    logging.getLogger("vllm").propagate = True
    caplog.set_level("WARNING", logger="vllm.swift_kvbm")
    return lambda: [r.getMessage() for r in caplog.records if r.name == "vllm.swift_kvbm"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("swift_kvbm.attach.START_WAIT_SECONDS", 0.0)


def serve(engine: Engine, count: int = 3) -> None:
    """The engine answers, exactly, and nothing is loaded."""
    try:
        for index in range(count):
            engine.add(f"r{index}", list(range(8, 38)) * 3, "", 4)
        while engine.live():
            engine.step()
        assert all(len(tokens) == 4 for tokens in engine.outputs.values())
        assert engine.promised == []
    finally:
        engine.close()


def test_vllm_finds_the_class_and_what_it_asks_for(tmp_path):
    config = vllm_config(tmp_path, EXTRA, 20, SHAPE)
    found = KVConnectorFactory.get_connector_class(config.kv_transfer_config)
    assert found is KVBMConnector and supports_hma(found)
    assert found.get_required_kvcache_layout(config) == "LBHNC"
    assert not found.requires_piecewise_for_cudagraph({})


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"hots": {}}, "nearest known one is 'host'"),
        ({"weights_id": "w", "host": {"capacity": "9KiB"}}, "fewer than 4 blocks"),
        ({"host": {"capacity": "big"}}, "host.capacity = 'big'"),
    ],
)
@pytest.mark.parametrize("role", list(KVConnectorRole))
def test_a_wrong_configuration_is_refused_at_start(tmp_path, extra, words, role):
    config = vllm_config(tmp_path, extra, 20, SHAPE)
    with pytest.raises(ValueError, match=words):
        KVBMConnector(config, role, kv_cache_config(SHAPE, 20))


def test_weights_that_cannot_be_identified_leave_it_inert(tmp_path, warnings):
    engine = Engine(tmp_path, {"host": {"capacity": "1MiB"}}, random.Random(1))
    assert [text for text in warnings() if "weights_id" in text]
    serve(engine)


def test_a_missing_library_leaves_it_inert(tmp_path, monkeypatch, warnings):
    monkeypatch.setenv("KVBM_LIBRARY", str(tmp_path / "none.so"))
    engine = Engine(tmp_path, EXTRA, random.Random(1))
    assert len([text for text in warnings() if "none.so" in text]) == 1
    serve(engine)


def test_a_missing_node_is_a_warning_and_no_cache(binaries, tmp_path, warnings):
    extra = {"weights_id": "w", "node": f"unix:{tmp_path}/none.sock"}
    serve(Engine(tmp_path, extra, random.Random(1)))
    assert any("no node" in text for text in warnings())


def test_what_is_not_covered_is_named_once_and_served(tmp_path, warnings):
    def several(config, cache):
        from swift_kvbm._vllm_adapter import read_facts

        facts = read_facts(config, cache)
        return type(facts)(**{**vars(facts), "pipeline_parallel": 2, "worker_count": 2})

    with mock.patch("swift_kvbm.attach.read_facts", several):
        engine = Engine(tmp_path, EXTRA, random.Random(1))
    serve(engine)
    named = [text for text in warnings() if "not covered yet" in text]
    assert named == [
        "KVBM: not covered yet: pipeline parallelism of 2. The engine serves without offload."
    ]


def test_another_vllm_leaves_it_inert(tmp_path, warnings):
    def broken(config, cache):
        raise AttributeError("no such field")

    with mock.patch("swift_kvbm.attach.read_facts", broken):
        engine = Engine(tmp_path, EXTRA, random.Random(1))
    serve(engine)
    assert any("no such field" in text for text in warnings())


def test_a_worker_that_cannot_copy_turns_the_scheduler_off(binaries, tmp_path, warnings):
    config = vllm_config(tmp_path, EXTRA, 20, SHAPE)
    cache = kv_cache_config(SHAPE, 20)
    worker = KVBMConnector(config, KVConnectorRole.WORKER, cache)
    worker.register_kv_caches({})
    handshake = worker.get_handshake_metadata()
    assert "without registered memory" in handshake.refusal
    scheduler = KVBMConnector(config, KVConnectorRole.SCHEDULER, cache)
    assert scheduler._scheduler is not None
    scheduler.set_xfer_handshake_metadata_pp_aware({(0, 0): handshake})
    assert scheduler.get_num_new_matched_tokens(SimpleNamespace(), 0) == (0, False)
    assert scheduler.build_connector_meta(SimpleNamespace()) == KVBMMetadata()
    worker.shutdown()
    scheduler.shutdown()


def test_the_failure_policy_is_named(tmp_path, warnings):
    config = vllm_config(tmp_path, EXTRA, 20, SHAPE)
    config.kv_transfer_config.kv_load_failure_policy = "fail"
    with mock.patch("swift_kvbm.attach.describe", side_effect=NotCovered("nothing")):
        KVBMConnector(config, KVConnectorRole.WORKER, kv_cache_config(SHAPE, 20))
    assert any("'fail'" in text and '"recompute"' in text for text in warnings())


def test_a_closed_connector_answers_without_cache(binaries, tmp_path):
    engine = Engine(tmp_path, EXTRA, random.Random(1))
    engine.close()
    connector = engine.connector
    assert connector.get_num_new_matched_tokens(SimpleNamespace(), 0) == (0, False)
    assert connector.request_finished_all_groups(SimpleNamespace(), ([],)) == (False, None)
    assert connector.reset_cache() is True and connector.stats() == "{}"
    engine.close()
