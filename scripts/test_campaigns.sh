#!/usr/bin/env bash
# Kills a writer and loses power, many times, and checks each restart; then plants defects that
# must be found.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

kvbm=python/swift_kvbm/bin/kvbm
[[ -x $kvbm ]] || die "$kvbm is not there: make build"
times=20 images=100
[[ ${KVBM_FULL:-0} == 0 ]] || times=200 images=1000

# Plants a defect, which a campaign has to find. Which writes a cut meets depends on threads too, so
# some seeds may miss one that few cuts show.
must_find() {
  local code seed
  for seed in 1 2 3 4; do
    code=0
    "$kvbm" campaign "$1" --seed "$seed" "$2" "$3" --break "$4" >/dev/null || code=$?
    [[ $code == 0 ]] || break
  done
  [[ $code == 1 ]] || die "campaign $1 did not find $4 (exit $code)"
}

"$kvbm" campaign kill --seed 1 --times "$times"
"$kvbm" campaign power --seed 1 --images "$images"
for fault in $("$kvbm" campaign kill --list-breaks | cut -d: -f1); do
  must_find kill --times "$times" "$fault"
done
for fault in $("$kvbm" campaign power --list-breaks | cut -d: -f1); do
  must_find power --images "$images" "$fault"
done
say "every planted defect was found"
