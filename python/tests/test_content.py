"""Media and prompt embeddings: what of a request beside its tokens is named, and how."""

import hashlib
import time
from array import array
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from harness.nodes import Node
from test_adapters import until
from test_library import BLOCK_TOKENS, engine
from test_scheduler import BLOCK, Recorder, request

from swift_kvbm import _native, content
from swift_kvbm.adapters import Adapter, Adapters, adapter_settings
from swift_kvbm.content import Item, Unidentified, content_items, media_settings
from swift_kvbm.handles import NativeScheduler, NativeWorker
from swift_kvbm.identity import canonical_json
from swift_kvbm.layout import LayerMemory
from swift_kvbm.scheduler import SchedulerHalf
from swift_kvbm.sequence import Identities, Identity

SETTINGS = {"settings": {}, "files": {}, "releases": {"vllm": "1"}}
SHA = [hashlib.sha256(bytes([index])).hexdigest() for index in range(4)]


def image(offset: int, length: int, name: str = SHA[0], modality: str = "image"):
    place = SimpleNamespace(offset=offset, length=length)
    return SimpleNamespace(identifier=name, mm_position=place, modality=modality)


def with_media(*features, **changes):
    return request(100, mm_features=list(features), **changes)


def items(asked, settings=SETTINGS) -> list[Item]:
    return content_items(asked, BLOCK, settings)


# MARK: Media


def test_media_are_named_by_their_digest_kind_and_the_settings_that_read_them():
    (item,) = items(with_media(image(5, 20)))
    assert (item.position, item.count, len(item.digest)) == (5, 20, 32)
    assert items(with_media(image(5, 20))) == [item]
    others = [
        items(with_media(image(5, 20, SHA[1])))[0],
        items(with_media(image(5, 20, modality="video")))[0],
        items(with_media(image(5, 20)), {**SETTINGS, "releases": {"vllm": "2"}})[0],
        items(with_media(image(5, 20)), {**SETTINGS, "files": {"preprocessor_config.json": "x"}})[
            0
        ],
    ]
    assert len({item.digest, *(other.digest for other in others)}) == 5
    assert [i.position for i in items(with_media(image(0, 4), image(4, 4, SHA[1])))] == [0, 4]


@pytest.mark.parametrize("name", ["", None, "cat.png", "renderer0-mm-1-image-0", SHA[0].upper()])
def test_media_without_a_digest_of_their_content_are_not_shared(name):
    with pytest.raises(Unidentified, match="named"):
        items(with_media(image(0, 4), image(4, 4, name)))


def test_an_adapter_may_stand_before_the_digest_and_a_client_may_not():
    lora = SimpleNamespace(lora_name="a:b")
    assert items(with_media(image(0, 4, f"a:b:{SHA[0]}"), lora_request=lora))
    with pytest.raises(Unidentified):
        items(with_media(image(0, 4, f"a:b:{SHA[0]}")))


def test_media_are_not_shared_where_they_are_not_hashed():
    with pytest.raises(Unidentified, match="does not hash"):
        items(with_media(image(0, 4)), None)
    with pytest.raises(Unidentified, match="no place"):
        items(with_media(image(0, 0)))
    with pytest.raises(Unidentified, match="more than 4,096"):
        items(with_media(*(image(index, 1) for index in range(4097))))


def vllm_config(folder, caching=True, cache_gb=4.0, transfer=None, **changes):
    known = {"mm_processor_kwargs": None, "media_io_kwargs": {}, "skip_mm_profiling": False}
    media = SimpleNamespace(mm_processor_cache_gb=cache_gb, **{**known, **changes})
    return SimpleNamespace(
        model_config=SimpleNamespace(multimodal_config=media, model=str(folder)),
        cache_config=SimpleNamespace(enable_prefix_caching=caching),
        ec_transfer_config=transfer,
    )


def test_the_settings_of_media_hold_all_that_decides_what_becomes_of_them(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text('{"size": 224}')
    first = media_settings(vllm_config(tmp_path), {"vllm": "1"})
    assert first == media_settings(vllm_config(tmp_path, skip_mm_profiling=True), {"vllm": "1"})
    # The cache's size matters only where without it nothing is hashed.
    assert first == media_settings(vllm_config(tmp_path, cache_gb=0.0), {"vllm": "1"})
    changed = [
        media_settings(vllm_config(tmp_path), {"vllm": "2"}),
        media_settings(vllm_config(tmp_path, mm_processor_kwargs={"fps": 2}), {"vllm": "1"}),
        # A field that a later vLLM may have.
        media_settings(vllm_config(tmp_path, image_quality=3), {"vllm": "1"}),
    ]
    (tmp_path / "preprocessor_config.json").write_text('{"size": 448}')
    changed.append(media_settings(vllm_config(tmp_path), {"vllm": "1"}))
    assert all(other != first for other in changed)


def test_vllms_own_configurations_can_be_read(tmp_path):
    from vllm.config import LoRAConfig, MultiModalConfig

    config = vllm_config(tmp_path)
    config.model_config.multimodal_config = MultiModalConfig()
    found = media_settings(config, {"vllm": "1"})
    assert found is not None and "mm_processor_kwargs" in found["settings"]
    # Nothing in it is of this process only, such as an address.
    assert "0x" not in canonical_json(found).decode()
    assert adapter_settings(LoRAConfig(target_modules=["v", "k"]))["targets"] == ["k", "v"]


def test_media_that_vllm_numbers_or_takes_from_elsewhere_have_no_settings(tmp_path):
    assert media_settings(vllm_config(tmp_path, caching=False, cache_gb=0.0), {}) is None
    assert media_settings(vllm_config(tmp_path, transfer=object()), {}) is None
    text_only = vllm_config(tmp_path)
    text_only.model_config.multimodal_config = None
    assert media_settings(text_only, {}) is None


# MARK: Prompt embeddings


def embedded(count: int, mask=None, dtype=torch.bfloat16, seed: int = 1, width: int = 8, **more):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, width, generator=generator).to(dtype)
    return request(
        count, all_token_ids=[0] * count, prompt_embeds=rows, prompt_is_token_ids=mask, **more
    )


def test_every_block_of_embeddings_has_an_item_of_its_own():
    found = items(embedded(3 * BLOCK + 5))
    assert [(i.position, i.count) for i in found] == [(0, 16), (16, 16), (32, 16), (48, 5)]
    # Equal beginnings are equal, whatever follows.
    longer, shorter = embedded(4 * BLOCK), embedded(4 * BLOCK)
    shorter.prompt_embeds = shorter.prompt_embeds[: 2 * BLOCK]
    assert items(longer)[:2] == items(shorter)
    longer.prompt_embeds[20, 3] += 1
    assert items(longer)[0] == items(shorter)[0] and items(longer)[1] != items(shorter)[1]


def test_the_type_and_shape_of_embeddings_are_part_of_their_name():
    first = embedded(BLOCK)
    other, wider = embedded(BLOCK), embedded(BLOCK)
    other.prompt_embeds = first.prompt_embeds.view(torch.float16)
    wider.prompt_embeds = first.prompt_embeds.view(BLOCK // 2, 16)
    assert len({items(i)[0].digest for i in (first, other, wider)}) == 3


def test_which_positions_are_tokens_is_part_of_the_name():
    mask = [False] * 10 + [True] * 12 + [False] * 10
    found = items(embedded(32, mask))
    assert [(i.position, i.count) for i in found] == [(0, 10), (22, 10)]
    # A row that is not used names nothing, one that is used does.
    other = embedded(32, mask)
    other.prompt_embeds[12] += 1
    assert items(other) == found
    other.prompt_embeds[25] += 1
    assert items(other)[0] == found[0] and items(other)[1] != found[1]
    assert items(embedded(32, [True] * 32)) == []


def test_what_vllm_has_hashed_is_not_hashed_again(monkeypatch):
    from vllm.v1.core.kv_cache_utils import generate_block_hash_extra_keys

    asked = embedded(2 * BLOCK)
    plain = items(asked)
    # As vLLM's own block hasher leaves it on the request.
    asked._prompt_embeds_per_block_hashes = {}
    for first in (0, BLOCK):
        generate_block_hash_extra_keys(asked, first, first + BLOCK, 0)
    monkeypatch.setattr(content, "_row_bytes", None)
    assert items(asked) == plain


def test_what_would_take_a_step_too_long_to_hash_is_not_shared(monkeypatch):
    monkeypatch.setattr(content, "HASHED_BYTES_MAX", 16 * 2 * BLOCK)
    assert items(embedded(2 * BLOCK))
    with pytest.raises(Unidentified, match="very long"):
        items(embedded(2 * BLOCK + 1))
    monkeypatch.setattr(content, "ITEMS_MAX", 1)
    with pytest.raises(Unidentified, match="very long"):
        items(embedded(2 * BLOCK))


def test_embeddings_that_do_not_fit_their_prompt_are_not_shared():
    with pytest.raises(Unidentified):
        items(embedded(32, [False] * 31))
    lost = embedded(32, [False] * 32)
    lost.prompt_embeds = None
    with pytest.raises(Unidentified):
        items(lost)


# MARK: Both halves


def test_contents_are_said_before_the_first_token_and_again_after_a_reset():
    native = Recorder()
    half = SchedulerHalf(native, BLOCK)
    half.identities = Identities(Adapters({}), SETTINGS, BLOCK)
    asked = with_media(image(5, 20), image(60, 3, SHA[1]))
    assert half.matched(asked, 0)[0] == 96
    names = [call[0] for call in native.calls]
    assert names == ["begin", "content", "content", "append", "match"]
    half.reset()
    half.matched(asked, 0)
    said = native.named("content")
    assert [call[0] for call in said] == [1, 1, 2, 2]
    assert [call[1:] for call in said[:2]] == [call[1:] for call in said[2:]]


def test_a_request_whose_content_cannot_be_said_leaves_nothing_behind():
    native = Recorder()
    half = SchedulerHalf(native, BLOCK)
    half.identities = Identities(Adapters({}), SETTINGS, BLOCK)
    native.broken = {"content"}
    assert half.matched(with_media(image(5, 20)), 0) == (0, False)
    assert native.named("end") == [(1,)] and native.named("append") == []


# MARK: The library and the node


@pytest.fixture
def kept(binaries, tmp_path):
    """Stores the 3 blocks of a request under an identity; says how many of them another finds."""
    node = Node(tmp_path / "node")
    library = _native.Library(_native.library_path())
    described = engine(node)
    scheduler = NativeScheduler(library, described)
    worker = NativeWorker(library, described, 0, 1)
    assert worker.attach(5000)[0] == 0 and scheduler.attach(5000)[0] == 0
    page, blocks = 2 * BLOCK_TOKENS * 2 * 4 * 2, 8
    memory = [np.zeros(page * blocks, np.uint8) for _ in "ab"]
    layers = [LayerMemory(layer.ctypes.data, page, page // 2, 16, 8) for layer in memory]
    worker.register(0, layers, blocks)
    tokens = array("I", range(3 * BLOCK_TOKENS))

    def begin(identity: Identity) -> int:
        handle = identity.begin(scheduler, b"", "")
        scheduler.append(handle, tokens)
        return handle

    def store(identity: Identity) -> None:
        handle = begin(identity)
        scheduler.store(handle, 0, array("I", [1, 2, 3]))
        plan = scheduler.step(array("I"))
        worker.start_stores(plan)
        until(lambda: scheduler.match(handle, 0, 3) == (3, 0))
        scheduler.end(handle)

    def found(identity: Identity) -> int:
        handle = begin(identity)
        ready, _ = scheduler.match(handle, 0, 3)
        scheduler.end(handle)
        return ready

    yield store, found
    worker.close(True)
    scheduler.close(True)
    assert node.stop() == 0


def adapter(digest: bytes) -> Adapter:
    return Adapter("", False, digest, watched_at=time.monotonic())


def test_no_block_passes_from_one_identity_to_another(kept):
    store, found = kept
    one, two = b"\1" * 32, b"\2" * 32
    # What each shares with the plain request: all before the first block that differs.
    identities = [
        (Identity(), 3),
        (Identity(adapter=adapter(one)), 0),
        (Identity(adapter=adapter(two)), 0),
        (Identity(b"salt", adapter(one)), 0),
        (Identity(items=[Item(BLOCK_TOKENS, 2, one)]), 1),
        (Identity(items=[Item(BLOCK_TOKENS, 2, two)]), 1),
        (Identity(items=[Item(BLOCK_TOKENS + 1, 2, one)]), 1),
        (Identity(items=[Item(BLOCK_TOKENS, 3, one)]), 1),
        (Identity(items=[Item(BLOCK_TOKENS, 2, one), Item(2 * BLOCK_TOKENS, 1, two)]), 1),
        (Identity(items=[Item(2 * BLOCK_TOKENS, 1, one)]), 2),
    ]
    store(Identity())
    assert [found(identity) for identity, _ in identities] == [shared for _, shared in identities]
    for identity, _ in identities[1:]:
        assert found(identity) < 3, identity
        store(identity)
    assert [found(identity) for identity, _ in identities] == [3] * len(identities)
