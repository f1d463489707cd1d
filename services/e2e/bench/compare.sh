#!/usr/bin/env bash
# Compares the Go benchmarks of the hot paths in the working tree with those of another revision, by benchstat:
#
#	services/e2e/bench/compare.sh REVISION [PACKAGE...]
#
# Without packages every one that has benchmarks. COUNT is how often each runs (6), TIME how long (500ms), BENCH which (.), BENCHSTAT the program.
# Both sides run by turns, so that a machine that grows warm or busy is no difference between them. The revision is checked out beside, and goes.
set -euo pipefail
base=${1:?"usage: $0 REVISION [PACKAGE...]: compare with which revision?"}
shift
cd "$(dirname "$0")/../../.."
root=$PWD
if [ $# -eq 0 ]; then
	mapfile -t packages < <(grep -rl --include='*_test.go' '^func Benchmark' libs services | xargs -n1 dirname | sort -u | sed 's|^|./|')
else
	packages=("$@")
fi
benchstat=${BENCHSTAT:-$root/bin/tools/benchstat}
command -v "$benchstat" >/dev/null || { echo "$0: $benchstat is missing: make bench-compare BASE=$base installs it" >&2; exit 2; }

# A fresh clone knows other branches than its own by their remote's name alone.
revision=$(git rev-parse --verify --quiet "$base^{commit}" || git rev-parse --verify --quiet "origin/$base^{commit}") ||
	{ echo "$0: there is no revision $base here (of a shallow clone: git fetch --unshallow)" >&2; exit 2; }

work=$(mktemp -d)
trap 'cd "$root"; git worktree remove --force "$work/base" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/base" "$revision"

# measure DIR PACKAGE FILE: a package that a side does not have, or that has no benchmarks there, adds nothing.
measure() {
	[ -d "$1/$2" ] || return 0
	(cd "$1" && go test -run '^$' -bench "${BENCH:-.}" -benchmem -benchtime "${TIME:-500ms}" -count 1 "$2") >>"$3" || { echo "$0: $2 in $1 does not run" >&2; exit 1; }
}
for round in $(seq "${COUNT:-6}"); do
	for p in "${packages[@]}"; do
		echo "round $round: $p" >&2
		measure "$work/base" "$p" "$work/base.txt"
		measure "$root" "$p" "$work/now.txt"
	done
done
"$benchstat" "$base=$work/base.txt" "now=$work/now.txt"
