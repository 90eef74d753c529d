"""vLLM's plug-in: it registers once, and nothing that it meets stops an engine."""

import logging
import sys

import pytest

from swift_kvbm import plugin


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch):
    """vLLM's own factory, as if nothing had been registered by this package."""
    from vllm.distributed.kv_transfer.kv_connector.factory import KVConnectorFactory

    monkeypatch.setattr(KVConnectorFactory, "_registry", {**KVConnectorFactory._registry})
    KVConnectorFactory._registry.pop(plugin.CONNECTOR, None)
    monkeypatch.setattr(plugin, "_registered", False)
    return KVConnectorFactory


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    """The package's messages; vLLM keeps its own from reaching the root logger."""
    monkeypatch.setattr(plugin.LOGGER, "propagate", False)
    plugin.LOGGER.addHandler(caplog.handler)
    yield caplog
    plugin.LOGGER.removeHandler(caplog.handler)


def test_the_connector_is_found_by_its_name(factory, heard):
    plugin.register()
    plugin.register()
    from swift_kvbm.vllm import KVBMConnector

    assert factory.get_connector_class_by_name("KVBMConnector") is KVBMConnector
    assert warnings(heard) == []


def test_a_name_that_is_taken_is_left_alone_and_said(factory, heard):
    factory.register_connector(plugin.CONNECTOR, "json", "JSONDecoder")
    plugin.register()
    assert factory.get_connector_class_by_name(plugin.CONNECTOR).__name__ == "JSONDecoder"
    (said,) = warnings(heard)
    assert "already registered" in said
    assert '"kv_connector_module_path": "swift_kvbm.vllm"' in said


def test_a_vllm_without_the_factory_is_no_error(heard, monkeypatch):
    monkeypatch.setattr(plugin, "_registered", False)
    monkeypatch.setitem(sys.modules, "vllm.distributed.kv_transfer.kv_connector.factory", None)
    plugin.register()
    assert len(warnings(heard)) == 1
