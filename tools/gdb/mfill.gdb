# SPDX-License-Identifier: MIT
# gdb -x tools/gdb/mfill.gdb --args PROGRAM…
#
# A touch of a page that is not filled yet raises SIGSEGV, which mfill answers.
# gdb would stop at each of them; this lets them pass, and stops where a fault
# turns out to be nobody's: the instruction that crashed is a few frames up.
handle SIGSEGV nostop noprint pass
handle SIGBUS nostop noprint pass
handle SIGSYS nostop noprint pass
set breakpoint pending on
break die_of
