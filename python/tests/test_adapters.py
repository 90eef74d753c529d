"""LoRA adapters by content: what shares, what does not, and what is not shared at all."""

import json
import os
import threading
import time
from types import SimpleNamespace

import pytest
from test_scheduler import BLOCK, Recorder, request, step

from swift_kvbm import adapters as module
from swift_kvbm.adapters import Adapter, Adapters, adapter_settings
from swift_kvbm.scheduler import SchedulerHalf
from swift_kvbm.sequence import Identities


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The watch in shorter steps, and files that may be as young as the test."""
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(module, "_STAMP_MARGIN_NS", -(10**9))


@pytest.fixture
def known(request):
    """Makes the adapters of an engine, and ends them."""
    made = []

    def make(**settings) -> Adapters:
        made.append(Adapters({"dtype": "bfloat16", **settings}))
        return made[-1]

    yield make
    for adapters in made:
        adapters.close()


def make_adapter(folder, weights: bytes = b"weights", name="adapter_model.safetensors", **config):
    folder.mkdir(parents=True)
    (folder / name).write_bytes(weights)
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8, "lora_alpha": 16, **config}))
    return folder


def lora(path, number: int = 1, name: str = "a", **changes):
    known = {"load_inplace": False, "is_3d_lora_weight": False, **changes}
    return SimpleNamespace(lora_name=name, lora_int_id=number, lora_path=str(path), **known)


def until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def settled(adapters: Adapters, item) -> Adapter:
    adapters.find(item)
    until(lambda: not adapters.find(item).pending)
    return adapters.find(item)


def digest(adapters: Adapters, item) -> bytes:
    adapter = settled(adapters, item)
    assert adapter.usable, adapter.reason
    return adapter.digest


def test_content_decides_and_nothing_else(tmp_path, known):
    first = digest(known(), lora(make_adapter(tmp_path / "one")))
    assert len(first) == 32
    # Another name, number, folder and engine: the same.
    same = lora(make_adapter(tmp_path / "two"), number=7, name="b")
    assert digest(known(), same) == first
    # The same name and number with other content, in any part that decides it.
    others = [
        lora(make_adapter(tmp_path / "weights", weights=b"weightz")),
        lora(make_adapter(tmp_path / "scale", lora_alpha=32)),
        lora(make_adapter(tmp_path / "rank", r=16)),
        lora(make_adapter(tmp_path / "kind", name="adapter_model.bin")),
        lora(tmp_path / "one", is_3d_lora_weight=True),
    ]
    found = [digest(known(), other) for other in others]
    found.append(digest(known(dtype="float16"), lora(tmp_path / "one")))
    found.append(digest(known(targets=["q_proj"]), lora(tmp_path / "one")))
    assert len({first, *found}) == 1 + len(found)


def test_what_the_engine_makes_of_an_adapter_is_named():
    config = SimpleNamespace(lora_dtype="bfloat16", target_modules=["v_proj", "q_proj"])
    assert adapter_settings(config)["targets"] == ["q_proj", "v_proj"]
    config.target_modules = None
    assert adapter_settings(config)["targets"] is None
    assert adapter_settings(None) == {}


@pytest.mark.parametrize("missing", ["everything", "adapter_config.json", "weights"])
def test_an_adapter_without_local_content_is_not_shared(tmp_path, known, missing):
    folder = tmp_path / "a"
    if missing != "everything":
        make_adapter(folder)
        name = "adapter_model.safetensors" if missing == "weights" else missing
        (folder / name).unlink()
    adapter = settled(known(), lora(folder))
    assert not adapter.usable and "readable local files" in adapter.reason


def test_a_name_of_the_hub_is_looked_up_on_this_machine_only(tmp_path, known, monkeypatch):
    asked = []

    def snapshot(name, local_files_only=False):
        asked.append((name, local_files_only))
        return str(tmp_path / "snapshot")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    make_adapter(tmp_path / "snapshot")
    assert digest(known(), lora("someone/adapter"))
    assert set(asked) == {("someone/adapter", True)}


def change_weights(folder):
    (folder / "adapter_model.safetensors").write_bytes(b"WEIGHTS")


def change_config(folder):
    (folder / "adapter_config.json").write_text('{"r": 8, "lora_alpha": 17}')


def swap_folder(folder):
    os.rename(folder, folder.with_name("old"))
    make_adapter(folder, weights=b"WEIGHTS")


def keep_times(folder):
    path = folder / "adapter_model.safetensors"
    before = path.stat()
    path.write_bytes(b"WEIGHTS")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [change_weights, change_config, swap_folder, keep_times])
def test_files_that_change_make_the_engines_adapter_uncertain(tmp_path, known, change):
    folder = make_adapter(tmp_path / "a")
    adapters = known()
    assert digest(adapters, lora(folder))
    time.sleep(0.02)
    change(folder)
    until(lambda: not adapters.find(lora(folder)).usable)
    assert adapters.find(lora(folder)).reason


def test_files_that_the_engine_may_have_loaded_before_they_changed_are_not_trusted(
    tmp_path, known, monkeypatch
):
    monkeypatch.setattr(module, "_STAMP_MARGIN_NS", 0)
    adapters = known()
    time.sleep(0.05)
    # Younger than the engine, whatever the files' own times say.
    folder = make_adapter(tmp_path / "a")
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    adapter = settled(adapters, lora(folder))
    assert not adapter.usable and "younger than the engine" in adapter.reason


@pytest.mark.parametrize("changes", [{"path": "two"}, {"load_inplace": True}, {"is_3d": True}])
def test_a_number_that_means_something_else_is_not_shared(tmp_path, known, changes):
    first, second = make_adapter(tmp_path / "one"), make_adapter(tmp_path / "two", b"other")
    adapters = known()
    assert digest(adapters, lora(first))
    again = lora(
        second if "path" in changes else first,
        load_inplace="load_inplace" in changes,
        is_3d_lora_weight="is_3d" in changes,
    )
    assert not adapters.find(again).usable
    # What the engine has under the number now cannot be told any more.
    assert not adapters.find(lora(first)).usable
    assert digest(adapters, lora(first, number=2))


def test_adapters_and_their_bytes_are_bounded(tmp_path, known, monkeypatch):
    monkeypatch.setattr(module, "ADAPTERS_MAX", 2)
    adapters = known()
    folder = make_adapter(tmp_path / "a")
    assert digest(adapters, lora(folder)) and digest(adapters, lora(folder, number=2))
    assert "more than" in adapters.find(lora(folder, number=3)).reason
    monkeypatch.setattr(module, "BYTES_MAX", 5)
    assert "more than" in settled(known(), lora(folder)).reason


def half_with(adapters: Adapters, native: Recorder) -> SchedulerHalf:
    half = SchedulerHalf(native, BLOCK)
    half.identities = Identities(adapters, None, BLOCK)
    return half


def test_a_request_waits_for_its_adapters_digest_and_no_step_for_the_files(
    tmp_path, known, monkeypatch
):
    may_read = threading.Event()
    hashed = module._digest

    def slow(*arguments):
        assert may_read.wait(20)
        return hashed(*arguments)

    monkeypatch.setattr(module, "_digest", slow)
    native, item = Recorder(), request(64, lora_request=lora(make_adapter(tmp_path / "a")))
    half = half_with(known(), native)
    assert half.matched(item, 0) == (None, False)
    may_read.set()
    until(lambda: half.matched(item, 0) == (64, True))
    plain = request(64, request_id="plain")
    assert half.matched(plain, 0) == (64, True)
    assert [len(adapter) for adapter in native.adapters] == [32, 0]


def test_after_a_while_it_is_served_without_cache(tmp_path, known, monkeypatch, caplog):
    monkeypatch.setattr(module, "_digest", lambda *_: time.sleep(0.5) or b"\1" * 32)
    monkeypatch.setattr(module, "WAIT_SECONDS_MAX", 0.05)
    native, item = Recorder(), request(64, lora_request=lora(make_adapter(tmp_path / "a")))
    half = half_with(known(), native)
    until(lambda: half.matched(item, 0) == (0, False))
    assert native.adapters == []
    # The next one finds it read.
    until(lambda: half.matched(request(64, "next", lora_request=item.lora_request), 0)[0] == 64)


def test_from_the_change_on_nothing_is_loaded_or_stored(tmp_path, known):
    folder = make_adapter(tmp_path / "a")
    native, item = Recorder(), request(64, lora_request=lora(folder))
    adapters = known()
    half = half_with(adapters, native)
    until(lambda: half.matched(item, 0) == (64, True))
    time.sleep(0.02)
    change_weights(folder)
    until(lambda: not adapters.find(item.lora_request).usable)
    assert half.matched(item, 0) == (0, False)
    half.build(step(new=[("r", [1, 2, 3, 4], 0)], scheduled={"r": 64}))
    assert native.named("store") == []
    assert half.matched(request(64, "next", lora_request=item.lora_request), 0) == (0, False)
    half.close()
