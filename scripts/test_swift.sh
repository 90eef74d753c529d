#!/usr/bin/env bash
# The Swift tests, in a debug build with all container checks on. Arguments go to `swift test`.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [[ ${KVBM_FULL:-0} != 0 ]]; then
  export KVBM_SIM_SEEDS=${KVBM_SIM_SEEDS:-64} KVBM_SIM_STEPS=${KVBM_SIM_STEPS:-200000}
fi
mkdir -p build/reports
# XCTest is left out: no test here uses it, and it writes a second, empty report.
exec swift test --disable-xctest --xunit-output build/reports/swift.xml "$@"
