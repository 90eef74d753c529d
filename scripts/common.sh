# Sourced by every script here: strict mode, the repository's root, and ways to speak.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Says what is being done.
say() { printf '\033[1m== %s\033[0m\n' "$*"; }

# Says what is wrong and what would be right, and ends.
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Seconds as m:ss.
clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }
