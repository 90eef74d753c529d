#!/usr/bin/env bash
# Packs dist/swift_kvbm-VERSION-py3-none-manylinux_2_34_x86_64.whl from what `make build` made, and
# has its platform tag checked a second time, by auditwheel. An argument names another folder.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

directory=${1:-dist}
promised=manylinux_2_34_x86_64
tools=build/wheel-tools
python=$tools/bin/python

# auditwheel alone, so that a wheel can be made without vLLM.
setup_tools() {
  local wanted
  wanted=$(sha256sum <requirements/wheel.txt)
  [[ -x $python && -f $tools/pins && $(<"$tools/pins") == "$wanted" ]] && return
  rm -rf "$tools"
  "${KVBM_PYTHON:-python3}" -m venv "$tools"
  "$tools/bin/pip" install --no-deps --quiet --progress-bar off --disable-pip-version-check \
    -r requirements/wheel.txt
  echo "$wanted" >"$tools/pins"
}

setup_tools
wheel=$("$python" scripts/kvbm_wheel.py "$directory")
said=$("$python" -m auditwheel show --json "$wheel") || die "auditwheel refuses $wheel"
proven=$("$python" -c 'import json, sys; print(json.load(sys.stdin)["overall_tag"])' <<<"$said")
# An older tag is proven where nothing as new as glibc 2.34 is needed, and is as good.
newest=$(printf '%s\n%s\n' "$proven" "$promised" | sort -V | tail -1)
[[ $proven == manylinux_2_*_x86_64 && $newest == "$promised" ]] ||
  die "auditwheel proves no more than $proven for $wheel"
say "$wheel: $(($(stat -c %s "$wheel") / 1024)) KiB, runs wherever $proven does"
sha256sum "$wheel"
