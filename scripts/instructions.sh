#!/usr/bin/env bash
# Counts the instructions of the pool's steps with callgrind, and holds them against the stored
# counts: unlike times, they hardly depend on the machine. Says too whether a step allocates.
#
#   instructions.sh           fails where a count has risen by more than 3 %, or something allocates
#   instructions.sh --store   stores the counts in Benchmarks/instructions.txt
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

stored=Benchmarks/instructions.txt
tolerance_percent=3
rounds=500
command -v valgrind >/dev/null || die "valgrind is not there: apt-get install valgrind"
scripts/build.sh bench-only >&2
program=build/swift-release/release/kvbm-benchmarks

# All instructions of a run of so many rounds.
instructions() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" fixed "$1" "$2" 2>&1 |
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

failed=0
results=()
while read -r name blocks; do
  found=$("$program" fixed "$name" "$rounds")
  if [[ $found != "0 allocations" ]]; then
    echo "$name: $found, where there should be none" >&2
    failed=1
  fi
  # Opening and filling are in both runs, and fall out.
  count=$((($(instructions "$name" $((2 * rounds))) - $(instructions "$name" "$rounds")) / rounds))
  results+=("$name $((count / blocks))")
  limit=$(awk -v name="$name" '$1 == name { print $2 }' "$stored" 2>/dev/null || true)
  printf '%-22s %5d instructions a block (stored: %s)\n' \
    "$name" $((count / blocks)) "${limit:-none}"
  [[ ${1:-} != --store ]] || continue
  if [[ -z $limit ]]; then
    echo "$name: no stored count; scripts/instructions.sh --store" >&2
    failed=1
  elif ((count * 100 > limit * blocks * (100 + tolerance_percent))); then
    echo "$name: more than $tolerance_percent % above the stored count" >&2
    failed=1
  fi
done < <("$program" fixed)
if [[ ${1:-} == --store ]]; then printf '%s\n' "${results[@]}" >"$stored"; fi
exit "$failed"
