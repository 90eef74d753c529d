#!/usr/bin/env bash
# The tests of Logic and Transfer under a sanitizer.
#
#   test_sanitizer.sh thread|address
#
# Only these layers: the library and the node map memory and start threads that the sanitizers'
# runtimes would have to own from a process's start. KVBM_PART=core makes Package.swift leave the
# other layers out, so that they are not built either.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

kind=${1:-}
[[ $kind == thread || $kind == address ]] || die "usage: scripts/test_sanitizer.sh thread|address"

export KVBM_PART=core
# A sanitized step costs about ten plain ones.
export KVBM_SIM_SEEDS=${KVBM_SANITIZED_SEEDS:-2} KVBM_SIM_STEPS=${KVBM_SANITIZED_STEPS:-4000}
# Leaks off: the test runner itself leaks a few blocks at its end.
export ASAN_OPTIONS=detect_leaks=0
export TSAN_OPTIONS=halt_on_error=0:history_size=4:suppressions=$root/scripts/tsan.supp
mkdir -p build/reports
# Left out: what measures the time of an allocation, which sanitizers replace by their own; and the
# hunts for planted bugs, which say what the checks see and not how the engine treats memory.
exec swift test --disable-xctest --sanitize="$kind" --scratch-path "build/swift-$kind" \
  --xunit-output "build/reports/$kind.xml" \
  --filter '^(BlockIdentity|BlockPool|PathEstimate|BlockEngine)Tests\.' \
  --filter '^(KVLayout|Protection|Tier|ObjectTier)Tests\.' \
  --skip 'BlockPoolTests\.ExtentTests/lazy' \
  --skip 'BlockEngineTests\.SimulationTests/(planted|shrunk)'
