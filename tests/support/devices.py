"""Small file systems for tests, and a limit that needs none. What cannot be
mounted here is skipped with a line that says so."""

import contextlib
import os
import resource
import subprocess

from nodes import wait_until


@contextlib.contextmanager
def _mounted(command, path):
    os.makedirs(path, exist_ok=True)
    done = subprocess.run(command + [path], stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != 0:
        print("skipped:", " ".join(command), done.stderr.strip(), flush=True)
        yield None
        return
    try:
        yield path
    finally:
        # A process that has been killed may hold it a moment longer.
        wait_until(lambda: subprocess.run(
            ["umount", path], stderr=subprocess.DEVNULL,
            check=False).returncode == 0, f"{path} is free")


def tmpfs(path, mebibytes):
    """The file system's path as a context, or None where it cannot be."""
    return _mounted(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m",
                     "tmpfs"], path)


@contextlib.contextmanager
def ext4(path, mebibytes):
    """Likewise, in a file beside `path`. After an error, which `fail_device`
    makes, it is read-only."""
    image = path + ".img"
    with open(image, "wb") as f:
        f.truncate(mebibytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    with _mounted(["mount", "-o", "loop,errors=remount-ro", image], path) as x:
        yield x


def fail_device(path):
    """Makes the ext4 of `path` find an error in itself."""
    with open("/proc/self/mounts") as f:
        device = next(line.split()[0] for line in f
                      if line.split()[1] == path)
    with open(f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error",
              "w") as f:
        f.write("terrace's test")


def fill(path):
    """Takes all space that is left for the file `path`."""
    with open(path, "wb", buffering=0) as f:
        block = b"\0" * 65536
        while block:
            try:
                f.write(block)
            except OSError:
                block = block[:len(block) // 2]


def limit_files(process, length):
    """Bounds the length of files that the process writes; None: no bound."""
    bound = resource.RLIM_INFINITY if length is None else length
    hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (bound, hard))
