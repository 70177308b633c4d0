#!/usr/bin/python3
"""What can happen to a disk or its directory while a node is at work: the file
system becomes read-only, the directory is removed, the database is cut short,
no commit gets through. The node serves on, says so, and never gives an answer
that is torn or old. What needs root is skipped without it."""

import os
import random
import shutil
import time

import redis

from devices import ext4, fail_device, limit_files
from mixed_load import MixedLoad
from nodes import (Folder, check, check_equal, check_partition, fail,
                   wait_until)
from verdicts import check_counts, judge

SETTINGS = ["memory.max_size=8MiB", "disk.max_pending_size=4MiB",
            "disk.commit_size=1MiB", "disk.sweep_interval=50ms"]


def disk_of(node):
    return node.tiers()["disk"]


def settled(node):
    disk = disk_of(node)
    return disk["journal_entries"] == 0 and disk["pending_entries"] == 0


def begin(folder):
    """A node under load with some entries on disk."""
    node = folder.node(SETTINGS)
    load = MixedLoad(random.Random())
    load.begin(node)
    wait_until(lambda: disk_of(node)["entries"] > 200, "some entries on disk")
    return node, load


def check_serving(node):
    """Memory answers, and no look-up is counted twice or not at all."""
    before = node.tiers()["memory"]["lookups"]
    wait_until(lambda: node.tiers()["memory"]["lookups"] > before + 1000,
               "memory goes on serving")
    client = node.client()
    check(client.set("here", "yes"), "SET")
    check_equal(client.get("here"), b"yes", "GET of what was just written")
    client.delete("here")


def end(node, load):
    acknowledged, refused = load.join()
    judge(node, load, time.monotonic(), 0.0, may_miss=True)
    check_partition(node)
    print(f"{acknowledged} changes, {len(refused)} refused: {refused[:1]}",
          flush=True)


def read_only_device():
    with Folder() as folder:
        data = os.path.join(folder.path, "data")
        with ext4(data, 64) as mounted:
            if not mounted:
                return
            try:
                node, load = begin(folder)
                fail_device(data)
                wait_until(lambda: disk_of(node)["state"] == "degraded",
                           "the tier's state shows it")
                print("read-only:", disk_of(node)["reason"])
                check_equal(node.http("/health")["status"], "degraded",
                            "/health")
                check_serving(node)
                end(node, load)
            finally:
                for server in folder.servers:
                    server.kill()


def removed_directory():
    """The tier starts anew in a new directory, and keeps what comes then."""
    with Folder() as folder:
        node, load = begin(folder)
        # The node may be making the directory anew at the same time.
        shutil.rmtree(node.disk, ignore_errors=True)
        wait_until(lambda: disk_of(node)["started_anew"] >= 1, "a new start")
        check_serving(node)
        end(node, load)
        check_equal(disk_of(node)["state"], "up", "state")
        load.begin(node)
        wait_until(lambda: disk_of(node)["entries"] > 200, "entries again")
        load.join()
        node.stop()
        node.start()
        judge(node, load, time.monotonic(), 0.0, may_miss=True)
        check(check_counts(node, load) > 200, "entries after a restart")
        check_equal(disk_of(node)["started_anew"], 0, "new starts since then")
        node.stop()


def truncated_database():
    """Pages that are no more: misses and errors, until the tier starts anew."""
    with Folder() as folder:
        node, load = begin(folder)
        database = os.path.join(node.disk, "data.mdb")
        os.truncate(database, os.path.getsize(database) // 8192 * 4096)
        try:
            wait_until(lambda: disk_of(node)["started_anew"] == 1,
                       "a new start")
            check_serving(node)
            end(node, load)
            check_equal(disk_of(node)["state"], "up", "state")
        except redis.exceptions.ConnectionError:
            fail(f"the node ended with {node.exit_code()}")
        node.kill()


def commits_that_fail():
    """What is cleared meanwhile stays cleared, and what was written before is
    never seen again after something newer."""
    with Folder() as folder:
        node, load = begin(folder)
        client = node.client(db=5)
        for i in range(1000):
            client.set(f"old-{i}", "old")
        client.execute_command("CACHE.SET", "tagged", "old", "TAGS", 1, "t")
        wait_until(lambda: client.dbsize() == 1001, "all of them count")
        load.join()
        wait_until(lambda: settled(node), "everything reaches the tree")
        limit_files(node.process, 4096)  # no page can be written any more
        load.begin(node)
        wait_until(lambda: disk_of(node)["state"] == "degraded",
                   "the tier's state shows it")
        print("no commit:", disk_of(node)["reason"])
        check_serving(node)
        client.execute_command("CACHE.INVALIDATE", "TAG", "t")
        check_equal(client.get("tagged"), None, "an invalidated tag")
        client.flushdb()
        left = client.mget([f"old-{i}" for i in range(1000)])
        check(not any(left), "a cleared tenant answers")
        limit_files(node.process, None)
        wait_until(lambda: disk_of(node)["state"] == "up", "it comes back")
        check(not any(client.mget([f"old-{i}" for i in range(1000)])),
              "a cleared tenant answers after the disk came back")
        end(node, load)
        check_counts(node, load)
        node.stop()


def main():
    for test in (read_only_device, removed_directory, commits_that_fail,
                 truncated_database):
        print(test.__name__, flush=True)
        test()


main()
