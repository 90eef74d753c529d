"""Geometry and layout: read from specs and strides; what is not understood is refused by name."""

import pytest
import torch
from facts_for_tests import facts, layer

from swift_kvbm.facts import TensorFacts
from swift_kvbm.geometry import NotCovered, Share, describe
from swift_kvbm.layout import read_layout

TWO_RANKS = {"tensor_parallel": 2, "worker_count": 2, "kv_head_count": 8}
NAMES = [f"model.layers.{index}.self_attn.attn" for index in range(4)]


def tensors(order: str = "LBHNC", blocks: int = 150) -> tuple[dict[str, torch.Tensor], TensorFacts]:
    """Views in a physical order of dimensions, and vLLM's plan for them."""
    sides = {"L": 4, "B": blocks, "H": 4, "N": 32, "C": 64}
    whole = torch.zeros([sides[d] for d in order], dtype=torch.bfloat16)
    logical = whole.permute([order.index(d) for d in "LBHNC"])
    views = dict(zip(NAMES, logical, strict=True))
    plan = TensorFacts(
        tuple(NAMES), whole.numel() * 2, 0, logical.stride(0) * 2, logical.stride(1) * 2
    )
    return views, plan


def test_a_covered_engine_is_described():
    geometry = describe(facts())
    (group,) = geometry.groups
    assert (group.head_count, group.token_bytes, group.block_bytes) == (4, 128, 65536)
    assert geometry.block_bytes == 65536


@pytest.mark.parametrize(
    ("ranks", "replicas", "heads", "shares"),
    [
        (2, 1, 8, [(0, True), (4, True)]),
        (4, 1, 16, [(0, True), (4, True), (8, True), (12, True)]),
        (4, 2, 8, [(0, True), (0, False), (4, True), (4, False)]),
        (2, 2, 4, [(0, True), (0, False)]),
    ],
)
def test_ranks_share_the_heads_and_one_of_those_with_the_same_writes(
    ranks, replicas, heads, shares
):
    for rank, (first, writes) in enumerate(shares):
        geometry = describe(
            facts(
                tensor_parallel=ranks,
                worker_count=ranks,
                rank=rank,
                kv_head_count=heads,
                kv_replicas=replicas,
            )
        )
        assert geometry.groups[0].head_count == heads
        assert geometry.groups[0].block_bytes == 16384 * heads
        assert geometry.share == Share(first, 4, writes)


def test_layers_are_ordered_by_number_not_by_text():
    names = [f"model.layers.{index}.attn" for index in (10, 9, 2, 0)]
    geometry = describe(facts(groups=(tuple(layer(name) for name in names),)))
    assert [name.split(".")[2] for name in geometry.groups[0].layers] == ["0", "2", "9", "10"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tensor_parallel": 64, "worker_count": 64}, "tensor parallelism of 64"),
        ({"host_count": 2}, "several hosts"),
        ({**TWO_RANKS, "kv_head_count": 4}, "4 KV heads of which 2 ranks hold 4 each"),
        ({**TWO_RANKS, "kv_replicas": 2}, "8 KV heads of which 2 ranks hold 4 each"),
        ({**TWO_RANKS, "kv_replicas": 3}, "rank 0 of 2, 3 of which"),
        ({**TWO_RANKS, "rank": 2}, "rank 2 of 2"),
        ({"pipeline_parallel": 2}, "pipeline parallelism of 2"),
        ({"decode_context_parallel": 2}, "decode context parallelism"),
        ({"prefill_context_parallel": 2}, "prefill context parallelism"),
        ({"worker_count": 4}, "several workers a tensor-parallel rank of 4"),
        ({"role": "kv_consumer"}, "kv_consumer"),
        ({"device": "cuda"}, "cuda"),
        ({"speculative": "eagle"}, "eagle"),
        ({"encoder_decoder": True}, "encoder-decoder"),
        ({"dynamic_kv_scales": True}, "scales"),
        ({"needs_zeroing": True}, "zero"),
        ({"resumes_prompts": False}, "middle of a prompt"),
        ({"groups": ()}, "0 cache groups"),
        ({"groups": ((layer("a", kind="MambaSpec"),),)}, "MambaSpec"),
        ({"groups": ((layer("a", oddity="padded KV pages"),),)}, "padded KV pages"),
        ({"groups": ((layer("a"), layer("b", head_size=64)),)}, "differ"),
        ({"groups": ((layer("a", value_head_size=16),),)}, "values of size 16"),
        ({"groups": ((layer("a", page_bytes=20000),),)}, "pages of 20000 bytes"),
        ({"block_tokens": 16}, "counts 16"),
    ],
)
def test_what_is_not_covered_is_refused_by_name(changes, words):
    with pytest.raises(NotCovered, match=words):
        describe(facts(**changes))


@pytest.mark.parametrize("order", ["LBHNC", "LBNHC", "BLHNC", "BHLNC", "LHBNC"])
def test_every_layout_with_k_and_v_side_by_side_is_read(order):
    views, plan = tensors(order)
    engine = facts(tensors=(plan,))
    (layers,) = read_layout(engine, describe(engine), views)
    view = views[NAMES[2]]
    memory = layers[2]
    address = memory.base + 7 * memory.block_stride + 3 * memory.head_stride
    address += 5 * memory.token_stride + memory.kv_stride
    assert address == view[7, 3, 5, 32:].data_ptr()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda v: v.pop(NAMES[1]), "without registered memory"),
        (lambda v: v.update({NAMES[1]: v[NAMES[1]][:, :2]}), "shape"),
        (lambda v: v.update({NAMES[1]: v[NAMES[1]].to(torch.float16)}), "float16"),
        (lambda v: v.update({NAMES[1]: v[NAMES[1]].clone()}), "planned"),
        (lambda v: v.update({NAMES[1]: v[NAMES[2]]}), "planned"),
        (
            lambda v: v.update({NAMES[1]: v[NAMES[1]].mT.contiguous().mT}),
            "not contiguous",
        ),
        (lambda v: v.update({NAMES[1]: v[NAMES[1]].to("meta")}), "meta"),
        (
            lambda v: v.update(
                {NAMES[1]: v[NAMES[1]].view(300, 4, 16, 64)}  # kernel blocks: half a block each
            ),
            "shape",
        ),
    ],
)
def test_tensors_that_contradict_the_specs_are_refused(spoil, words):
    views, plan = tensors()
    spoil(views)
    engine = facts(tensors=(plan,))
    with pytest.raises(NotCovered, match=words):
        read_layout(engine, describe(engine), views)


def test_overlapping_strides_are_refused():
    views, plan = tensors()
    view = views[NAMES[0]]
    views[NAMES[0]] = view.as_strided(view.shape, (view.stride(0), 64, 64, 1))
    engine = facts(tensors=(plan,))
    with pytest.raises(NotCovered, match="overlap"):
        read_layout(engine, describe(engine), views)


def test_a_layer_outside_the_plan_is_refused():
    views, _ = tensors()
    engine = facts(tensors=())
    with pytest.raises(NotCovered, match="without a place"):
        read_layout(engine, describe(engine), views)
