#!/usr/bin/python3
"""A full file system leaves memory and Redis serving; when there is room again
the disk tier comes back by itself, and nothing is torn, old or miscounted. The
device is a small tmpfs, a small ext4, and a bound on the length of files; the
first two need root and are skipped otherwise."""

import os
import random
import time

from devices import ext4, fill, limit_files, tmpfs
from mixed_load import MixedLoad
from nodes import Folder, check, check_equal, check_partition, wait_until
from verdicts import check_counts, judge


def disk_of(node):
    return node.tiers()["disk"]


def with_redis(folder, data):
    """Redis has all that the disk could not take."""
    server = folder.redis()
    node = folder.node(["memory.max_size=64MiB", "disk.max_size=40MiB",
                        "disk.max_pending_size=16MiB",
                        "compression.enabled=false"], server.url)
    client = node.client()
    client.set("before", "on disk")
    wait_until(lambda: disk_of(node)["entries"] >= 1, "a commit")
    ballast = os.path.join(data, "ballast")
    fill(ballast)

    value = os.urandom(100_000)
    for i in range(1000):  # 100 MB: more than the file system could ever hold
        check(client.set(f"k{i}", value), f"SET {i} was refused")
    wait_until(lambda: disk_of(node)["state"] != "up",
               "the full disk shows in the tier's state")
    check_equal(node.http("/health")["status"], "degraded", "/health")
    # Memory has the latest, Redis has all of them: no answer is wrong, none is
    # missing.
    for i in range(1000):
        check(client.get(f"k{i}") == value, f"GET {i}")
    check(node.tiers()["redis"]["hits"] > 0, "Redis was never needed")
    check_partition(node)

    os.remove(ballast)
    wait_until(lambda: client.set("after", "x")
               and disk_of(node)["state"] == "up",
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


def under_load(folder, take_room, give_room, seed):
    """Another takes all room while the node is at work, and gives it back."""
    print("seed", seed, flush=True)
    node = folder.node(["memory.max_size=8MiB", "disk.max_size=40MiB",
                        "disk.max_pending_size=4MiB", "disk.commit_size=1MiB",
                        "disk.sweep_interval=50ms"])
    load = MixedLoad(random.Random(seed))
    load.begin(node)
    wait_until(lambda: disk_of(node)["entries"] > 200, "some entries on disk")
    take_room(node)
    wait_until(lambda: disk_of(node)["state"] == "degraded",
               "the full disk shows in the tier's state")
    print("disk:", disk_of(node)["reason"])
    check_equal(node.http("/health")["status"], "degraded", "/health")
    before = node.tiers()["memory"]["lookups"]
    wait_until(lambda: node.tiers()["memory"]["lookups"] > before + 1000,
               "memory goes on serving")
    give_room(node)
    wait_until(lambda: disk_of(node)["state"] == "up",
               "the disk tier comes back when there is room")
    acknowledged, refused = load.join()
    print(f"{acknowledged} changes, {len(refused)} refused: {refused[:1]}")
    # Entries may have been given up, but nothing older may show.
    judge(node, load, time.monotonic(), 0.0, may_miss=True)
    entries = check_counts(node, load)
    check_partition(node)

    load.begin(node)
    wait_until(lambda: disk_of(node)["entries"] > 200, "more entries")
    load.join()
    wait_until(lambda: disk_of(node)["pending_entries"] == 0, "a last commit")
    node.kill()
    node.start()
    judge(node, load, time.monotonic(), 0.0, may_miss=True)
    print(f"{entries} entries, and {check_counts(node, load)} after a kill")
    node.stop()


def on_device(device, test, *arguments):
    with Folder() as folder:
        data = os.path.join(folder.path, "data")
        with device(data, 64) as mounted:
            if not mounted:
                return
            try:
                test(folder, *arguments)
            finally:
                for server in folder.servers:
                    server.kill()


def main():
    rng = random.Random()

    def ballast(node):
        return os.path.join(node.folder, "data", "ballast")

    on_device(tmpfs, lambda folder: with_redis(
        folder, os.path.join(folder.path, "data")))
    for device in (tmpfs, ext4):
        on_device(device, under_load, lambda node: fill(ballast(node)),
                  lambda node: os.remove(ballast(node)), rng.randrange(1 << 30))
    with Folder() as folder:
        under_load(folder,
                   lambda node: limit_files(node.process, 1 << 20),
                   lambda node: limit_files(node.process, None),
                   rng.randrange(1 << 30))


main()
