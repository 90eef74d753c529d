"""One worker of an engine: the connector's half over memory of its own, as both runners use it."""

import copy
from typing import Any

from vllm.config import VllmConfig
from vllm.distributed.kv_transfer import kv_transfer_state
from vllm.distributed.kv_transfer.kv_connector.v1 import KVConnectorRole
from vllm.forward_context import set_forward_context
from vllm.v1.kv_cache_interface import KVCacheConfig
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.worker.gpu.kv_connector import ActiveKVConnector
from vllm.v1.worker.kv_connector_model_runner_mixin import KVConnectorModelRunnerMixin

from swift_kvbm.vllm import KVBMConnector

from .model import Model


class Rank:
    """A worker process's part, within the test's process: vLLM's one connector of a process is
    that of the rank whose turn it is."""

    def __init__(
        self,
        config: VllmConfig,
        cache: KVCacheConfig,
        model: Model,
        rank: int,
        second_runner: bool,
    ) -> None:
        self.config = copy.copy(config)
        self.config.parallel_config = copy.copy(config.parallel_config)
        self.config.parallel_config.rank = rank
        self.model = model
        self.connector = KVBMConnector(self.config, KVConnectorRole.WORKER, cache)
        views = {
            name: view
            for group, layers in zip(cache.kv_cache_groups, model.views, strict=True)
            for name, view in zip(group.layer_names, layers, strict=True)
        }
        self.runner: ActiveKVConnector | None = None
        self._take_turn()
        if second_runner:
            self.runner = ActiveKVConnector(self.config, views)
        else:
            self.connector.register_kv_caches(views)

    def execute(self, output: Any, salts: dict[str, str]) -> ModelRunnerOutput:
        """One step."""
        self._take_turn()
        run = self._execute_first if self.runner is None else self._execute_second
        result = run(output, salts)
        if output.total_num_scheduled_tokens:
            report = result.kv_connector_output
            self.model.excuse(set(report.invalid_block_ids) if report is not None else set())
        return result

    def _execute_first(self, output: Any, salts: dict[str, str]) -> ModelRunnerOutput:
        # V1: fence, state, zeroing; then the connector's life around the forward pass.
        self.connector.handle_preemptions(output.kv_connector_metadata)
        self.model.scribble(self.model.update(output, salts))
        if not output.total_num_scheduled_tokens:
            return KVConnectorModelRunnerMixin.kv_connector_no_forward(output, self.config)
        # With drafts V1 takes the reports before the stores are started.
        deferred = self.config.speculative_config is not None
        with (
            set_forward_context(None, self.config),
            KVConnectorModelRunnerMixin.maybe_get_kv_connector_output(
                output, defer_finalize=deferred
            ) as connector_output,
        ):
            result = self._forward(output)
        if deferred:
            KVConnectorModelRunnerMixin.finalize_kv_connector()
        result.kv_connector_output = connector_output
        return result

    def _execute_second(self, output: Any, salts: dict[str, str]) -> ModelRunnerOutput:
        assert self.runner is not None
        # V2: state first; no zeroing for models like this one.
        fresh = self.model.update(output, salts)
        if not output.total_num_scheduled_tokens:
            return self.runner.no_forward(output)
        self.runner.pre_forward(output)
        self.model.scribble(fresh)
        result = self._forward(output)
        self.runner.finish_forward()
        result.kv_connector_output = self.runner.post_forward(output.finished_req_ids)
        return result

    def _forward(self, output: Any) -> ModelRunnerOutput:
        scheduled = output.num_scheduled_tokens
        sampled = self.model.step(scheduled, output.scheduled_spec_decode_tokens)
        ids = list(scheduled)
        return ModelRunnerOutput(
            req_ids=ids,
            req_id_to_index={request_id: index for index, request_id in enumerate(ids)},
            sampled_token_ids=sampled,
        )

    def _take_turn(self) -> None:
        kv_transfer_state._KV_CONNECTOR_AGENT = self.connector

    def close(self) -> None:
        """As vLLM ends a worker."""
        self.connector.shutdown()
        kv_transfer_state._KV_CONNECTOR_AGENT = None
