#!/usr/bin/env bash
# The contract harness and a real engine on both pinned releases of vLLM; writes the table in
# docs/compatibility.md. Arguments go to pytest. Needs `make build build-test`.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

scripts/setup.sh venv-previous
mapfile -t tests < <(python3 scripts/releases.py tests)
mapfile -t versions < <(python3 scripts/releases.py versions)
environments=(.venv build/venv-previous)
export VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind
export HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1
export PYTHONPATH=$root/python${PYTHONPATH:+:$PYTHONPATH}
# The plain run of each test is what the table speaks of.
unset KVBM_FULL
mkdir -p build/reports
failed=0 reports=()
for index in 0 1; do
  version=${versions[$index]} python=${environments[$index]}/bin/python
  met=$("$python" -c 'from importlib.metadata import version; print(version("vllm_cpu"))')
  [[ $met == "$version" ]] || die "$python has vLLM $met, not $version"
  say "vLLM $version"
  report=build/reports/vllm-$version.xml
  "$python" -m pytest "${tests[@]}" --quiet --junitxml="$report" "$@" || failed=1
  reports+=("$version=$report")
done
python3 scripts/releases.py merge "${reports[@]}" >build/reports/releases.xml
python3 scripts/releases.py write "${reports[@]}"
[[ $failed == 0 ]] || die "a release does not pass (above, and in docs/compatibility.md)"
