# SPDX-License-Identifier: MIT
"""Arrays in a file."""
import os
import sys

# This file must not be found under the name of what it imports.
sys.path = [p for p in sys.path if p != os.path.dirname(__file__)]
import numpy as np  # noqa: E402

out = os.environ["OUT"]
r = np.memmap("numbers", dtype=np.uint16, mode="r")
print(r.shape, int(r[5::1000].sum()), int(r.max()))
c = np.memmap("numbers", dtype=np.uint8, mode="c", offset=1000, shape=(500, 900))
c[100:200] += 1
print(int(c.sum()), int(r[700:800].sum()))
print(int(np.fromfile("numbers", dtype=np.uint32, count=1000,
                      offset=4000).sum()))
with open("numbers", "rb") as f:
    f.seek(80000)
    print(int(np.fromfile(f, dtype=np.uint8, count=5000).sum()), f.tell())
fresh = np.memmap("data", dtype=np.uint8, mode="r")
fresh[200000:900000].tofile(out + "/x")
print(int(np.fromfile(out + "/x", dtype=np.uint8).sum()))
fresh = np.memmap("data", dtype=np.uint8, mode="r")
np.save(out + "/x.npy", fresh[500000:])
print(int(np.load(out + "/x.npy", mmap_mode="r").sum()))
try:
    np.memmap("numbers", dtype=np.uint8, mode="r")[0] = 1
except ValueError as e:
    print(e)
