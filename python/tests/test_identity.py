"""The namespace's description and the weights' identity."""

import json
import struct
from dataclasses import replace

import pytest
from facts_for_tests import facts, layer

from swift_kvbm.geometry import NotCovered, describe
from swift_kvbm.identity import canonical_json, namespace_description
from swift_kvbm.weights import digest_weights, weights_identity


def description(**changes) -> bytes:
    engine = facts(**changes)
    return namespace_description(engine, describe(engine), {"kind": "declared", "value": "w"})


def test_the_description_is_canonical():
    text = description().decode()
    value = json.loads(text)
    assert text == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert value["kv_semantics"] == {"engine": "vllm", "generation": 1}
    assert value["groups"] == [
        {"kind": "full", "heads": 4, "head_size": 32, "layers": 4, "block_tokens": 32}
    ]


def test_it_names_no_host_path_layout_or_engine():
    assert description() == description(
        model="/elsewhere/copy",
        instance="another",
        layout="LBNHC",
        version="0.33",
        block_count=150,
        load_failure_policy="fail",
    )


def test_it_is_the_same_for_every_number_of_ranks():
    def of_ranks(ranks: int, replicas: int, heads: int) -> bytes:
        layers = tuple(
            layer(f"model.layers.{index}.self_attn.attn", head_count=heads, page_bytes=4096 * heads)
            for index in range(4)
        )
        return description(
            tensor_parallel=ranks,
            worker_count=ranks,
            rank=ranks - 1,
            kv_head_count=4,
            kv_replicas=replicas,
            groups=(layers,),
        )

    assert of_ranks(2, 1, 2) == of_ranks(4, 1, 1) == of_ranks(8, 2, 1) == description()
    assert of_ranks(16, 4, 1) == description()


@pytest.mark.parametrize(
    "changes",
    [
        {"rope": {"rope_theta": 500000.0}},
        {"quantization": "fp8"},
        {"model_dtype": "float16"},
        {"overrides": {"rope_theta": 1}},
        {"quantization_settings": {"bits": 4}},
    ],
)
def test_whatever_decides_the_kv_changes_it(changes):
    assert description(**changes) != description()


def test_what_json_cannot_say_is_an_error():
    with pytest.raises(ValueError):
        canonical_json({"x": float("nan")})
    with pytest.raises(TypeError):
        canonical_json({"x": object()})


def write_tensors(path, tensors: dict[str, bytes]) -> None:
    header, offset = {}, 0
    for name, data in tensors.items():
        header[name] = {
            "dtype": "U8",
            "shape": [len(data)],
            "data_offsets": [offset, offset + len(data)],
        }
        offset += len(data)
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(tensors.values()))


def test_the_digest_sees_names_shapes_and_bytes_and_not_the_files(tmp_path):
    small, large = bytes(range(200)), bytes(300_000)
    one, two, three = (tmp_path / f"{n}.safetensors" for n in "abc")
    write_tensors(one, {"x": small, "y": large})
    write_tensors(two, {"y": large})
    write_tensors(three, {"x": small})
    whole = digest_weights([one])
    assert digest_weights([two, three]) == whole
    for changed in (
        {"x": small[:-1] + b"\xff", "y": large},
        {"x": small, "y": large[:-1] + b"\1"},
        {"x": small, "y": b"\1" + large[1:]},
        {"x": small, "z": large},
        {"x": small[:-1], "y": large},
    ):
        write_tensors(three, changed)
        assert digest_weights([three]) != whole


def test_the_digest_is_remembered_until_a_file_changes(tmp_path, monkeypatch):
    model, cache = tmp_path / "model", tmp_path / "cache"
    model.mkdir()
    write_tensors(model / "m.safetensors", {"x": b"1234"})
    engine = facts(model=str(model))
    first = weights_identity(engine, None, cache)
    assert first["kind"] == "digest" and len(first["value"]) == 64
    monkeypatch.setattr("swift_kvbm.weights.digest_weights", lambda files: "0" * 64)
    assert weights_identity(engine, None, cache) == first
    write_tensors(model / "m.safetensors", {"x": b"12345"})
    assert weights_identity(engine, None, cache)["value"] == "0" * 64


def test_weights_without_identity_are_not_shared(tmp_path):
    (tmp_path / "model").mkdir()
    engine = facts(model=str(tmp_path / "model"))
    for unknown in (engine, replace(engine, load_format="dummy"), replace(engine, model="org/x")):
        with pytest.raises(NotCovered, match="weights_id"):
            weights_identity(unknown, None, tmp_path)
        assert weights_identity(unknown, "mine", tmp_path) == {"kind": "declared", "value": "mine"}
    (tmp_path / "model" / "m.safetensors").write_bytes(b"short")
    with pytest.raises(NotCovered, match="m.safetensors"):
        weights_identity(engine, None, tmp_path)


def test_a_commit_identifies_the_weights():
    commit = "0123456789abcdef0123456789abcdef01234567"
    engine = facts(model="org/model", revision=commit)
    assert weights_identity(engine, None) == {"kind": "commit", "value": commit}


SLIDING = {"kind": "sliding_window", "window_tokens": 256}


def groups_of(*groups: dict[int, dict]) -> dict:
    """Groups as layer number -> what the layer has of its own."""
    made = tuple(
        tuple(layer(f"model.layers.{n}.attn", **changes) for n, changes in group.items())
        for group in groups
    )
    return {"groups": made}


def test_windows_and_latents_are_named():
    value = json.loads(description(**groups_of({0: SLIDING, 2: SLIDING}, {1: {}, 3: {}})))
    common = {"heads": 4, "head_size": 32, "layers": 2, "block_tokens": 32}
    assert value["groups"] == [
        {**common, "kind": "sliding", "window": 256, "places": [0, 2]},
        {**common, "kind": "full", "places": [1, 3]},
    ]
    latent = {"kind": "mla_attention", "head_count": 1, "value_head_size": 0, "page_bytes": 2048}
    (group,) = json.loads(description(**groups_of({0: latent})))["groups"]
    assert group == {"kind": "mla", "heads": 1, "head_size": 32, "layers": 1, "block_tokens": 32}


def test_another_window_or_another_deal_of_the_layers_is_another_namespace():
    first = description(**groups_of({0: SLIDING, 2: SLIDING}, {1: {}, 3: {}}))
    wider = {**SLIDING, "window_tokens": 257}
    assert description(**groups_of({0: wider, 2: wider}, {1: {}, 3: {}})) != first
    assert description(**groups_of({0: SLIDING, 1: SLIDING}, {2: {}, 3: {}})) != first
    assert description(**groups_of({1: {}, 3: {}}, {0: SLIDING, 2: SLIDING})) != first
    # The order in which an engine lists the layers of a group says nothing.
    assert description(**groups_of({2: SLIDING, 0: SLIDING}, {3: {}, 1: {}})) == first
