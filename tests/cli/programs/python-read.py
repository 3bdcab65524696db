# SPDX-License-Identifier: MIT
"""Read a file in all the ways that Python has."""
import glob
import io
import os
import pathlib
import zlib

size = os.path.getsize("data")
with open("data", "rb") as f:
    content = f.read()
    print(size, len(content), zlib.crc32(content))
    f.seek(100000)
    print(f.read(50), f.tell(), f.seek(-5, io.SEEK_END), f.read())
with open("data", "rb", buffering=0) as f:
    buf = bytearray(70000)
    print(f.readinto(buf), zlib.crc32(buf), f.readable(), f.writable())
with open("data", encoding="latin-1") as f:
    print(sum(len(line) for line in f))
fd = os.open("data", os.O_RDONLY)
a, b = bytearray(3000), bytearray(5000)
print(os.preadv(fd, [a, b], 12345), zlib.crc32(a + b))
print(os.readv(fd, [a, b]), zlib.crc32(a + b), os.lseek(fd, 0, os.SEEK_CUR))
print(os.pread(fd, 100, size - 50), os.pread(fd, 100, size + 50))
print(os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, 0, os.SEEK_END))
try:
    os.write(fd, b"x")
except OSError as e:
    print(e)
try:
    os.pread(fd, 10, -1)
except OSError as e:
    print(e)
twin = os.dup(fd)
os.lseek(fd, 777, os.SEEK_SET)
print(os.read(twin, 20), os.get_inheritable(fd))
st, pst = os.fstat(fd), os.stat("data")
print(st.st_ino == pst.st_ino, st.st_dev == pst.st_dev, st.st_mtime_ns ==
      pst.st_mtime_ns, st.st_size, st.st_blocks * 512 >= st.st_size)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
print(os.listxattr("data"), os.access("data", os.R_OK),
      os.access("data", os.X_OK))
print(sorted(os.listdir()), sorted(glob.glob("*a*")),
      sorted(p.name for p in pathlib.Path("sub").iterdir()))
print(sorted((e.name, e.is_file(), e.stat().st_size)
             for e in os.scandir("sub")))
print([(d, sorted(f)) for d, _, f in sorted(os.walk("sub"))])
with os.fdopen(os.open("/dev/fd/%d" % fd, os.O_RDONLY), "rb") as f:
    print(zlib.crc32(f.read()))
os.close(fd)
try:
    os.read(fd, 1)
except OSError as e:
    print(e)
