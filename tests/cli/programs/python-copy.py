# SPDX-License-Identifier: MIT
"""Copy a file by the calls that do it inside of the kernel."""
import os
import shutil
import socket
import threading
import zlib

out = os.environ["OUT"]


def crc(name):
    with open(name, "rb") as f:
        return zlib.crc32(f.read())


shutil.copyfile("data", out + "/a")
shutil.copy2("data", out + "/b")
print(crc(out + "/a"), crc(out + "/b"))
print(os.stat("data").st_mtime_ns == os.stat(out + "/b").st_mtime_ns)
fd = os.open("data", os.O_RDONLY)
to = os.open(out + "/c", os.O_RDWR | os.O_CREAT)
print(os.sendfile(to, fd, 1000, 50000), os.lseek(fd, 0, os.SEEK_CUR))
print(os.sendfile(to, fd, None, 60000), os.lseek(fd, 0, os.SEEK_CUR))
print(crc(out + "/c"))
size = os.path.getsize("data")
print(os.sendfile(to, fd, size - 100, 5000), os.sendfile(to, fd, size, 5000))
print(os.copy_file_range(fd, to, 70000, 500, 10), crc(out + "/c"))
print(os.copy_file_range(fd, to, 7000), os.lseek(fd, 0, os.SEEK_CUR))
print(crc(out + "/c"))
r, w = os.pipe()
print(os.splice(fd, w, 30000, offset_src=200000), zlib.crc32(os.read(r, 30000)))
a, b = socket.socketpair()
total = []


def drain():
    crc32 = 0
    while piece := b.recv(65536):
        crc32 = zlib.crc32(piece, crc32)
    total.append(crc32)


thread = threading.Thread(target=drain)
thread.start()
with open("data", "rb") as f:
    print(a.sendfile(f))
a.close()
thread.join()
print(total)
