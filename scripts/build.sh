#!/usr/bin/env bash
# Builds what users get, and the library that tests switch faults on in.
#
#   build.sh release   python/swift_kvbm/libkvbm.so and python/swift_kvbm/bin/kvbm
#   build.sh faults    build/test/libkvbm.so, with -DKVBM_FAULTS
#   build.sh bench     the micro-benchmarks, and runs them; bench-only builds them
#
# The Swift runtime is linked in, for no processor in particular. The compile flags of the two
# release products are equal and only their link lines differ, so the modules that they share are
# compiled once. A dynamic library takes the runtime in only by -Xswiftc -static-stdlib:
# --static-swift-stdlib is silently ignored there. lld, for gold leaves protected symbols in the
# dynamic table that the version script makes local.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

jobs=${KVBM_JOBS:-$(nproc)}
common=(
  -c release --jobs "$jobs" -Xswiftc -static-stdlib -Xswiftc -use-ld=lld
  -Xswiftc -Xfrontend -Xswiftc -disable-incremental-llvm-codegen
  -Xlinker --gc-sections -Xlinker -s
)
library=(--product kvbm -Xlinker "--version-script=$root/scripts/kvbm.map")

# The same tree gives the same bytes: the compiler orders some things by address, and marks every
# object with a hash of more than its code, which the flag above turns off.
steady=()
! setarch -R true 2>/dev/null || steady=(setarch -R)

# swift build, quiet unless it fails.
build() {
  local log=$root/build/logs/$1.log
  mkdir -p "$root/build/logs"
  shift
  if ! "${steady[@]}" swift build "$@" >"$log" 2>&1; then
    grep -E 'error:|warning:' "$log" | sort -u | head -40 >&2 || true
    die "swift build failed; all of it is in ${log#"$root"/}"
  fi
}

# Puts a file in place in one step: an engine may have the old one open.
install_file() {
  mkdir -p "$(dirname "$3")"
  cp "$2" "$3.new"
  chmod "$1" "$3.new"
  mv -f "$3.new" "$3"
}

build_release() {
  local scratch=build/swift-release started=$SECONDS
  say "libkvbm.so and kvbm (release, static)"
  build libkvbm --scratch-path "$scratch" "${common[@]}" "${library[@]}"
  install_file 644 "$scratch/release/libkvbm.so" python/swift_kvbm/libkvbm.so
  build kvbm --scratch-path "$scratch" "${common[@]}" --product kvbm-cli
  install_file 755 "$scratch/release/kvbm-cli" python/swift_kvbm/bin/kvbm
  scripts/check_binary.sh library python/swift_kvbm/libkvbm.so
  scripts/check_binary.sh command python/swift_kvbm/bin/kvbm
  say "built in $(clock $((SECONDS - started)))"
}

build_faults() {
  local scratch=build/swift-faults started=$SECONDS
  say "libkvbm.so with faults (release, static, -DKVBM_FAULTS)"
  build libkvbm-faults --scratch-path "$scratch" "${common[@]}" "${library[@]}" \
    -Xswiftc -DKVBM_FAULTS
  install_file 644 "$scratch/release/libkvbm.so" build/test/libkvbm.so
  scripts/check_binary.sh library build/test/libkvbm.so
  say "built in $(clock $((SECONDS - started)))"
}

build_bench() {
  build bench --scratch-path build/swift-release "${common[@]}" --product kvbm-benchmarks
}

run_bench() {
  local scratch=build/swift-release
  build_bench
  build kvbm --scratch-path "$scratch" "${common[@]}" --product kvbm-cli
  "$scratch/release/kvbm-benchmarks"
  "$scratch/release/kvbm-cli" bench core
}

case ${1:-} in
  release) build_release ;;
  faults) build_faults ;;
  bench) run_bench ;;
  bench-only) build_bench ;;
  *) die "usage: scripts/build.sh release|faults|bench|bench-only" ;;
esac
