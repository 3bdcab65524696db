# SPDX-License-Identifier: MIT
"""Hand a file to other processes in all the ways that Python has."""
import mmap
import multiprocessing
import os
import subprocess
import sys
import zlib


def part(i):
    with open("data", "rb") as f:
        f.seek(i * 100000)
        return zlib.crc32(f.read(100000))


def main():
    pid = os.fork()
    if pid == 0:
        with open("data", "rb") as f:
            os._exit(zlib.crc32(f.read()) % 256)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    # A descriptor and a map from before the fork.
    fd = os.open("data", os.O_RDONLY)
    memory = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
    r, w = os.pipe()
    if os.fork() == 0:
        os.write(w, b"%d %d\n" % (zlib.crc32(os.read(fd, 50000)),
                                  zlib.crc32(memory)))
        os._exit(0)
    os.wait()
    print(os.read(r, 100), os.lseek(fd, 0, os.SEEK_CUR), zlib.crc32(memory))

    for how in "fork", "spawn":
        with multiprocessing.get_context(how).Pool(3) as pool:
            print(how, pool.map(part, range(9)))

    def run(*args, **more):
        print(subprocess.run(args, capture_output=True, **more))
    with open("data", "rb") as f:
        run("cksum", stdin=f)
    with open("data", "rb") as f:
        f.seek(1000)
        run("sh", "-c", "head -c 30", stdin=f, close_fds=False)
    run("cksum", "data", env={})
    run("sha256sum", "data", env={"LD_PRELOAD": ""}, close_fds=True)
    run("sh", "-c", "cat data | head -n 2 | tail -n 1; exit 3")
    os.set_inheritable(fd, True)
    run(sys.executable, "-c",
        "import os, sys; print(os.pread(int(sys.argv[1]), 20, 5000))",
        str(fd), pass_fds=[fd])
    print(os.system("head -c 20 data | cksum >&2"))
    with os.popen("cksum <data") as p:
        print(p.read())
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "cksum; cksum <&7"],
                         {}, file_actions=[
                             (os.POSIX_SPAWN_OPEN, 0, "data", os.O_RDONLY, 0),
                             (os.POSIX_SPAWN_OPEN, 7, "data", os.O_RDONLY, 0),
                             (os.POSIX_SPAWN_DUP2, w, 1)])
    os.waitpid(pid, 0)
    print(os.read(r, 1000))
    # Everything that is open is closed, as a daemon does.
    if os.fork() == 0:
        os.closerange(3, 4096)
        with open("data", "rb") as f:
            f.seek(300000)
            f.read(200000)
            os._exit(zlib.crc32(f.read()) % 256)
    print(os.waitstatus_to_exitcode(os.wait()[1]))


if __name__ == "__main__":
    main()
