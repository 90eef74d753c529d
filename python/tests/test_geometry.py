"""Several cache groups, windows and latents: described as they are, or refused by name."""

from dataclasses import replace

import pytest
import torch
from facts_for_tests import facts, layer
from harness.config import kv_cache_config, layer_names, layer_spec, vllm_config
from harness.model import Shape
from vllm.v1.core.kv_cache_utils import get_kv_cache_config_from_groups, get_kv_cache_groups
from vllm.v1.kv_cache_interface import (
    ChunkedLocalAttentionSpec,
    CircularBufferSpec,
    FullAttentionSpec,
    HiSparseResidentSpec,
    KVCacheConfig,
    KVQuantMode,
    MambaSpec,
    MLAAttentionSpec,
    RSWASpec,
    SinkFullAttentionSpec,
    SlidingWindowMLASpec,
    SlidingWindowSpec,
    SparseCacheRole,
    create_kv_cache_views,
)
from vllm.v1.kv_cache_layout import KVCacheLayout

from swift_kvbm._vllm_adapter import _layer, read_facts
from swift_kvbm.facts import EngineFacts
from swift_kvbm.geometry import Geometry, NotCovered, describe
from swift_kvbm.layout import read_layout

BLOCKS = 12
SLIDING = {"kind": "sliding_window", "window_tokens": 256}
LATENT = {"kind": "mla_attention", "head_count": 1, "head_size": 576, "value_head_size": 0}
LATENT_LAYER = layer("a", **LATENT, page_bytes=32 * 576 * 2)
COMMON = {"block_size": 32, "num_kv_heads": 4, "head_size": 32, "dtype": torch.bfloat16}

SHAPES = {
    "full": Shape(),
    "hybrid": Shape(windows=(33, 0)),
    "three groups, one of them short": Shape(windows=(0, 70, 70), missing=1),
    "sliding": Shape(windows=(40,)),
    "latent": Shape(heads=1, head_size=16, latent=True),
    "float16, heads of 40": Shape(head_size=40, dtype=torch.float16, windows=(20, 0)),
    "bfloat16, heads of 80": Shape(head_size=80, dtype=torch.bfloat16),
    "float32, heads of 96": Shape(head_size=96, heads=3, dtype=torch.float32),
    "bfloat16, latents of 24": Shape(heads=1, head_size=24, dtype=torch.bfloat16, latent=True),
}


def planned(tmp_path, shape: Shape) -> tuple[EngineFacts, KVCacheConfig]:
    """The facts of an engine with that cache, as vLLM itself plans it."""
    config = vllm_config(tmp_path, {}, BLOCKS, shape)
    config.cache_config.kv_cache_layout = "LBHNC"
    config.cache_config.num_gpu_blocks_override = BLOCKS
    order = sorted(
        (int(name.split(".")[2]), name, window)
        for names, window in zip(layer_names(shape), shape.windows, strict=True)
        for name in names
    )
    specs = {name: layer_spec(shape, window) for _, name, window in order}
    groups = get_kv_cache_groups(config, specs)
    cache = get_kv_cache_config_from_groups(config, groups, 2**30)
    return read_facts(config, cache), cache


@pytest.mark.parametrize("name", SHAPES)
def test_the_harness_has_the_cache_that_vllm_would_make(tmp_path, name):
    shape = SHAPES[name]
    _, cache = planned(tmp_path, shape)
    ours = kv_cache_config(shape, BLOCKS)
    assert cache.kv_cache_groups == ours.kv_cache_groups
    assert cache.kv_cache_tensors == ours.kv_cache_tensors
    assert cache.num_blocks == ours.num_blocks


@pytest.mark.parametrize("name", SHAPES)
def test_vllms_own_plan_and_views_are_read(tmp_path, name):
    shape = SHAPES[name]
    engine, cache = planned(tmp_path, shape)
    geometry = describe(engine)
    raw = torch.zeros(cache.kv_cache_tensors[0].size, dtype=torch.int8)
    views = {}
    for group, tensor in zip(cache.kv_cache_groups, cache.kv_cache_tensors, strict=True):
        made = create_kv_cache_views(
            raw, group.kv_cache_spec, BLOCKS, KVCacheLayout.LBHNC, tensor, shape.block_tokens
        )
        views |= dict(zip(tensor.layers, made, strict=True))
    memory = read_layout(engine, geometry, views)
    size = shape.dtype.itemsize
    assert [len(layers) for layers in memory] == shape.group_layers
    for group, layers in zip(geometry.groups, memory, strict=True):
        assert group.token_bytes == (1 if shape.latent else 2) * shape.head_size * size
        for layer_name, found in zip(group.layers, layers, strict=True):
            view = views[layer_name]
            address = found.base + 7 * found.block_stride + (shape.heads - 1) * found.head_stride
            address += 5 * found.token_stride + found.kv_stride
            middle = view.shape[3] // 2
            assert address == view[7, shape.heads - 1, 5, middle:].data_ptr()
    # Groups lie over each other: the same bytes, of one group at a time.
    assert len({layers[0].base for layers in memory}) == 1


def groups(*entries: dict) -> Geometry:
    made = tuple((layer(f"model.layers.{i}.attn", **entry),) for i, entry in enumerate(entries))
    return describe(facts(groups=made))


def test_windows_and_latents_are_described():
    geometry = groups({}, SLIDING)
    assert geometry.windows == (0, 256)
    assert [group.kind for group in geometry.groups] == ["full", "sliding"]
    latent = describe(facts(groups=((LATENT_LAYER,),))).groups[0]
    assert (latent.kind, latent.head_count, latent.token_bytes) == ("mla", 1, 1152)
    assert latent.block_bytes == 32 * 1152


def test_all_ranks_hold_the_one_head_of_latents():
    shares = [
        describe(
            facts(
                groups=((LATENT_LAYER,),),
                tensor_parallel=2,
                worker_count=2,
                rank=rank,
                kv_head_count=1,
                kv_replicas=2,
            )
        ).share
        for rank in range(2)
    ]
    assert [(s.first_head, s.head_count, s.writes) for s in shares] == [(0, 1, True), (0, 1, False)]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{}] * 9, "9 cache groups"),
        ([{}, {"block_tokens": 64, "page_bytes": 32768}], "64 tokens a block"),
        ([{}, {"head_count": 2, "head_size": 64, "value_head_size": 64}], "differ in KV heads"),
        ([{**SLIDING, "window_tokens": 1}], "window of 1 token"),
        ([{**SLIDING, "window_tokens": 0}], "sliding attention with a window of 0"),
        ([{"window_tokens": 7}], "full attention with a window of 7"),
        ([{**LATENT, "head_size": 575}], "latents of 1 x 575"),
        ([{**LATENT, "head_count": 2}], "latents of 2 x 576"),
        ([{**LATENT, "value_head_size": 64}], "values of size 64"),
    ],
)
def test_what_is_not_covered_is_refused_by_name(entries, words):
    with pytest.raises(NotCovered, match=words):
        groups(*entries)


def test_a_group_without_layers_or_with_two_windows_is_refused():
    with pytest.raises(NotCovered, match="without layers"):
        describe(facts(groups=((layer("a"),), ())))
    mixed = (layer("a", **SLIDING), layer("b", kind="sliding_window", window_tokens=128))
    with pytest.raises(NotCovered, match="layers differ"):
        describe(facts(groups=(mixed,)))


LATENTS = {**COMMON, "num_kv_heads": 1}
ODD_SPECS = [
    (ChunkedLocalAttentionSpec(**COMMON, attention_chunk_size=64), "ChunkedLocalAttentionSpec"),
    (CircularBufferSpec(**COMMON), "CircularBufferSpec"),
    (HiSparseResidentSpec(block_size=32, page_size=4096), "HiSparseResidentSpec"),
    (MambaSpec(block_size=32, shapes=((4,),), dtypes=(torch.float32,)), "MambaSpec"),
    (RSWASpec(**COMMON, rswa_window=64), "RSWASpec"),
    (SinkFullAttentionSpec(**COMMON, sink_len=4), "SinkFullAttentionSpec"),
    (SlidingWindowMLASpec(**LATENTS, sliding_window=64), "SlidingWindowMLASpec"),
    (SlidingWindowSpec(**COMMON, sliding_window=64, extra_retained_tokens=2), "extra retained"),
    (SlidingWindowSpec(**COMMON, sliding_window=1), "window of 1 token"),
    (MLAAttentionSpec(**LATENTS, is_index_group_leader=True), "index for sparse"),
    (MLAAttentionSpec(**LATENTS, cache_role=SparseCacheRole.INDEXER), "index for sparse"),
    (MLAAttentionSpec(**LATENTS, model_version="deepseek_v4"), "form of deepseek_v4"),
    (MLAAttentionSpec(**LATENTS, tokens_per_state=4), "4 tokens a state"),
    (FullAttentionSpec(**COMMON, kv_quant_mode=KVQuantMode.FP8_PER_TENSOR), "quantised"),
    (FullAttentionSpec(**COMMON, non_causal=True), "not causal"),
    (FullAttentionSpec(**COMMON, page_size_padded=65536), "padded"),
]


@pytest.mark.parametrize(("spec", "words"), ODD_SPECS, ids=[words for _, words in ODD_SPECS])
def test_vllms_other_caches_are_refused_by_name(spec, words):
    read = _layer("model.layers.0.attn", spec, "")
    with pytest.raises(NotCovered, match=words):
        describe(facts(groups=((read,),)))


def test_full_attention_that_knows_a_window_keeps_every_block():
    # What vLLM makes of sliding layers without its hybrid manager.
    read = _layer("a", FullAttentionSpec(**COMMON, sliding_window=64), "")
    assert describe(facts(groups=((read,),))).windows == (0,)


def test_latents_are_refused_where_the_backend_ignores_what_was_computed_before(tmp_path):
    engine, cache = planned(tmp_path, SHAPES["latent"])
    describe(engine)
    config = vllm_config(tmp_path, {}, BLOCKS, SHAPES["latent"])
    config.scheduler_config.enable_chunked_prefill = False
    refused = read_facts(config, cache)
    assert replace(refused, resumes_prompts=True) == replace(engine, instance=refused.instance)
    with pytest.raises(NotCovered, match="middle of a prompt"):
        describe(refused)
