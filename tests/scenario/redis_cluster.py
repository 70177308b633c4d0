#!/usr/bin/python3
"""A node with a real Redis Cluster as its only tier: keys spread over three
masters, slots move under load with no failed request, and a master that is
killed or hangs is replaced with failures in the meantime only."""

import time

from clusters import PATIENT, Cluster, Load, redis_tier
from nodes import Folder, check, check_equal, check_partition, wait_until

KEYS = 3000


def errors(node):
    tier = redis_tier(node)
    return tier["errors"] + tier["store_errors"]


def spread(cluster, node):
    client = node.client()
    pipe = client.pipeline(transaction=False)
    for i in range(KEYS):
        pipe.set(f"key:{i}", f"value {i}")
    pipe.execute()
    sizes = [len(x.client().keys("terrace:0:*")) for x in cluster.masters()]
    print(f"keys of the masters: {sizes}")
    check_equal(sum(sizes), KEYS, "keys in the cluster")
    # A third, give or take a tenth of it.
    check(min(sizes) > 900, f"keys do not spread: {sizes}")
    check_equal(client.dbsize(), KEYS, "DBSIZE of the node")
    check_equal(len(set(client.scan_iter("key:*", 500))), KEYS, "SCAN")
    check_static(client)
    # The invalidation of a part visits all masters.
    for i in range(300):
        client.set(f"gone:{i}", "x")
    check_equal(len(client.mget([f"gone:{i}" for i in range(300)])), 300,
                "MGET across slots")
    check_equal(client.delete(*[f"gone:{i}" for i in range(300)]), 300, "DEL")


def check_static(client):
    values = client.mget([f"key:{i}" for i in range(KEYS)])
    wrong = [i for i in range(KEYS) if values[i] != f"value {i}".encode()]
    check(not wrong, f"{len(wrong)} of {KEYS} values are wrong: {wrong[:5]}")


def slot_of(cluster, name):
    return cluster.servers[0].client().execute_command(
        "CLUSTER KEYSLOT", name)


def migrate(cluster, node):
    before = errors(node)
    load = Load(node)
    wait_until(lambda: load.requests > 200, "the load runs")
    source, target = cluster.masters()[:2]
    # Slots of the load's own keys, so that they are asked for on their way.
    slots = {slot_of(cluster, f"terrace:0:load:{t}:{i}")
             for t in range(3) for i in range(200)}
    mine = {int(s) for s in slots if owns(source, s)}
    moved = 0
    start = time.monotonic()
    for slot in sorted(mine)[:100]:
        moved += cluster.move_slot(slot, source, target, 0.005)
    took = time.monotonic() - start
    wait_until(lambda: load.requests > 1000, "the load runs on")
    load.stop()
    figures = redis_tier(node)
    print(f"{min(len(mine), 100)} slots with {moved} keys moved in {took:.1f} s"
          f" under {load.requests} requests, {len(load.failures)} failed;"
          f" moved={figures.get('moved')} asks={figures.get('asks')}"
          f" refreshes={figures.get('refreshes')}")
    check(not load.failures, f"failed requests: {load.failures[:5]}")
    check_equal(errors(node) - before, 0, "errors of the tier")
    check(figures.get("moved", 0) > 0 and figures.get("asks", 0) > 0,
          f"nothing was redirected: {figures}")
    check_equal(load.stale(), [], "values after the move")
    check_static(node.client())


def owns(server, slot):
    client = server.client()
    mine = client.execute_command("CLUSTER MYID").decode()
    for first, last, master, *_ in raw_slots(client):
        if first <= slot <= last:
            return master[2].decode() == mine
    return False


def raw_slots(client):
    client.response_callbacks.pop("CLUSTER SLOTS", None)
    return client.execute_command("CLUSTER SLOTS")


def failover(cluster, node, name, begin):
    load = Load(node)
    wait_until(lambda: load.requests > 500, "the load runs")
    # Redis may lose what a master acknowledged right before it died; the load
    # writes every key again.
    victim = cluster.masters()[0]
    check(not load.failures, f"failed before: {load.failures[:3]}")
    others = set(cluster.masters()) - {victim}
    began = time.monotonic()
    begin(victim)
    wait_until(lambda: len(set(cluster.masters()) - others - {victim}) == 1,
               "the replica takes over")
    load.end_after(name, began, time.monotonic())
    check_static(node.client())
    return victim


def main():
    with Folder() as folder:
        cluster = Cluster(folder)
        node = folder.node(["redis.mode=cluster", "memory.enabled=false",
                            "disk.enabled=false", *PATIENT], cluster.urls())
        spread(cluster, node)
        check_equal(redis_tier(node)["servers"], 3, "servers")
        migrate(cluster, node)
        old = failover(cluster, node, "killed", lambda x: x.kill())
        old.start()
        wait_until(cluster.is_settled, "the killed one follows", 30)
        old = failover(cluster, node, "stopped", lambda x: x.pause())
        old.resume()
        wait_until(cluster.is_settled, "the stopped one follows", 30)
        check_static(node.client())
        check_partition(node)
        node.stop()


main()
