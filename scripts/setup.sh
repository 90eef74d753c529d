#!/usr/bin/env bash
# Makes sure that what a task needs is here, and installs it where that is allowed.
#
#   setup.sh system   Swift, and the system packages that the build links against
#   setup.sh venv     .venv with the pinned Python packages
#   setup.sh venv-object   build/venv-object: an S3 server for the tests of object stores
#   setup.sh venv-previous   build/venv-previous: .venv with the vLLM release before
#
# Idempotent: a second run finds everything and says nothing.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

swift_minimum=6.3
venv=.venv

# Debian package, and a file that is there when it is installed.
packages=(
  "libxxhash-dev:/usr/include/xxhash.h"
  "libssl-dev:/usr/include/openssl/sha.h"
  "binutils:$(command -v objdump || echo /usr/bin/objdump)"
  "g++:$(command -v g++ || echo /usr/bin/g++)"
  "python3-venv:$(python3 -c 'print(__import__("ensurepip").__file__)' 2>/dev/null || echo /)"
)

check_swift() {
  command -v swift >/dev/null ||
    die "no swift in PATH; install Swift $swift_minimum or newer from https://swift.org/install"
  local version
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p')
  local older
  older=$(printf '%s\n' "$swift_minimum" "$version" | sort -V | head -1)
  if [[ $older != "$swift_minimum" ]]; then
    die "Swift $version is older than $swift_minimum; see https://swift.org/install"
  fi
}

missing_packages() {
  local entry
  for entry in "${packages[@]}"; do
    [[ -f ${entry#*:} || ( -d ${entry#*:} && ${entry#*:} != / ) ]] || echo "${entry%%:*}"
  done
}

setup_system() {
  check_swift
  local missing
  missing=$(missing_packages | xargs)
  [[ -n $missing ]] || return 0
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    say "installing $missing"
    # shellcheck disable=SC2086  # several words on purpose
    if ! apt-get install -y -q $missing; then
      apt-get update -q
      # shellcheck disable=SC2086
      apt-get install -y -q $missing
    fi
  else
    die "missing system packages: $missing
  they cannot be installed from here (not root, or no apt-get); run
    sudo apt-get install $missing
  or install what your distribution calls them (headers and static library of OpenSSL 3, xxHash)"
  fi
}

# The interpreter for a new .venv: KVBM_PYTHON, or the newest that the pins are known to work with.
find_python() {
  local candidate
  for candidate in "${KVBM_PYTHON:-}" python3.11 python3.12 python3.13 python3.10 python3; do
    [[ -n $candidate ]] && command -v "$candidate" >/dev/null || continue
    "$candidate" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
      continue
    echo "$candidate"
    return
  done
  die "no Python of 3.10 or newer with venv; install python3.11 and python3.11-venv,
  or name one in KVBM_PYTHON"
}

# PyTorch's CPU build is in few indexes: the configured one is asked first.
install_torch() {
  local pin
  pin=$(grep -E '^torch==' requirements/vllm.txt)
  "$venv/bin/python" - "$pin" <<'PY' && return
import sys
from importlib.metadata import PackageNotFoundError, version
try:
    sys.exit(f"torch=={version('torch')}" != sys.argv[1])
except PackageNotFoundError:
    sys.exit(1)
PY
  "$venv/bin/pip" install --no-deps --progress-bar off "$pin" ||
    "$venv/bin/pip" install --no-deps --progress-bar off \
      --index-url https://download.pytorch.org/whl/cpu "$pin"
}

setup_venv() {
  local stamp=$venv/.kvbm-pins wanted started=$SECONDS
  wanted=$(cat requirements/{test,vllm,wheel}.txt | sha256sum | cut -d' ' -f1)
  [[ -x $venv/bin/python && -f $stamp && $(<"$stamp") == "$wanted" ]] && return
  say "Python packages into $venv (about 2 minutes and 3 GB the first time)"
  if [[ ! -x $venv/bin/python ]]; then
    local python
    python=$(find_python)
    "$python" -m venv "$venv"
  fi
  install_torch
  "$venv/bin/pip" install --no-deps --quiet --progress-bar off \
    -r requirements/vllm.txt -r requirements/test.txt
  "$venv/bin/python" -c 'import torch, pytest, matplotlib'
  echo "$wanted" >"$stamp"
  say "$venv is complete ($(clock $((SECONDS - started))))"
}

# Where an environment's packages are.
purelib() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

# Its own packages come first on the path; all others are those of .venv.
setup_venv_previous() {
  local previous=build/venv-previous wanted site
  wanted=$(cat requirements/vllm{,-previous}.txt | sha256sum | cut -d' ' -f1)
  [[ -x $previous/bin/python && -f $previous/pins && $(<"$previous/pins") == "$wanted" ]] && return
  say "the vLLM release before, into $previous (about a minute and 0.5 GB)"
  rm -rf "$previous"
  "$venv/bin/python" -m venv --without-pip "$previous"
  site=$(purelib "$venv")
  echo "import site; site.addsitedir('$site')" >"$(purelib "$previous")/borrowed.pth"
  "$venv/bin/pip" --python "$previous/bin/python" install --no-deps --ignore-installed --quiet \
    --progress-bar off -r requirements/vllm-previous.txt
  "$previous/bin/python" -c 'import torch, pytest, transformers, vllm'
  echo "$wanted" >"$previous/pins"
}

setup_venv_object() {
  local object=build/venv-object wanted
  wanted=$(sha256sum <requirements/object.txt | cut -d' ' -f1)
  [[ -x $object/bin/python && -f $object/pins && $(<"$object/pins") == "$wanted" ]] && return
  say "an S3 server for tests, into $object (half a minute and 0.2 GB)"
  rm -rf "$object"
  "$(find_python)" -m venv "$object"
  "$object/bin/pip" install --no-deps --quiet --progress-bar off -r requirements/object.txt
  "$object/bin/python" -c 'import boto3, cryptography, moto.server'
  echo "$wanted" >"$object/pins"
}

case ${1:-} in
  system) setup_system ;;
  venv) setup_venv ;;
  venv-previous)
    setup_venv
    setup_venv_previous
    ;;
  venv-object) setup_venv_object ;;
  *) die "usage: scripts/setup.sh system|venv|venv-object|venv-previous" ;;
esac
