"""Tenants: what is configured, who is told to pay, and what a node makes of it."""

import json
import subprocess
import time
from array import array
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from golden.stored import BLOCK_TOKENS, Device
from harness.nodes import Node

from swift_kvbm.config import parse_settings
from swift_kvbm.metrics import Tally
from swift_kvbm.node import node_binary, node_command
from swift_kvbm.retention import Wishes, requested
from swift_kvbm.tenants import Payer

SHARES = {"acme": {"host_share": "50%", "host_reserve": 20}, "*": {"host_share": "25%"}}


def test_shares_go_to_the_node_and_names_stay_here():
    said = parse_settings({"tenants": SHARES, "tenant": "acme"}, {})
    assert said.payer == Payer("acme") and said.tenants is not None
    assert json.loads(said.tenants) == {
        "acme": {"host_share": 50, "host_reserve": 20},
        "*": {"host_share": 25},
    }
    command = node_command(said, "/run/x.sock")
    assert command[command.index("--tenants") + 1] == said.tenants
    # The order in which they are written does not make another node; another share does.
    again = parse_settings({"tenants": dict(reversed(SHARES.items()))}, {})
    assert again.canonical() == said.canonical()
    assert parse_settings({}, {"KVBM_TENANTS": json.dumps(SHARES)}).tenants == said.tenants
    assert parse_settings({}, {}).canonical() != said.canonical()
    assert "--tenants" not in node_command(parse_settings({}, {}), "/run/x.sock")


def test_a_node_of_somebody_else_has_its_own_shares_and_is_told_who_pays():
    said = {"node": "unix:/run/x.sock", "tenant": "acme", "tenant_from_requests": "always"}
    assert parse_settings(said, {}).payer == Payer("acme", True)
    with pytest.raises(ValueError, match="tenants = .* cannot be given together with node"):
        parse_settings({**said, "tenants": SHARES}, {})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("x", "tenants = 'x' is no JSON"),
        ({}, "tenants = {} must be an object of tenants"),
        ({"a b": {}}, "tenants.a b must be a name of 1 to 64"),
        ({"a": 3}, "tenants.a = 3 must be an object"),
        ({"a": {"host": "3%"}}, "unknown key tenants.a.host; it must be host_share"),
        ({"a": {"host_share": "101%"}}, "tenants.a.host_share = '101%' must be a share"),
        ({"a": {"host_share": 0.3}}, "tenants.a.host_share = 0.3 must be a share"),
        ({"*": {"disk_reserve": "1%"}}, r"tenants.\*.disk_reserve = 1% cannot be"),
        ({"a": {"host_share": "5%", "host_reserve": "6%"}}, "no more than its host_share, 5%"),
        ({n: {"disk_reserve": "60%"} for n in "ab"}, "reserves 120% of the disk tier"),
    ],
)
def test_what_no_node_would_take_is_refused_at_start(wrong, words):
    with pytest.raises(ValueError, match=words):
        parse_settings({"tenants": wrong}, {})


@pytest.mark.parametrize("name", ["", "a" * 65, "a/b", "*", 7])
def test_a_tenant_has_a_name(name):
    with pytest.raises(ValueError, match="tenant = .* must be a name"):
        parse_settings({"tenant": name}, {})


def wishes(params, payer: Payer, tally: Tally | None = None) -> Wishes:
    request = SimpleNamespace(request_id="r", kv_transfer_params=params)
    return requested(request, tally or Tally(), payer)


def test_the_engine_s_tenant_pays_and_a_request_s_only_where_requests_are_trusted(heard):
    named = {"kvbm": {"tenant": "other", "priority": 90}}
    assert wishes(None, Payer("acme")).tenant == "acme"
    assert wishes({"kvbm": {"priority": 90}}, Payer("acme", True)).tenant == "acme"
    trusted = wishes(named, Payer("acme", True))
    assert trusted.tenant == "other" and trusted.ranges[0].priority == 90
    assert heard() == []
    tally = Tally()
    assert wishes(named, Payer("acme"), tally) == Wishes(tenant="acme")
    assert tally.take("").data["kvbm_ignored_params"] == 1
    (said,) = heard()
    assert "tenants are not taken from requests (tenant_from_requests)" in said


@pytest.mark.parametrize("name", ["", "a b", 7, ["acme"]])
def test_a_name_that_is_none_is_ignored_with_all_that_stands_beside_it(name, heard):
    assert wishes({"kvbm": {"tenant": name, "priority": 90}}, Payer(None, True)) == Wishes()
    assert len(heard()) == 1


def test_who_pays_is_told_before_anything_else():
    calls: list[tuple] = []
    native = SimpleNamespace(
        pay=lambda *said: calls.append(("pay", *said)),
        retain=lambda *said: calls.append(("retain", *said)),
    )
    wishes({"kvbm": {"priority": 90}}, Payer("acme")).tell(native, 7, 16)
    assert [call[0] for call in calls] == ["pay", "retain"] and calls[0] == ("pay", 7, "acme")


def test_a_node_counts_what_each_tenant_has(binaries, tmp_path):
    """Offers of two tenants' requests: one stops at its share, and the node says so."""
    shares = '{"small": {"host_share": "10%"}}'
    node = Node(tmp_path / "node", 2**20, environment={"KVBM_TENANTS": shares})
    device = Device(node.socket)
    try:
        small = offer(device, "small", 0)["small"]
        assert 0 < small["blocks"] == small["limit"] < 64
        figures = offer(device, "large", 1000)
        assert figures["large"]["blocks"] == 64 and figures["large"]["reserved"] == 0
        assert figures["small"] == small
        assert node.status()["counters"]["host_over_share"] == 1
        # Who asks for what did not come in learns why.
        command = [node_binary(), "explain", "small", "--socket", node.socket, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        (told,) = json.loads(done.stdout)["requests"]
        assert told["tenant"] == "small" and told["first_missing"] == small["blocks"]
        assert told["reason"].endswith("over its tenant's share")
    finally:
        device.close()
        node.stop()


def offer(device: Device, tenant: str, first: int) -> dict[str, dict]:
    """A request of that tenant offers 64 blocks that nobody copies; what the tenants have then."""
    request = device.scheduler.begin(b"", b"", tenant)
    device.scheduler.pay(request, tenant)
    device.scheduler.append(request, array("I", range(first, first + 64 * BLOCK_TOKENS)))
    device.scheduler.store(request, 0, array("I", range(64)))
    device.scheduler.step(array("I"))
    device.scheduler.match(request, 0, 64)
    figures = json.loads(device.scheduler.stats())["tenants"]
    return {of["tenant"]: of for of in figures if of["tier"] == "host"}


def test_who_pays_for_what_is_on_disk_is_known_after_a_restart(binaries, tmp_path):
    shares = {"KVBM_TENANTS": '{"*": {"disk_share": "50%"}}'}
    node = Node(tmp_path / "node", 2**20, tmp_path / "disk", environment=shares)
    device = Device(node.socket)
    request, count = device.begin(b"", array("I", range(8 * BLOCK_TOKENS)))
    device.scheduler.pay(request, "acme")
    device.scheduler.store(request, 0, array("I", range(1, 1 + count)))
    device.worker.start_stores(device.scheduler.step(array("I")))
    device.worker.drain(10_000)
    wait(lambda: held(node, "acme", "disk") == count and not node.status()["pending_writes"])
    device.close()
    assert node.stop() == 0
    node.start()
    # Of whom no request has come only blocks are known.
    wait(lambda: held(node, "tag:", "disk") == count)
    device = Device(node.socket)
    request, count = device.begin(b"", array("I", range(8 * BLOCK_TOKENS)))
    device.scheduler.pay(request, "acme")
    assert device.ready(request, count, count) == count
    assert held(node, "acme", "disk") == held(node, "acme", "host") == count
    device.close()
    node.stop()


def held(node: Node, tenant: str, tier: str) -> int:
    """Blocks in a tier of the tenant whose name begins so."""
    return sum(
        of["blocks"]
        for of in node.status()["tenants"]
        if of["tenant"].startswith(tenant) and of["tier"] == tier
    )


def wait(is_over: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_over():
        assert time.monotonic() < deadline
        time.sleep(0.02)
