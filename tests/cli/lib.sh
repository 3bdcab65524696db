# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# lib.sh - tests of the commands: source it, define test_… functions, and end
# with run_tests "$@".
#
# Each test runs in a process of its own with a time limit, in an empty
# directory of its own, with -e and -u; results are printed as TAP. A script
# takes names of tests, or parts of names, as arguments. Without meson, MFILL
# says where the command is.
set -eu

MFILL=${MFILL:-mfill}
SELF=$(realpath "$0")
export MFILL LC_ALL=C.UTF-8
# Debug builds check locks unless told not to, and have other ways to fail.
export MFILL_CHECK=${MFILL_CHECK:-none}
unset POSIXLY_CORRECT

# mfill ARGUMENT… - the command under test.
mfill() {
	command "$MFILL" "$@"
}

fail() {
	echo "$*" >&2
	exit 1
}

# skip WHAT-IS-MISSING
skip() {
	echo "$*" >skipped
	exit 77
}

# needs COMMAND…
needs() {
	local name
	for name; do
		command -v "$name" >/dev/null || skip "$name"
	done
}

# status N COMMAND… - the command must end so; its output goes to files.
status() {
	local want=$1 got=0

	shift
	"$@" >out 2>err || got=$?
	[ "$got" = "$want" ] || fail "$*: status $got, not $want: $(head -5 err)"
}

# says WORDS - they are in stderr of the last `status`.
says() {
	grep -qF -- "$1" err || fail "no '$1' in: $(head -5 err)"
}

# one_line - no more than one was printed to stderr, and nothing to stdout.
one_line() {
	[ "$(wc -l <err)" = 1 ] || fail "not one line: $(cat err)"
	[ ! -s out ] || fail "and something on stdout: $(head -c 100 out)"
}

# refuses WORDS COMMAND… - it must fail in mfill's way, with one sentence.
refuses() {
	local words=$1

	shift
	status 125 "$@"
	says "$words"
	one_line
}

same() {
	cmp -- "$1" "$2" >&2 || fail "$1 and $2 differ"
}

# no_strays - nothing is here but what is named.
no_strays() {
	local name
	shopt -s dotglob nullglob
	for name in *; do
		case " $* out err " in
		*" $name "*) ;;
		*) fail "left behind: $name" ;;
		esac
	done
}

# text BYTES - lines that tell where they are, and compress.
text() {
	seq -f 'this is line %.0f of a text' 1 "$1" | head -c "$1"
}

# noise BYTES [SEED] - bytes that do not compress, always the same ones.
noise() {
	python3 -c "import random, sys
sys.stdout.buffer.write(random.Random(${2:-1}).randbytes($1))"
}

run_one() {
	local dir code=0

	dir=$(mktemp -d)
	# as_nobody lets others in.
	chmod 755 "$dir"
	# -e does not act in a function that is part of a condition.
	(cd "$dir" && timeout 120 bash "$SELF" --run "$1") >"$dir.log" 2>&1 ||
		code=$?
	case $code in
	0) echo "ok $2 - $1" ;;
	77) echo "ok $2 - $1 # SKIP needs $(cat "$dir/skipped")" ;;
	124) echo "not ok $2 - $1: took more than two minutes" ;;
	*) echo "not ok $2 - $1" ;;
	esac
	sed 's/^/#   /' "$dir.log" | tail -20
	rm -rf "$dir" "$dir.log"
}

# as_nobody COMMAND… - as a user who may do nothing special.
as_nobody() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}

run_tests() {
	local name part n=0 wanted

	if [ "${1:-}" = --run ]; then
		"test_$2"
		exit 0
	fi
	while read -r name; do
		wanted=$#
		for part; do
			case $name in *"$part"*) wanted=0 ;; esac
		done
		[ "$wanted" = 0 ] || continue
		n=$((n + 1))
		run_one "$name" "$n" </dev/null
	done < <(sed -n 's/^test_\([a-z0-9_]*\)().*/\1/p' "$SELF")
	echo "1..$n"
}
