#!/usr/bin/python3
"""A node with a master that three sentinels watch as its only tier: when the
master is killed, the node follows the failover, with failures in the meantime
only; a master that comes back as a replica is left alone."""

import time

from clusters import PATIENT, Load, Watched
from nodes import Folder, check, check_equal, check_partition, wait_until

KEYS = 1000


def check_static(node):
    values = node.client().mget([f"key:{i}" for i in range(KEYS)])
    wrong = [i for i in range(KEYS) if values[i] != f"value {i}".encode()]
    check(not wrong, f"{len(wrong)} of {KEYS} values are wrong: {wrong[:5]}")


def fail_over(watched, node, name, begin):
    load = Load(node)
    wait_until(lambda: load.requests > 500, "the load runs")
    check(not load.failures, f"failed before: {load.failures[:3]}")
    old = watched.master()
    began = time.monotonic()
    begin(old)
    new = wait_until(lambda: watched.master() not in (None, old)
                     and watched.master(), "another master", 30)
    load.end_after(name, began, time.monotonic())
    check_static(node)
    check(new.client().get("terrace:0:key:0"), "the new master has the keys")
    return old


def main():
    with Folder() as folder:
        watched = Watched(folder)
        node = folder.node(["redis.mode=sentinel", "memory.enabled=false",
                            "disk.enabled=false", *PATIENT], watched.urls())
        client = node.client()
        for i in range(KEYS):
            client.set(f"key:{i}", f"value {i}")
        check_static(node)
        old = fail_over(watched, node, "killed", lambda x: x.kill())
        old.start()
        # The sentinels make it a replica of the new master.
        wait_until(lambda: not old.is_master(), "the old master follows", 30)
        # The first sentinel is gone, and the failover is an orderly one.
        watched.sentinels[0].kill()
        watched.sentinels.pop(0)
        other = watched.sentinels[0].client()
        wait_until(lambda: other.sentinel_master("mymaster")["num-slaves"] == 2,
                   "the replicas are known", 30)
        wait_until(lambda: "master_link_status:up" in raw_info(old),
                   "the old master has its data", 30)
        fail_over(watched, node, "ordered", lambda _: wait_until(
            lambda: ordered(other), "the sentinels take the order", 30))
        check_partition(node)
        node.stop()


def raw_info(server):
    client = server.client()
    client.response_callbacks.pop("INFO", None)
    return client.execute_command("INFO", "replication").decode()


def ordered(sentinel):
    try:
        return sentinel.execute_command("SENTINEL FAILOVER", "mymaster")
    except Exception as x:
        check("NOGOODSLAVE" in str(x) or "INPROG" in str(x), f"{x}")
        return False


main()
