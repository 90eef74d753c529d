#!/usr/bin/env bash
# The simulator, optimised, over as many seeds as fit into the time; prints each.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

kvbm=python/swift_kvbm/bin/kvbm
[[ -x $kvbm ]] || die "$kvbm is not there: make build"
seconds=60
[[ ${KVBM_FULL:-0} == 0 ]] || seconds=1800
exec "$kvbm" simulate --seeds 1..100000 --steps 500000 --seconds "$seconds"
