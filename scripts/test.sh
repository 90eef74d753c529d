#!/usr/bin/env bash
# All test suites, one after the other, each with a time budget. What fails does not stop the rest.
#
#   test.sh [SUITE ...]   lint swift simulate campaigns python thread address, all of them by
#                         default; releases, instructions
#
# KVBM_FULL=1 takes more seeds and longer runs, and these two as well. The last line counts every
# test of every suite.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

reports=build/reports
full=${KVBM_FULL:-0}
# Seconds that a suite should take at most from a clean clone, builds included, on two cores.
declare -A budget=(
  [lint]=60 [swift]=300 [simulate]=120 [campaigns]=60 [python]=600 [thread]=240 [address]=240
  [releases]=900 [instructions]=60
)

command_of() {
  case $1 in
    lint) echo scripts/lint.sh ;;
    releases) echo scripts/test_releases.sh ;;
    instructions) echo scripts/instructions.sh ;;
    swift) echo scripts/test_swift.sh ;;
    simulate) echo scripts/test_simulate.sh ;;
    campaigns) echo scripts/test_campaigns.sh ;;
    python) echo scripts/test_python.sh ;;
    thread | address) echo "scripts/test_sanitizer.sh $1" ;;
    *) die "no suite $1; there are: ${!budget[*]}" ;;
  esac
}

run_suite() {
  local suite=$1 seconds=${budget[$1]} started=$SECONDS code=0 command
  command=$(command_of "$suite")
  [[ $full == 0 ]] || seconds=$((seconds * 20))
  say "$suite (budget $(clock "$seconds"))"
  # A suite that hangs is ended, with all that it started, at three times its budget. It runs in a
  # process group of its own, which an interrupt from the terminal reaches only through the trap.
  # shellcheck disable=SC2086  # a command and its arguments
  timeout --kill-after=10 $((seconds * 3)) $command &
  running=$!
  wait "$running" || code=$?
  local took=$((SECONDS - started)) note=
  [[ $took -le $seconds ]] || note=", over its budget"
  [[ $code == 0 ]] || note+=", FAILED (exit $code)"
  say "$suite took $(clock $took)$note"
  printf '%d %d\n' "$code" "$took" >"$reports/$suite.result"
}

running=
trap '[[ -z $running ]] || kill -TERM "$running" 2>/dev/null; exit 130' INT TERM
rm -rf "$reports"
mkdir -p "$reports"
suites=("$@")
[[ $# -gt 0 ]] || suites=(lint swift simulate campaigns python thread address)
[[ $# -gt 0 || $full == 0 ]] || suites+=(releases instructions)
for suite in "${suites[@]}"; do command_of "$suite" >/dev/null; done
for suite in "${suites[@]}"; do run_suite "$suite"; done
python3 scripts/summary.py "$reports" "${suites[@]}"
