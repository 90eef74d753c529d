#!/usr/bin/env bash
# Checks that a built file is what a wheel may carry, and says what it needs.
#
#   check_binary.sh library FILE   no Swift library needed, only kvbm_* shown, glibc <= 2.34
#   check_binary.sh command FILE   no Swift library needed; the glibc it needs is reported
#   ... FILE wheel                 and all that the platform tag manylinux_2_34_x86_64 promises:
#                                  libraries that every such Linux has, in versions that it has
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

glibc_limit=2.34
# The newest symbol versions of manylinux_2_34 beside glibc's, and the libraries used of it.
runtime_limits=(GLIBCXX:3.4.29 CXXABI:1.3.13 GCC:7.0.0)
allowed='^(libc|libm|libstdc\+\+|libgcc_s|ld-linux-x86-64)\.so\.[0-9]+$'
usage="usage: check_binary.sh library|command FILE [wheel]"
kind=${1:?$usage}
file=${2:?$usage}
strict=${3:-}
[[ -f $file ]] || die "$file is not there"

needed=$(objdump -p "$file" | awk '$1 == "NEEDED" { print $2 }')
if swift_needed=$(grep -i -E 'swift|foundation|dispatch' <<<"$needed"); then
  die "$file needs $(xargs <<<"$swift_needed"): the Swift runtime is not linked in"
fi
if ldd "$file" | grep -E 'not found|libswift|libFoundation'; then
  die "$file: ldd names what must not be needed (above)"
fi

glibc=$(objdump -T "$file" | grep -oE 'GLIBC_[0-9.]+' | sed 's/GLIBC_//' | sort -uV | tail -1)
too_new=$(printf '%s\n%s\n' "$glibc" "$glibc_limit" | sort -V | tail -1)
if [[ $too_new != "$glibc_limit" ]]; then
  symbols=$(objdump -T "$file" | grep "GLIBC_$glibc" | awk '{ print $NF }' | xargs)
  message="$file needs glibc $glibc for: $symbols (limit $glibc_limit)"
  [[ $kind == command && $strict != wheel ]] || die "$message"
  echo "note: $message"
fi

if [[ $strict == wheel ]]; then
  if foreign=$(grep -vE "$allowed" <<<"$needed"); then
    die "$file needs $(xargs <<<"$foreign"), which no wheel may rely on"
  fi
  for entry in "${runtime_limits[@]}"; do
    family=${entry%%:*} limit=${entry#*:}
    newest=$(objdump -T "$file" | grep -oE "\b${family}_[0-9.]+" | cut -d_ -f2 | sort -V | tail -1)
    if [[ $(printf '%s\n%s\n' "$newest" "$limit" | sort -V | tail -1) != "$limit" ]]; then
      die "$file needs ${family}_$newest (limit $limit)"
    fi
  done
  machine=$(objdump -f "$file" | sed -n 's/^architecture: \([^,]*\).*/\1/p')
  [[ $machine == i386:x86-64 ]] || die "$file is for $machine, not for x86-64"
fi

if [[ $kind == library ]]; then
  # Global ones: a linker may keep local entries for relocations, which nobody can bind to.
  shown=$(nm --dynamic --defined-only --extern-only "$file" | awk '{ print $NF }')
  grep -q '^kvbm_' <<<"$shown" || die "$file shows no kvbm_ symbol"
  if foreign=$(grep -v '^kvbm_' <<<"$shown"); then
    die "$file shows more than its interface: $(head -5 <<<"$foreign" | xargs)"
  fi
  header=Sources/C/CKVBM/include/kvbm.h
  declared=$(grep -oE '\bkvbm_[a-z_]+\(' "$header" | tr -d '(' | sort -u)
  if absent=$(comm -23 <(echo "$declared") <(sort -u <<<"$shown") | grep .); then
    die "$file lacks what $header declares: $(xargs <<<"$absent")"
  fi
fi
printf '%s: %d KiB, glibc %s, needs %s\n' "$file" $(($(stat -c %s "$file") / 1024)) \
  "${glibc:-none}" "$(xargs <<<"$needed")"
