#!/usr/bin/env bash
# Removes everything that was built or recorded; .venv stays, it is slow to make.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

rm -rf .build build dist .pytest_cache .ruff_cache
rm -rf python/swift_kvbm/libkvbm.so python/swift_kvbm/bin
find python Benchmarks Tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
