"""An engine of another shape than the connector knows: refused in one line, and served."""

import inspect
import logging
import pickle
import random
import sys
from abc import abstractmethod
from collections import defaultdict
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from harness.config import kv_cache_config, vllm_config
from harness.engine import Engine
from harness.fake import FakeNode
from harness.fake_engine import fake_engine
from harness.model import Shape
from harness.play import play
from vllm.distributed.kv_transfer.kv_connector.factory import KVConnectorFactory
from vllm.distributed.kv_transfer.kv_connector.v1 import KVConnectorRole, base, supports_hma
from vllm.v1.core.block_pool import BlockPool
from vllm.v1.core.kv_cache_manager import KVCacheBlocks
from vllm.v1.core.sched.output import CachedRequestData, NewRequestData, SchedulerOutput
from vllm.v1.kv_cache_interface import (
    FullAttentionSpec,
    KVCacheConfig,
    KVCacheGroupSpec,
    KVCacheTensor,
)
from vllm.v1.outputs import KVConnectorOutput
from vllm.v1.request import Request

import swift_kvbm.vllm
from swift_kvbm import connector, inert, log, signatures
from swift_kvbm._vllm_adapter import KVConnectorBase_V1, SupportsHMA
from swift_kvbm.signatures import differences, first_difference

EXTRA = {"weights_id": "w", "host": {"capacity": "1MiB"}}
SHAPE = Shape()


@pytest.fixture
def heard(caplog, monkeypatch):
    logger = logging.getLogger("vllm.swift_kvbm")
    monkeypatch.setattr(logger, "propagate", False)
    logger.addHandler(caplog.handler)
    yield lambda: [r.getMessage() for r in caplog.records if r.name == logger.name]
    logger.removeHandler(caplog.handler)


def of_base(changes: dict[str, Any], removed: str = "") -> type:
    """Our connector over a base class like vLLM's that differs in a few members."""
    members = {**vars(KVConnectorBase_V1), **vars(SupportsHMA), **changes}
    members = {k: v for k, v in members.items() if not k.startswith("__") or k == "__init__"}
    members.pop(removed, None)
    changed = type(base.KVConnectorBase_V1)("Base", (), {**members, "__module__": base.__name__})
    ours = {k: v for k, v in vars(connector.KVBMConnector).items() if not k.startswith("__")}
    ours["__init__"] = connector.KVBMConnector.__init__
    return type(changed)("KVBMConnector", (changed,), {**ours, "__module__": connector.__name__})


def test_this_vllm_fits():
    assert swift_kvbm.vllm.KVBMConnector is connector.KVBMConnector
    assert swift_kvbm.vllm.DIFFERENCE == ""
    assert list(differences(of_base({}))) == []


def more(self, request, num_computed_tokens, blocks): ...
def fewer(self, request): ...
def renamed(self, req, num_computed_tokens): ...
def optional(self, request, num_computed_tokens, blocks=None): ...
def named(self, request, num_computed_tokens, *, blocks): ...
def anything(self, request, num_computed_tokens, **options): ...
def anything_in_place(self, request, num_computed_tokens, *others): ...


@pytest.mark.parametrize(
    ("hook", "written"),
    [
        (more, "(request, num_computed_tokens, blocks)"),
        (fewer, "(request)"),
        (renamed, "(req, num_computed_tokens)"),
        (optional, "(request, num_computed_tokens, blocks)"),
        (named, "(request, num_computed_tokens, blocks)"),
        (anything, "(request, num_computed_tokens, **options)"),
        (anything_in_place, "(request, num_computed_tokens, *others)"),
    ],
)
def test_a_hook_that_is_called_with_something_else(hook, written):
    changed = of_base({"get_num_new_matched_tokens": hook})
    assert list(differences(changed)) == [
        f"calls get_num_new_matched_tokens with {written}, not with (request, num_computed_tokens)"
    ]


def test_a_hook_of_another_kind():
    changed = of_base({"requires_kv_delivery": lambda self: True})
    assert "has requires_kv_delivery as a method, not as a property" in differences(changed)
    changed = of_base({"build_kv_connector_stats": lambda self, data=None: None})
    assert first_difference(changed) == (
        "has build_kv_connector_stats as a method, not as a method of the class"
    )


def test_a_hook_that_is_gone():
    assert first_difference(of_base({}, removed="handle_preemptions")) == (
        "has no hook handle_preemptions"
    )


def test_a_method_that_is_new_and_must_be_there():
    class Wanting(connector.KVBMConnector):
        @abstractmethod
        def fly(self) -> None: ...

    assert first_difference(Wanting) == "wants a method fly, which Wanting does not have"


def test_our_other_classes_are_looked_at_too():
    theirs = type("Stats", (), {"reduce": lambda self, unit: {}, "__module__": "vllm.x"})
    ours = type("Ours", (theirs,), {"reduce": lambda self: {}, "__module__": "swift_kvbm.x"})
    assert first_difference(connector.KVBMConnector, [ours]) == (
        "calls reduce with (unit), not with ()"
    )


@pytest.mark.parametrize(
    ("read", "words"),
    [
        ({"vllm.v1.request.Request": ("request_id", "wings")}, "has no Request.wings"),
        ({"vllm.v1.request.Bird": ("wings",)}, "has no vllm.v1.request.Bird"),
        ({"vllm.v1.birds.Bird": ("wings",)}, "has no vllm.v1.birds.Bird"),
    ],
)
def test_a_field_or_a_class_that_is_gone(read, words):
    assert first_difference(connector.KVBMConnector, read=read) == words


def test_attributes_are_found_wherever_a_class_has_them():
    class Parent:
        declared: int

        def __init__(self) -> None:
            self.stored = 1

    class Child(Parent):
        __slots__ = ("slot",)

        @property
        def computed(self) -> int:
            return self.gone  # type: ignore[attr-defined]

    found = signatures.attributes_of(Child)
    assert {"declared", "stored", "slot", "computed"} <= found and "gone" not in found


# MARK: What is read is in the table


# Read with a default, or after a look whether it is there.
OPTIONAL = {
    "KVCacheConfig": {"kv_tp_replicas"},
    "FullAttentionSpec": {"non_causal"},
    "BlockPool": {"evict_blocks", "hash_block_size"},
    "Request": {"block_hashes"},
}


def test_what_the_package_reads_is_what_it_checks(tmp_path, monkeypatch):
    """Plays the harness and records every attribute that this package reads of vLLM's objects."""
    read = defaultdict(set)

    watched_classes = set()

    def watch(cls: type) -> None:
        watched_classes.add(cls.__name__)
        original = cls.__getattribute__

        def watched(self: Any, name: str) -> Any:
            reader = sys._getframe(1).f_globals.get("__name__", "")
            if reader.startswith("swift_kvbm.") and not name.startswith("__"):
                read[cls.__name__].add(name)
            return original(self, name)

        monkeypatch.setattr(cls, "__getattribute__", watched)

    for cls in (SchedulerOutput, NewRequestData, CachedRequestData, Request, KVConnectorOutput):
        watch(cls)
    for cls in (KVCacheBlocks, BlockPool, KVCacheConfig, KVCacheGroupSpec, KVCacheTensor):
        watch(cls)
    watch(FullAttentionSpec)
    extra = {"weights_id": "harness"}

    def reset(engine: Engine) -> None:
        if engine.steps == 30:
            engine.connector.reset_cache()

    make = fake_engine(FakeNode())
    play(tmp_path, extra, 1, make=make, requests=20, resets=False, on_step=reset)
    table = {path.rpartition(".")[2]: set(names) for path, names in signatures.READ.items()}
    # The others are of other models than the one that is played.
    table = {name: names for name, names in table.items() if name in watched_classes}
    seen = {name: names - OPTIONAL.get(name, set()) for name, names in read.items()}
    assert seen == table


# MARK: The connector that caches nothing


def test_an_engine_with_it_serves(tmp_path, monkeypatch, heard):
    monkeypatch.setattr(connector, "KVBMConnector", of_base({}, removed="handle_preemptions"))
    found, difference = swift_kvbm.vllm._fitting()
    monkeypatch.setattr(swift_kvbm.vllm, "KVBMConnector", found)
    assert difference == "has no hook handle_preemptions"
    assert found is not connector.KVBMConnector and supports_hma(found)
    for second_runner in (False, True):
        with mock.patch("harness.rank.KVBMConnector", found):
            engine = Engine(
                tmp_path, EXTRA, random.Random(1), block_count=20, second_runner=second_runner
            )
        try:
            assert type(engine.connector) is found
            assert engine.connector.requires_kv_delivery is False
            for index in range(8):
                engine.add(f"r{index}", [8 + index, *range(8, 38)] * 3, "", 20)
            while engine.live():
                engine.step()
            engine.settle()
            assert all(len(tokens) == 20 for tokens in engine.outputs.values())
            assert engine.preemptions > 0 and engine.promised == []
            assert engine.scheduler.reset_prefix_cache(reset_connector=True)
        finally:
            engine.close()
    import vllm

    assert heard() == [
        f"KVBM: this vLLM ({vllm.__version__}) has no hook handle_preemptions. "
        "The engine serves without cache."
    ]


def test_a_plan_of_it_travels_to_other_processes(tmp_path):
    made = inert.inert_connector()
    config = vllm_config(tmp_path, EXTRA, 20, SHAPE)
    scheduler = made(config, KVConnectorRole.SCHEDULER, kv_cache_config(SHAPE, 20))
    plan = scheduler.build_connector_meta(SimpleNamespace())
    assert isinstance(pickle.loads(pickle.dumps(plan)), base.KVConnectorMetadata)


def test_it_answers_methods_that_nobody_knows_yet_and_calls_of_any_form():
    class Tomorrow(KVConnectorBase_V1):
        def __init__(self) -> None:
            """Needs nothing."""

        @abstractmethod
        def fly(self) -> None: ...

    made = inert.inert_connector(Tomorrow, None)()
    assert made.fly("high", wings=2) is None
    assert made.get_num_new_matched_tokens(1, 2, blocks=3) == (0, False)
    assert made.request_finished() == (False, None)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("vllm.v1.kv_cache_interface", "UniformTypeKVCacheSpecs"),
        (base.__name__, "KVConnectorWorkerMetadata"),
        (base.__name__, "SupportsHMA"),
        ("vllm.distributed.kv_transfer.kv_connector.v1.metrics", ""),
        ("prometheus_client", ""),
    ],
)
def test_a_name_that_cannot_be_imported(monkeypatch, heard, tmp_path, module, name):
    """What vLLM finds by our module's path, in a process that has not imported it yet."""
    config = vllm_config(tmp_path, EXTRA, 20, SHAPE)
    for known in [m for m in sys.modules if m.startswith("swift_kvbm.") and m != log.__name__]:
        monkeypatch.delitem(sys.modules, known)
        monkeypatch.delattr(swift_kvbm, known.removeprefix("swift_kvbm."))
    if name:
        monkeypatch.delattr(sys.modules[module], name)
    else:
        monkeypatch.setitem(sys.modules, module, None)
    found = KVConnectorFactory.get_connector_class(config.kv_transfer_config)
    assert found.__module__ == "swift_kvbm.vllm" and not found.__abstractmethods__
    assert name == "SupportsHMA" or supports_hma(found)
    (said,) = heard()
    assert sys.modules["swift_kvbm.vllm"].DIFFERENCE in said
    assert f"cannot be used: {'cannot import' if name else 'import of'}" in said
    assert (name or module) in said and said.endswith("The engine serves without cache.")


def test_the_constructor_is_what_vllm_asks_for():
    for found in (connector.KVBMConnector, inert.inert_connector()):
        assert "kv_cache_config" in inspect.signature(found).parameters
