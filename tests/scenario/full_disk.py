#!/usr/bin/python3
"""A full file system leaves memory and Redis serving; when there is room again
the disk tier comes back. Needs root for a small tmpfs; skipped otherwise."""

import os
import subprocess
import sys

from nodes import Folder, check, check_equal, check_partition, wait_until

SKIPPED = 77
MEBIBYTE = 1 << 20


def fill(path):
    """Takes all space that is left."""
    with open(path, "wb", buffering=0) as f:
        block = b"\0" * 65536
        while block:
            try:
                f.write(block)
            except OSError:
                block = block[:len(block) // 2]


def main():
    with Folder() as folder:
        data = os.path.join(folder.path, "data")
        os.mkdir(data)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", data],
            stderr=subprocess.DEVNULL, check=False).returncode == 0
        if not mounted:
            print("skipped: no tmpfs can be mounted here")
            sys.exit(SKIPPED)
        try:
            run(folder, data)
        finally:
            for server in folder.servers:
                server.kill()
            subprocess.run(["umount", data], check=True)


def run(folder, data):
    server = folder.redis()
    node = folder.node(["memory.max_size=64MiB", "disk.max_size=40MiB",
                        "disk.max_pending_size=16MiB",
                        "compression.enabled=false"], server.url)
    client = node.client()
    client.set("before", "on disk")
    wait_until(lambda: node.tiers()["disk"]["entries"] >= 1, "a commit")
    ballast = os.path.join(data, "ballast")
    fill(ballast)

    value = os.urandom(100_000)
    for i in range(1000):  # 100 MB: more than the file system could ever hold
        check(client.set(f"k{i}", value), f"SET {i} was refused")
    wait_until(lambda: node.tiers()["disk"]["state"] != "up",
               "the full disk shows in the tier's state")
    print("disk:", node.tiers()["disk"]["state"],
          node.http("/health")["status"])
    check_equal(node.http("/health")["status"], "degraded", "/health")
    # Memory has the latest, Redis has all of them: no answer is wrong, none is
    # missing.
    for i in range(1000):
        check(client.get(f"k{i}") == value, f"GET {i}")
    check(node.tiers()["redis"]["hits"] > 0, "Redis was never needed")
    check_partition(node)

    os.remove(ballast)
    wait_until(lambda: client.set("after", "x")
               and node.tiers()["disk"]["state"] == "up",
               "the disk tier comes back when there is room")
    client.set("k0", "new")
    node.stop()
    server.kill()
    node.start()
    client = node.client()
    check_equal(client.get("after"), b"x", "written after the disk came back")
    check_equal(client.get("k0"), b"new", "overwritten afterwards")
    check_partition(node)
    node.stop()


main()
