# SPDX-License-Identifier: MIT
#
# The front door. Each target installs what it needs from Debian first, if it
# is missing (tools/install-deps), then hands over to meson and ninja.

PREFIX ?= /usr/local
DESTDIR ?=

NINJA = ninja --quiet -C

.PHONY: all check check-conform check-uffd check-no-uffd check-asan check-tsan check-clang check-debug check-aarch64 \
	check-32 check-stress check-fuzz check-mutations check-model \
	check-model-deep \
	check-sched check-sched-deep sched explorer compare-doctor check-kernel-uffd \
	check-all demo bench format install clean

all:
	@tools/install-deps build
	@tools/setup build
	@$(NINJA) build

check:
	@tools/install-deps build check
	@tools/setup build -Dtests=true
	@$(NINJA) build
	@tools/run-tests build

# Addresses and undefined behaviour together; lock order is checked, too.
check-asan:
	@tools/install-deps build check
	@tools/setup build-asan -Dtests=true -Dchecks=true \
		-Db_sanitize=address,undefined
	@$(NINJA) build-asan
	@tools/run-tests --slow 4 build-asan

check-tsan:
	@tools/install-deps build check
	@tools/setup build-tsan -Dtests=true -Dchecks=true -Db_sanitize=thread
	@$(NINJA) build-tsan
	@tools/run-tests --slow 8 build-tsan

# The other compiler, with lock order and page windows checked.
check-clang:
	@tools/install-deps build check clang
	@CC=clang tools/setup build-clang -Dtests=true -Dchecks=true
	@$(NINJA) build-clang
	@tools/run-tests --slow 2 build-clang

# Another machine, by Debian's compiler and qemu's emulation.
check-aarch64:
	@tools/install-deps build check cross
	@tools/setup build-aarch64 --cross-file=tools/cross/aarch64.ini \
		-Dtests=true -Dchecks=true
	@$(NINJA) build-aarch64
	@tools/run-tests --slow 8 build-aarch64

# The same machine with small addresses: page windows instead of a direct map.
check-32:
	@tools/install-deps build check 32bit
	@tools/setup build-32 --cross-file=tools/cross/i386.ini \
		-Dtests=true -Dchecks=true
	@$(NINJA) build-32
	@tools/run-tests --slow 2 build-32

# With the kernel's userfaultfd wherever there is a choice; and without any.
check-uffd check-no-uffd:
	@tools/install-deps build check
	@tools/setup build -Dtests=true
	@$(NINJA) build
	@tools/$@ build

# A million faults, with everything else going on at once.
check-stress:
	@tools/install-deps build check
	@tools/setup build -Dtests=true
	@$(NINJA) build
	@MF_STRESS_FAULTS=1000000 tools/run-tests build stress

# A hundred thousand random sequences on the kernel's userfaultfd and on ours.
check-conform:
	@tools/install-deps build check
	@tools/setup build -Dtests=true
	@$(NINJA) build
	@MF_TEST_SEQUENCES=100000 tools/run-tests build conform conform-random \
		conform-differences

# Looks for inputs that break a parser, FUZZ_SECONDS for each.
FUZZ_SECONDS ?= 20
check-fuzz:
	@tools/install-deps build check clang fuzz
	@CC=clang tools/setup build-fuzz -Dtests=true -Dfuzz=true \
		-Db_sanitize=address,undefined -Db_lundef=false
	@$(NINJA) build-fuzz fuzz
	@tools/run-fuzz build-fuzz $(FUZZ_SECONDS)

# All interleavings of a few threads, told as a table: in two minutes, or with
# every row and policy, in half an hour. SECONDS_EACH: how long each part of a row may take. With
# REPLAY='row:schedule', one run as a story: a bug is printed as such a string.
explorer:
	@tools/install-deps build check
	@tools/setup build -Dtests=true
	@$(NINJA) build tests/sched/explore

check-sched: explorer
	@build/tests/sched/explore --quick --seconds $(or $(SECONDS_EACH),0.5)

check-sched-deep: explorer
	@build/tests/sched/explore --deep --seconds $(or $(SECONDS_EACH),2)

sched: explorer
	@build/tests/sched/explore --replay '$(REPLAY)'

# Breaks the engine in one place after the other; the explorer must notice.
# Three minutes with two processors. With FOR=60 it begins none after as many
# seconds, and the next time it goes on with those that are left.
check-mutations: explorer
	@tests/sched/check-mutations $(if $(FOR),--for $(FOR)) build

# mfill doctor beside other tools, as the table that is in docs/doctor.md.
compare-doctor:
	@tools/install-deps build check clang doctor
	@tools/setup build -Dtests=true
	@$(NINJA) build
	@tests/doctor/compare build

# The protocol in Promela, all of its states.
check-model:
	@tools/install-deps build model
	@tests/model/check-model

# With three processes in the ring, too.
check-model-deep:
	@tools/install-deps build model
	@tests/model/check-model --deep

# The kernel's own tests of userfaultfd, on the kernel and on mfill.
check-kernel-uffd:
	@tools/install-deps build check kernel-uffd
	@tools/setup build -Dtests=true
	@$(NINJA) build
	@tools/check-kernel-uffd build

check-all: check check-uffd check-no-uffd check-stress check-conform check-fuzz \
	check-clang check-asan check-tsan check-aarch64 check-32 check-model-deep \
	check-mutations check-sched-deep check-kernel-uffd

# A database that is only there compressed, and sqlite3 in a container's place.
demo:
	@tools/install-deps build demo
	@tools/setup build
	@$(NINJA) build
	@tools/demo build

bench:
	@tools/install-deps build
	@tools/setup build
	@$(NINJA) build benchmarks
	@set -e; for name in fault threads huge scatter uaccess mmap_lock \
		filter uffd uffd-copy uffd-run preload-read startup scan locks seam; do \
		[ ! -e build/bench/bench-$$name ] || \
			build/bench/bench-$$name; done

format:
	@tools/install-deps format
	@git ls-files -z '*.c' '*.h' | xargs -0 clang-format-14 -i

install: all
	@tools/setup build -Dprefix=$(PREFIX)
	@$(NINJA) build
	@DESTDIR=$(DESTDIR) meson install -C build --no-rebuild --quiet

clean:
	@rm -rf build build-asan build-tsan build-clang build-aarch64 \
		build-32 build-fuzz
