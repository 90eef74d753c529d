"""vLLM's real scheduler and connector calls, around the pretend model."""

import copy
import json
import logging
import random
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

from vllm.config import (
    CacheConfig,
    DeviceConfig,
    KVTransferConfig,
    ModelConfig,
    ParallelConfig,
    SchedulerConfig,
    SpeculativeConfig,
    VllmConfig,
)
from vllm.distributed.kv_transfer.kv_connector.utils import KVOutputAggregator
from vllm.sampling_params import SamplingParams
from vllm.utils.hashing import sha256
from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.kv_cache_interface import (
    FullAttentionSpec,
    KVCacheConfig,
    KVCacheGroupSpec,
    KVCacheSpec,
    KVCacheTensor,
    MLAAttentionSpec,
    SlidingWindowSpec,
)
from vllm.v1.outputs import DraftTokenIds, ModelRunnerOutput
from vllm.v1.request import Request, RequestStatus
from vllm.v1.structured_output import StructuredOutputManager

from .model import Model, Shape
from .rank import Rank

MODEL_LENGTH_MAX = 512
_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_attention_heads": 16,
    "head_dim": 8,
    "num_hidden_layers": 2,
    "vocab_size": 64,
    "max_position_embeddings": MODEL_LENGTH_MAX,
    "torch_dtype": "float32",
}
# So much of it that vLLM says how many heads there are: one latent.
_MLA = {
    "model_type": "deepseek_v2",
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
}
init_none_hash(sha256)
# One warning for each connector, and there are hundreds.
logging.getLogger("vllm.distributed.kv_transfer.kv_connector.v1.base").setLevel(logging.ERROR)


def vllm_config(
    folder: Path,
    extra: dict[str, Any],
    block_count: int,
    shape: Shape,
    ranks: int = 1,
    drafts: int = 0,
    **scheduler: Any,
) -> VllmConfig:
    """A configuration of a tiny model that is never loaded."""
    folder.mkdir(parents=True, exist_ok=True)
    described = {**_CONFIG, "num_key_value_heads": shape.heads, **(_MLA if shape.latent else {})}
    (folder / "config.json").write_text(json.dumps(described))
    model = ModelConfig(
        model=str(folder), skip_tokenizer_init=True, dtype="float32", max_model_len=MODEL_LENGTH_MAX
    )
    cache = CacheConfig(block_size=shape.block_tokens, enable_prefix_caching=True)
    asynchronous = scheduler.pop("async_scheduling", False)
    parallel = ParallelConfig(
        tensor_parallel_size=ranks, distributed_executor_backend="mp" if ranks > 1 else None
    )
    config = VllmConfig(
        model_config=model,
        cache_config=cache,
        scheduler_config=SchedulerConfig(
            max_model_len=MODEL_LENGTH_MAX, is_encoder_decoder=False, **scheduler
        ),
        device_config=DeviceConfig("cpu"),
        parallel_config=parallel,
        speculative_config=_ngram(model, parallel, drafts) if drafts else None,
        kv_transfer_config=KVTransferConfig(
            kv_connector="KVBMConnector",
            kv_connector_module_path="swift_kvbm.vllm",
            kv_role="kv_both",
            kv_load_failure_policy="recompute",
            kv_connector_extra_config=extra,
        ),
    )
    # vLLM turns these off on a CPU, the last ones for MLA.
    config.scheduler_config.async_scheduling = asynchronous
    config.scheduler_config.enable_chunked_prefill = True
    if "max_num_batched_tokens" in scheduler:
        config.scheduler_config.max_num_batched_tokens = scheduler["max_num_batched_tokens"]
    config.cache_config.enable_prefix_caching = True
    config.cache_config.num_gpu_blocks = block_count
    return config


def _ngram(model: ModelConfig, parallel: ParallelConfig, drafts: int) -> SpeculativeConfig:
    return SpeculativeConfig(
        method="ngram",
        num_speculative_tokens=drafts,
        prompt_lookup_max=4,
        prompt_lookup_min=2,
        target_model_config=model,
        target_parallel_config=parallel,
    )


def layer_spec(shape: Shape, window: int) -> KVCacheSpec:
    """A layer's cache, as the model's own attention layer would say."""
    common = {
        "block_size": shape.block_tokens,
        "num_kv_heads": shape.heads,
        "head_size": shape.head_size,
        "dtype": shape.dtype,
    }
    if shape.latent:
        return MLAAttentionSpec(**common, max_tp_shards=1, cache_dtype_str="auto")
    if window:
        return SlidingWindowSpec(**common, sliding_window=window)
    return FullAttentionSpec(**common)


def layer_names(shape: Shape) -> list[list[str]]:
    """Each group's layers: they are dealt out in turns, and the last ones go short."""
    groups = range(len(shape.windows))
    every = [
        [index * len(groups) + group for index in range(count)]
        for group, count in zip(groups, shape.group_layers, strict=True)
    ]
    return [[f"model.layers.{number}.self_attn.attn" for number in group] for group in every]


def kv_cache_config(shape: Shape, block_count: int, replicas: int = 1) -> KVCacheConfig:
    """What vLLM would plan for a rank of the pretend model: LBHNC, groups over the same bytes."""
    groups = [
        KVCacheGroupSpec(names, layer_spec(shape, window))
        for names, window in zip(layer_names(shape), shape.windows, strict=True)
    ]
    page = groups[0].kv_cache_spec.page_size_bytes
    tensors = [
        KVCacheTensor(
            size=page * block_count * shape.layers,
            layers=list(group.layer_names),
            layer_stride=page * block_count,
            block_stride=page,
        )
        for group in groups
    ]
    # vLLM 0.31 has no such fields.
    newer = {"hash_block_size": shape.block_tokens, "prefix_cache_retention_interval": 0}
    known = {k: v for k, v in newer.items() if k in KVCacheConfig.__dataclass_fields__}
    return KVCacheConfig(
        num_blocks=block_count,
        kv_cache_tensors=tensors,
        kv_cache_groups=groups,
        kv_cache_layout="LBHNC",
        kv_tp_replicas=replicas,
        **known,
    )


class Engine:
    """One engine: scheduler, both connector halves, pretend model, and the loop between them.

    With several `ranks` each has a connector half and memory of its own, and vLLM's aggregator
    makes one report of theirs. `shape.heads` are those of all ranks.
    """

    def __init__(
        self,
        folder: Path,
        extra: dict[str, Any],
        rng: random.Random,
        *,
        shape: Shape | None = None,
        block_count: int = 40,
        asynchronous: bool = False,
        second_runner: bool = False,
        ranks: int = 1,
        drafts: int = 0,
        **scheduler: Any,
    ) -> None:
        self.rng = rng
        self.shape = shape or Shape()
        self.block_count = block_count
        self.second_runner = second_runner
        self.config = vllm_config(
            folder,
            extra,
            block_count,
            self.shape,
            ranks,
            drafts,
            async_scheduling=asynchronous,
            max_num_seqs=scheduler.pop("max_num_seqs", 6),
            max_num_batched_tokens=scheduler.pop("max_num_batched_tokens", 96),
            **scheduler,
        )
        replicas = max(1, ranks // self.shape.heads)
        local = replace(self.shape, heads=self.shape.heads * replicas // ranks)
        cache = kv_cache_config(local, block_count, replicas)
        self.ranks = []
        for rank in range(ranks):
            first_head = rank // replicas * local.heads
            model = Model(local, block_count, first_head, self.shape.heads, drafts)
            self.ranks.append(Rank(self.config, cache, model, rank, second_runner))
        self.model, self.worker = self.ranks[0].model, self.ranks[0].connector
        self.aggregator = KVOutputAggregator(ranks)
        self.scheduler = (AsyncScheduler if asynchronous else Scheduler)(
            vllm_config=self.config,
            kv_cache_config=cache,
            structured_output_manager=StructuredOutputManager(self.config),
            block_size=self.shape.block_tokens,
            hash_block_size=self.shape.block_tokens,
            log_stats=True,
        )
        self.scheduler.use_v2_model_runner = second_runner
        self.connector = self.scheduler.connector
        self.queue_depth = self.config.max_concurrent_batches
        self.hasher = get_request_block_hasher(self.shape.block_tokens, sha256)
        self.salts: dict[str, str] = {}
        self.outputs: dict[str, list[int]] = {}
        self.steps = self.loaded_tokens = 0
        self.promised: list[str] = []
        self.reported: list[str] = []
        self.failed_blocks = self.failed_loads = self.preemptions = self.deferred = 0
        self._proposes = drafts > 0 and not asynchronous
        self._queue: deque[list[Any]] = deque()
        self._watch_promises()

    def _watch_promises(self) -> None:
        inner = self.connector.update_state_after_alloc

        def watched(request: Any, blocks: Any, external: int) -> None:
            if external > 0:
                self.promised.append(request.request_id)
                self.loaded_tokens += external
            inner(request, blocks, external)

        self.connector.update_state_after_alloc = watched
        matched = self.connector.get_num_new_matched_tokens

        def asked(request: Any, computed: int) -> tuple[int | None, bool]:
            answer = matched(request, computed)
            self.deferred += answer[0] is None
            return answer

        self.connector.get_num_new_matched_tokens = asked
        preempt = self.scheduler._preempt_request

        def counted(*arguments: Any, **options: Any) -> None:
            self.preemptions += 1
            preempt(*arguments, **options)

        self.scheduler._preempt_request = counted

    # MARK: Requests

    def add(self, request_id: str, tokens: list[int], salt: str, max_tokens: int) -> None:
        """Enters a request."""
        parameters = SamplingParams(max_tokens=max_tokens, ignore_eos=True, temperature=0.0)
        parameters.update_from_generation_config({}, 2)
        request = Request(
            request_id=request_id,
            prompt_token_ids=list(tokens),
            sampling_params=parameters,
            pooling_params=None,
            cache_salt=salt or None,
            block_hasher=self.hasher,
        )
        self.salts[request_id] = salt
        self.outputs[request_id] = []
        self.scheduler.add_request(request)

    def abort(self, request_id: str) -> None:
        """Ends a request from outside."""
        self.scheduler.finish_requests(request_id, RequestStatus.FINISHED_ABORTED)

    def live(self) -> list[str]:
        """Requests that are not finished."""
        return [i for i, r in self.scheduler.requests.items() if not r.is_finished()]

    # MARK: Steps

    def step(self) -> bool:
        """One turn of the engine's loop; False when there is nothing to do."""
        if len(self._queue) < self.queue_depth and self.scheduler.has_requests():
            self._queue.append([self.scheduler.schedule(), None])
            self.steps += 1
            # The worker may be fast, or as late as the queue allows.
            if self.rng.random() < 0.5:
                self._execute_next()
            if len(self._queue) < self.queue_depth and self.rng.random() < 0.8:
                return True
        if not self._queue:
            return False
        output, result = self._queue[0]
        if result is None:
            self._execute_next()
            result = self._queue[0][1]
        self._queue.popleft()
        self._take(output, result)
        return True

    def settle(self) -> None:
        """Processes every step in flight."""
        while self._queue:
            if self._queue[0][1] is None:
                self._execute_next()
            output, result = self._queue.popleft()
            self._take(output, result)

    def _take(self, output: Any, result: ModelRunnerOutput) -> None:
        connector_output = result.kv_connector_output
        if connector_output is not None:
            self.reported += connector_output.finished_recving or ()
            self.failed_blocks += len(connector_output.invalid_block_ids or ())
            self.failed_loads += len(connector_output.failed_recving or ())
        for outputs in self.scheduler.update_from_output(output, result).values():
            for item in outputs.outputs:
                self.outputs[item.request_id] += item.new_token_ids
        if self._proposes and output.total_num_scheduled_tokens:
            self._propose(list(output.num_scheduled_tokens))

    def _propose(self, ids: list[str]) -> None:
        """What a proposer found, which may be fewer tokens than asked for."""
        rows = [self.model.rows[request_id] for request_id in ids]
        drafts = [row.drafts[: self.rng.randrange(len(row.drafts) + 1)] for row in rows]
        self.scheduler.update_draft_token_ids(DraftTokenIds(ids, drafts))

    def _execute_next(self) -> None:
        for entry in self._queue:
            if entry[1] is None:
                entry[1] = self._execute(entry[0])
                return

    def _execute(self, output: Any) -> ModelRunnerOutput:
        results = [rank.execute(output, self.salts) for rank in self.ranks]
        if len(results) == 1:
            # vLLM does not aggregate a single worker's reports.
            return results[0]
        sampled = results[0].sampled_token_ids
        assert all(result.sampled_token_ids == sampled for result in results)
        # A shared constant when nothing was computed; the aggregator writes into it.
        results[0] = copy.copy(results[0])
        return self.aggregator.aggregate(results)

    # MARK: End

    def new_weights(self, generation: int) -> bool:
        """Resets every cache as a weight update does; whether that worked."""
        self.settle()
        try:
            done = self.scheduler.reset_prefix_cache(
                reset_running_requests=not self._loading(), reset_connector=True
            )
        except RuntimeError:
            # A request holds blocks that it loaded: vLLM refuses, and no weights change.
            done = False
        if done:
            for rank in self.ranks:
                rank.model.generation = generation
        return done

    def _loading(self) -> bool:
        waiting = RequestStatus.WAITING_FOR_REMOTE_KVS
        held = [r for r in self.scheduler.requests.values() if r.is_finished()]
        return bool(held) or any(r.status == waiting for r in self.scheduler.requests.values())

    def free_blocks(self) -> int:
        """Device blocks that nobody holds, without the null block."""
        return self.scheduler.kv_cache_manager.block_pool.get_num_free_blocks()

    def close(self) -> None:
        """vLLM's order: workers first."""
        for rank in self.ranks:
            rank.close()
        self.connector.shutdown()
