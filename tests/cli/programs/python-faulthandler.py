# SPDX-License-Identifier: MIT
"""Somebody else takes SIGSEGV, and there is a real crash in the end."""
import ctypes
import faulthandler
import mmap
import os
import zlib

with open("data", "rb") as f:
    before = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
faulthandler.enable(file=open(os.devnull, "w"))
with open("data", "rb") as f:
    after = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
print(zlib.crc32(before), zlib.crc32(after), flush=True)
ctypes.string_at(1)
