# SPDX-License-Identifier: MIT
"""Map a file in all the ways that Python has."""
import mmap
import os
import threading
import zlib

size = os.path.getsize("data")
with open("data", "rb") as f:
    whole = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
    private = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY)
    part = mmap.mmap(f.fileno(), 100000, prot=mmap.PROT_READ,
                     offset=mmap.ALLOCATIONGRANULARITY * 16)
    try:
        mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_WRITE)
    except OSError as e:
        print(e)
    try:
        mmap.mmap(f.fileno(), size + 100000, access=mmap.ACCESS_READ)
    except ValueError as e:
        print(e)
print(whole.find(b"line 39999"), whole.rfind(b"line 39999"), len(whole))
print(part[:100], zlib.crc32(part))
private[1000:1010] = b"0123456789"
private[size - 1] = 33
print(private[990:1020], whole[990:1020], private[-3:], whole[-3:])
private.flush()
print(zlib.crc32(whole), zlib.crc32(private))
whole.seek(5000)
print(whole.readline(), whole.tell(), whole.size())
whole.madvise(mmap.MADV_DONTNEED)
print(zlib.crc32(whole))
# Written from a map that nobody touched, by whatever call.
with open("data", "rb") as f:
    fresh = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
with open(os.environ["OUT"] + "/copy", "wb") as f:
    print(f.write(fresh))
with open(os.environ["OUT"] + "/copy", "rb") as f:
    print(zlib.crc32(f.read()))
with open("data", "rb") as f:
    fresh = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
out, into = os.pipe()
print(os.write(into, memoryview(fresh)[200000:230000]), len(os.read(out, 30000)))
sums = [0] * 4


def work(i):
    for at in range(i * 4096, size, 4 * 4096):
        sums[i] = zlib.crc32(fresh[at:at + 4096], sums[i])


threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sums)
part.close()
private.close()
fresh.close()
print(zlib.crc32(whole))
