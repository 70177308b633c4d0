#!/usr/bin/python3
"""A node over three independent Redis servers: while one is dead, the others'
keys work without an error; when it is back, what it missed arrives."""

import time

from clusters import PATIENT, redis_tier
from nodes import Folder, check, check_equal, check_partition, wait_until

KEYS = 3000


def names(server):
    return {x.decode().removeprefix("terrace:0:")
            for x in server.client().keys("terrace:0:*")}


def outage(node, servers, name, begin, end):
    client = node.client()
    victim = servers[1]
    theirs = sorted(names(victim))
    others = sorted(names(servers[0]) | names(servers[2]))
    begin(victim)
    # The first requests find out. A key that cannot be looked up is absent from
    # a cache; the tier counts an error and no miss.
    before = redis_tier(node)
    for key in theirs[:5]:
        check_equal(client.get(key), None, f"{name}: read of {key}")
    check_equal(redis_tier(node)["errors"] - before["errors"], 5,
                f"{name}: errors of the dead server's keys")
    start = time.monotonic()
    before = redis_tier(node)
    for key in others:
        check_equal(client.get(key), key.encode(), f"{name}: read of {key}")
        check(client.set(key, key), f"{name}: write of {key}")
    after = redis_tier(node)
    took = time.monotonic() - start
    print(f"{name}: {2 * len(others)} requests for the others' keys took"
          f" {took:.1f} s, state {after['state']}: {after['reason']}")
    for figure in ("errors", "store_errors"):
        check_equal(after[figure] - before[figure], 0,
                    f"{name}: {figure} of the others' keys")
    check_equal(after["state"], "degraded", name)
    check_equal(after["servers_down"], 1, f"{name}: servers down")
    # All at once: what cannot be written is remembered.
    pipe = client.pipeline(transaction=False)
    for key in theirs:
        pipe.set(key, name)
    pipe.execute(raise_on_error=False)
    missed = redis_tier(node)["missed_entries"]
    check_equal(missed, len(theirs), f"{name}: missed entries")
    for key in others[:100]:
        check_equal(client.get(key), key.encode(), f"{name}: read of {key}")
    end(victim)
    wait_until(lambda: redis_tier(node)["state"] == "up", f"{name}: back")
    check_equal(redis_tier(node)["missed_entries"], 0, f"{name}: missed")
    for key, value in zip(theirs, client.mget(theirs)):
        check_equal(value, name.encode(), f"{name}: what {key} missed")
    check(names(victim).issuperset(theirs), f"{name}: its keys are back")
    for key in theirs:
        client.set(key, key)


def main():
    with Folder() as folder:
        servers = [folder.redis() for _ in range(3)]
        node = folder.node(["redis.mode=sharded", "memory.enabled=false",
                            "disk.enabled=false", *PATIENT],
                           ",".join(x.url for x in servers))
        client = node.client()
        pipe = client.pipeline(transaction=False)
        for i in range(KEYS):
            pipe.set(f"key:{i}", f"key:{i}")
        pipe.execute()
        sizes = [len(x.client().keys("terrace:0:*")) for x in servers]
        print(f"keys of the servers: {sizes}")
        check_equal(sum(sizes), KEYS, "keys in all")
        check(min(sizes) > 900, f"keys do not spread: {sizes}")
        check_equal(client.dbsize(), KEYS, "DBSIZE of the node")
        outage(node, servers, "killed", lambda x: x.kill(),
               lambda x: x.start())
        outage(node, servers, "stopped", lambda x: x.pause(),
               lambda x: x.resume())
        check_partition(node)
        node.stop()


main()
