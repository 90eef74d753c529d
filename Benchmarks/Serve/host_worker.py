"""vLLM's OffloadingConnector on a CPU: the worker that its own CPU build has none of.

vLLM keeps the scheduler's half, the bookkeeping of chunks and the eviction policy; here are only
the copies. They are plain memory copies, made at once where a GPU's would run beside the next step:
for blocks of this size that is the fastest way, and a load is done in the step that asked for it.

    kv_connector_extra_config: {"spec_name": "HostMemorySpec",
                                "spec_module_path": "Benchmarks.Serve.host_worker",
                                "cpu_bytes_to_use": BYTES}
"""

import ctypes
import time
from collections.abc import Iterator
from typing import Any

import torch
from vllm.v1.kv_offload.base import (
    CanonicalKVCaches,
    GPULoadStoreSpec,
    LoadStoreSpec,
    OffloadingWorker,
    TransferResult,
)
from vllm.v1.kv_offload.cpu.spec import CPUOffloadingSpec


class HostMemoryWorker(OffloadingWorker):
    """Copies pages between device blocks and rows of host memory, one row a block."""

    def __init__(self, caches: CanonicalKVCaches, row_count: int) -> None:
        self._groups = caches.group_data_refs
        self._device: list[tuple[int, int]] = []
        self._host: list[tuple[int, int]] = []
        # The memory behind the addresses.
        self._kept: list[torch.Tensor] = []
        for cache in caches.tensors:
            pages = cache.tensor
            page_bytes = pages.stride(0) * pages.element_size()
            rows = torch.zeros((row_count, cache.page_size_bytes), dtype=torch.int8)
            self._device.append((pages.data_ptr(), page_bytes))
            self._host.append((rows.data_ptr(), cache.page_size_bytes))
            self._kept += [pages, rows]
        self._done: list[TransferResult] = []

    def submit_store(
        self, job_id: int, src_spec: GPULoadStoreSpec, dst_spec: LoadStoreSpec
    ) -> bool:
        """Device to host."""
        return self._run(job_id, self._pages(src_spec, dst_spec))

    def submit_load(self, job_id: int, src_spec: LoadStoreSpec, dst_spec: GPULoadStoreSpec) -> bool:
        """Host to device."""
        pages = self._pages(dst_spec, src_spec)
        return self._run(job_id, ((host, device, size) for device, host, size in pages))

    def get_finished(self) -> list[TransferResult]:
        """What was copied since the last call."""
        done, self._done = self._done, []
        return done

    def wait(self, job_ids: set[int]) -> None:
        """Nothing: every job was done when it was submitted."""

    def _run(self, job_id: int, copies: Iterator[tuple[int, int, int]]) -> bool:
        started = time.perf_counter()
        total = 0
        for source, target, size in copies:
            ctypes.memmove(target, source, size)
            total += size
        seconds = time.perf_counter() - started
        self._done.append(TransferResult(job_id, True, total, seconds))
        return True

    def _pages(self, device: GPULoadStoreSpec, host: Any) -> Iterator[tuple[int, int, int]]:
        """(device address, host address, bytes) of every page of a transfer."""
        blocks, rows = device.block_ids.tolist(), host.block_ids.tolist()
        if len(blocks) != len(rows):
            raise ValueError("chunks of more than one device block are not served here")
        end = 0
        for group, count in enumerate(device.group_sizes):
            first, end = end, end + count
            for layer in self._groups[group]:
                device_base, device_stride = self._device[layer.tensor_idx]
                host_base, host_stride = self._host[layer.tensor_idx]
                for block, row in zip(blocks[first:end], rows[first:end], strict=True):
                    yield (
                        device_base + block * device_stride,
                        host_base + row * host_stride,
                        layer.page_size_bytes,
                    )


class HostMemorySpec(CPUOffloadingSpec):
    """vLLM's own host tier, with the worker above."""

    def get_worker(self, kv_caches: CanonicalKVCaches) -> OffloadingWorker:
        """The worker, made once."""
        if not self._worker:
            self._worker = HostMemoryWorker(kv_caches, self.num_chunks)
        return self._worker
