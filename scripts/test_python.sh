#!/usr/bin/env bash
# The Python tests: connector, contract harness, faults of the node and the disk, real engine.
# Arguments go to pytest. Needs `make build build-test`.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

for file in python/swift_kvbm/libkvbm.so python/swift_kvbm/bin/kvbm build/test/libkvbm.so; do
  [[ -f $file ]] || die "$file is not built; run make build build-test"
done
# No GPU, no network, nothing reported; one engine at a time on small machines.
export VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind
export HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1
export PYTHONPATH=$root/python${PYTHONPATH:+:$PYTHONPATH}
mkdir -p build/reports
exec .venv/bin/python -m pytest python/tests --junitxml=build/reports/python.xml "$@"
