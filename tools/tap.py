# SPDX-License-Identifier: MIT
"""What the check-* tools share: find the sources, print results as TAP."""
import os
import sys

# Where code lives; everything else is no business of the checks.
FOLDERS = ("include", "lib", "sources", "preload", "cli", "tests", "bench",
           "examples", "tools", "man", "docs")


class Tap:
    """Results, printed as they come: tap.result(name, complaints)."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def result(self, name, complaints):
        """A test that passes when there is nothing to complain about."""
        self.count += 1
        self.failed += bool(complaints)
        print(f"{'not ' if complaints else ''}ok {self.count} - {name}")
        for complaint in complaints:
            print(f"#   {complaint}")

    def skip(self, name, missing):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP needs {missing}")

    def finish(self):
        """Print the plan; the exit status says whether all passed."""
        print(f"1..{self.count}")
        return 1 if self.failed or not self.count else 0


def source_files(root, endings):
    """Paths under root, relative to it, of the files with such endings."""
    for folder in FOLDERS:
        for path, folders, names in os.walk(os.path.join(root, folder)):
            folders[:] = sorted(name for name in folders
                                if name != "__pycache__")
            for name in sorted(names):
                if name.endswith(endings):
                    yield os.path.relpath(os.path.join(path, name), root)


def read_lines(root, path):
    with open(os.path.join(root, path), encoding="utf-8",
              errors="replace") as text:
        return text.read().splitlines()


def root_from_arguments():
    """The tree to look at: the argument, or the one the tools are in."""
    if len(sys.argv) > 1:
        return sys.argv[1]
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
