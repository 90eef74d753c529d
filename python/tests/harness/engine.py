"""vLLM's real scheduler and connector calls, around the pretend model."""

import copy
import logging
import random
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

from vllm.distributed.kv_transfer.kv_connector.utils import KVOutputAggregator
from vllm.sampling_params import SamplingParams
from vllm.utils.hashing import sha256
from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.outputs import DraftTokenIds, ModelRunnerOutput
from vllm.v1.request import Request, RequestStatus
from vllm.v1.structured_output import StructuredOutputManager

from .config import kv_cache_config, vllm_config
from .model import Model, Shape
from .rank import Rank

init_none_hash(sha256)
# One warning for each connector, and there are hundreds.
logging.getLogger("vllm.distributed.kv_transfer.kv_connector.v1.base").setLevel(logging.ERROR)


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
            model.runs_ahead = asynchronous
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
        # Loads that were over before their step's forward pass; vLLM is told of those that failed.
        self.synchronous_loads = 0
        self.failed_blocks = self.failed_loads = self.preemptions = self.deferred = 0
        self._proposes = drafts > 0 and not asynchronous
        self._queue: deque[list[Any]] = deque()
        self._watch_promises()

    def _watch_promises(self) -> None:
        inner = self.connector.update_state_after_alloc

        waits: dict[str, bool] = {}

        def watched(request: Any, blocks: Any, external: int) -> None:
            if external > 0:
                if waits[request.request_id]:
                    self.promised.append(request.request_id)
                else:
                    self.synchronous_loads += 1
                self.loaded_tokens += external
            inner(request, blocks, external)

        self.connector.update_state_after_alloc = watched
        matched = self.connector.get_num_new_matched_tokens

        def asked(request: Any, computed: int) -> tuple[int | None, bool]:
            answer = matched(request, computed)
            self.deferred += answer[0] is None
            waits[getattr(request, "request_id", "")] = answer[1]
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
