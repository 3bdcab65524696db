# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Completion of mfill(1) for bash.

# The command behind mfill that is being typed, options of its own left out.
_mfill_command() {
	local i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*) ;;
		*) echo "${COMP_WORDS[i]}" && return ;;
		esac
	done
}

# Everything behind -- belongs to the program that is run.
_mfill_behind_dashes() {
	local i
	for ((i = 1; i < COMP_CWORD; i++)); do
		[ "${COMP_WORDS[i]}" = -- ] && return 0
	done
	return 1
}

# A command that runs another one.
_mfill_runs() {
	[ "$1" = run ] || [ "$1" = doctor ]
}

_mfill_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_mfill_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

# _mfill_source PREFIX - a scheme, or a file behind file: or zstd:. A colon
# begins a word of its own for bash.
_mfill_source() {
	case $1 in
	file: | zstd:) _mfill_files "" ;;
	*)
		if [ "${COMP_WORDS[COMP_CWORD - 1]}" = : ]; then
			_mfill_files "$1"
		else
			_mfill_words "file: zstd: error: delay:" "$1"
			[ ${#COMPREPLY[@]} = 0 ] && _mfill_files "$1"
			compopt -o nospace 2>/dev/null
		fi
		;;
	esac
}

# Behind the second = of --map=PATH=SOURCE, or the first of -m PATH=SOURCE:
# each = and : is a word of its own.
_mfill_in_source() {
	local i behind=0
	for ((i = COMP_CWORD; i > 1; i--)); do
		case ${COMP_WORDS[i]},${COMP_WORDS[i - 1]} in
		=,--map) ;;
		=,*) behind=1 ;;
		esac
		case ${COMP_WORDS[i - 1]} in
		--map | -m) [ $behind = 1 ] && return 0 || return 1 ;;
		-*) return 1 ;;
		esac
	done
	return 1
}

_mfill_value() {
	case $1 in
	--backend) _mfill_words "auto guard mprotect uffd" "$2" ;;
	--filter) _mfill_words "buffers all none" "$2" ;;
	--delivery) _mfill_words "auto inline thread" "$2" ;;
	--frame-size | -s) _mfill_words "4K 16K 64K 256K 1M" "$2" ;;
	--fill-size) _mfill_words "4K 16K 64K 256K 1M 4M" "$2" ;;
	--level | -l) _mfill_words "1 3 6 12 19" "$2" ;;
	--threads | -T | --range | -r) COMPREPLY=() ;;
	--report | --output | -o | --map | -m) _mfill_files "$2" ;;
	*) return 1 ;;
	esac
}

_mfill_options() {
	case $1 in
	pack) echo "--frame-size= --level= --threads= --checksum" \
		"--no-checksum --force --quiet" ;;
	index) echo "--force --quiet" ;;
	cat) echo "--range= --stats --json --fill-size= --backend=" \
		"--delivery=" ;;
	probe) echo "--json" ;;
	doctor) echo "--map --fair --json --output= --quiet --" ;;
	run) echo "--map --fill-size= --backend= --delivery= --stats --json" \
		"--report= --quiet --filter= --no-filter --uffd --" ;;
	esac
	echo "--help --usage --version"
}

_mfill() {
	local command word=${COMP_WORDS[COMP_CWORD]}
	local before=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	command=$(_mfill_command)
	if [ -z "$command" ]; then
		_mfill_words "pack index cat probe run doctor help --help --version" \
			"$word"
		return
	fi
	if _mfill_runs "$command" && _mfill_behind_dashes; then
		mapfile -t COMPREPLY < <(compgen -cf -- "$word")
		return
	fi
	if _mfill_runs "$command" && _mfill_in_source; then
		_mfill_source "${word#=}"
		return
	fi
	# --option=value comes as three words.
	[ "$word" = = ] && word=
	[ "$before" = = ] && before=${COMP_WORDS[COMP_CWORD - 2]}
	_mfill_value "$before" "$word" && return
	case $command,$word in
	*,-*)
		_mfill_words "$(_mfill_options "$command")" "$word"
		case "${COMPREPLY[*]}" in *=) compopt -o nospace 2>/dev/null ;; esac
		;;
	cat,*) _mfill_source "$word" ;;
	help,*) _mfill_words "pack index cat probe run doctor" "$word" ;;
	probe,*) ;;
	*) _mfill_files "$word" ;;
	esac
}

complete -F _mfill mfill
