#!/usr/bin/env bash
# Rewrites Swift and Python in the house format.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

swift format --in-place --recursive Package.swift Sources Tests Benchmarks
.venv/bin/ruff format python Benchmarks Tests scripts
.venv/bin/ruff check --fix --quiet python Benchmarks Tests scripts
