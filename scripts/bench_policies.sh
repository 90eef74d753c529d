#!/usr/bin/env bash
# Our eviction policies beside libcachesim's, which is put into build/venv-policies.
#
#   bench_policies.sh [ARGS of Benchmarks/Policies/compare.py]
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

venv=build/venv-policies
wanted=$(sha256sum requirements/policies.txt)
if [[ $(cat "$venv/installed" 2>/dev/null) != "$wanted" ]]; then
  say "installing libcachesim into $venv"
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r requirements/policies.txt
  echo "$wanted" >"$venv/installed"
fi
exec "$venv/bin/python" Benchmarks/Policies/compare.py "$@"
