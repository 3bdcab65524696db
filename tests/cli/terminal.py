#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""terminal.py MFILL - job control of mfill run, at a terminal of its own.

A shell with job control runs in it; what it says of its jobs is what a user
would see.
"""
import os
import pty
import re
import select
import sys
import time


class Terminal:
    """An interactive bash, and all it has printed so far."""

    def __init__(self):
        self.seen = ""
        pid, self.fd = pty.fork()
        if pid == 0:
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        self.type("PS1=; set -b\n")

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, seconds=10):
        """Wait for it behind what was expected before."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            left = end - time.monotonic()
            if left < 0 or not select.select([self.fd], [], [], left)[0]:
                sys.exit(f"no {pattern!r} in {self.seen!r}")
            self.seen += os.read(self.fd, 4096).decode(errors="replace")
        self.seen = self.seen[found.end():]
        return found


def main():
    mfill = sys.argv[1]
    terminal = Terminal()
    # The quotes keep what is typed from looking like what is printed.
    terminal.type(f"{mfill} run sh -c 'echo rea''dy; sleep 100'\n")
    terminal.expect("ready")
    terminal.type("\x1a")
    terminal.expect("Stopped")
    terminal.type("fg\n")
    time.sleep(0.3)
    terminal.type("\x03")
    time.sleep(0.1)
    terminal.type("echo status''=$?\n")
    terminal.expect("status=130")

    # One that stops itself, without anybody at the keyboard.
    terminal.type(f"{mfill} run sh -c 'kill -STOP $$; echo on''ward; exit 3'\n")
    terminal.expect("Stopped")
    terminal.type("fg\n")
    terminal.expect("onward")
    terminal.type("echo status''=$?\n")
    terminal.expect("status=3")

    # The command may read from the terminal and is in the foreground.
    terminal.type(f"{mfill} run sh -c 'read x; echo got''=$x'\n")
    time.sleep(0.3)
    terminal.type("word\n")
    terminal.expect("got=word")
    terminal.type("exit\n")


if __name__ == "__main__":
    main()
