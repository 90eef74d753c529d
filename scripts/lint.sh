#!/usr/bin/env bash
# Formatting and rules: swift format, ruff, and the project's own (tidy, check_settings).
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

failed=0
run() { "$@" || failed=1; }

run swift format lint --strict --recursive Package.swift Sources Tests Benchmarks
run .venv/bin/ruff check --quiet python Benchmarks Tests scripts
run .venv/bin/ruff format --check --quiet python Benchmarks Tests scripts
run .venv/bin/python scripts/tidy.py
run .venv/bin/python scripts/check_settings.py
run .venv/bin/python scripts/releases.py check
if command -v shellcheck >/dev/null; then
  run shellcheck --external-sources --source-path=scripts scripts/*.sh .ci/run
fi
[[ $failed == 0 ]] || die "lint found something (above); make format repairs formatting"
