#!/usr/bin/python3
"""Commands that depend on what is there, sent through two nodes that share a
Redis: of all clients of both, one wins. Also with Redis away, on each node.

    shared_commands.py [--keys N]    keys fought over per command"""

import argparse
import random
import threading
import time

from nodes import Folder, check, check_equal, wait_until

CLIENTS = 3  # of each node


def run_all(nodes, run):
    """Calls `run(number, client)` in a thread for each client of the nodes."""
    clients = [n.client() for n in nodes for _ in range(CLIENTS)]
    threads = [threading.Thread(target=run, args=x)
               for x in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def fight(nodes, keys, move):
    """All clients make their move on each key at the same moment. Returns, per
    key, the answers."""
    count = len(nodes) * CLIENTS
    barrier = threading.Barrier(count)
    answers = [[None] * count for _ in keys]
    errors = []

    def run(me, client):
        try:
            for i, key in enumerate(keys):
                barrier.wait(60)
                answers[i][me] = move(client, key, me)
        except Exception as why:  # noqa: told by the main thread
            errors.append(why)
            barrier.abort()

    run_all(nodes, run)
    check(not errors, f"a client failed: {errors[:1]}")
    return answers


def one_winner(nodes, name, keys, move, value_of=None):
    for key, answers in zip(keys, fight(nodes, keys, move)):
        winners = [i for i, x in enumerate(answers) if x]
        check_equal(len(winners), 1, f"{name} of {key}: {answers}")
        if value_of:
            for node in nodes:
                wait_until(lambda: node.client().get(key)
                           == value_of(winners[0]), f"{name}: value of {key}")
    print(f"{name}: {len(keys)} keys, {len(nodes) * CLIENTS} clients, one wins")


def lock_and_unlock(nodes, seconds):
    """A lock by SET NX and DEL: never two inside."""
    inside = []
    taken = [0] * len(nodes) * CLIENTS
    wrong = []
    end = time.monotonic() + seconds

    def run(me, client):
        while time.monotonic() < end and not wrong:
            if not client.set("lock", f"{me}", nx=True, ex=60):
                continue
            inside.append(me)
            if len(inside) != 1:
                wrong.append(list(inside))
            taken[me] += 1
            time.sleep(random.random() / 2000)
            inside.remove(me)
            client.delete("lock")

    run_all(nodes, run)
    check(not wrong, f"several inside: {wrong[:1]}")
    per_node = [sum(taken[i * CLIENTS:(i + 1) * CLIENTS])
                for i in range(len(nodes))]
    check(all(x > 0 for x in per_node), f"a node never had it: {per_node}")
    print(f"lock: taken {per_node} times by the nodes, never twice at once")


def conditions(first, second):
    """One node acts on what the other one has just done."""
    a, b = first.client(), second.client()
    for i in range(50):
        key = f"turn:{i}"
        check(a.set(key, "1", nx=True), "SET NX where nothing is")
        check_equal(b.set(key, "2", nx=True), None, "SET NX where it is")
        check(b.set(key, "3", xx=True), "SET XX where it is")
        check_equal(a.set(key, "4", get=True), b"3", "SET GET")
        check(b.expire(key, 100), "EXPIRE")
        check_equal(a.execute_command("EXPIRE", key, 50, "GT"), 0, "GT")
        check_equal(b.execute_command("EXPIRE", key, 50, "LT"), 1, "LT")
        check_equal(a.persist(key), 1, "PERSIST")
        check_equal(b.getdel(key), b"4", "GETDEL")
        check_equal(a.getdel(key), None, "GETDEL of what is gone")
        check(a.set(key, "5", nx=True), "SET NX of what is gone")
        pipe = b.pipeline(transaction=False)
        pipe.delete(key)
        pipe.set(key, "6", nx=True)
        check_equal(pipe.execute()[1], True, "SET NX behind DEL")
        check_equal(a.set(key, "7", xx=True, get=True), b"6", "SET XX GET")
        check_equal(b.delete(key), 1, "DEL")


def away(nodes, server):
    """Each node decides for itself, at once."""
    for i, node in enumerate(nodes):
        node.client().set(f"kept:{i}", "x")
    server.kill()
    for i, node in enumerate(nodes):
        client = node.client()
        check(client.set(f"alone:{i}", "1", nx=True), "SET NX without Redis")
        check_equal(client.set(f"alone:{i}", "2", nx=True), None,
                    "a second SET NX without Redis")
        check_equal(client.getdel(f"alone:{i}"), b"1", "GETDEL without Redis")
        check_equal(client.expire(f"kept:{i}", 100), True, "EXPIRE without Redis")
    server.start()
    for node in nodes:
        wait_until(lambda: node.tiers()["redis"]["state"] == "up",
                   "Redis is used again")
    keys = [f"after:{i}" for i in range(50)]
    one_winner(nodes, "SET NX after the outage", keys,
               lambda c, key, me: c.set(key, f"{me}", nx=True))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=200)
    count = parser.parse_args().keys
    with Folder() as first, Folder() as second:
        server = first.redis()
        settings = ["redis.command_timeout=2s", "redis.breaker_open_for=100ms",
                    "log.level=warning"]
        nodes = [x.node(settings, server.url) for x in (first, second)]
        conditions(*nodes)
        conditions(*reversed(nodes))
        keys = [f"nx:{i}" for i in range(count)]
        one_winner(nodes, "SET NX", keys,
                   lambda c, key, me: c.set(key, f"{me}", nx=True),
                   lambda me: f"{me}".encode())
        one_winner(nodes, "GETDEL", keys, lambda c, key, me: c.getdel(key))
        for key in keys:
            nodes[0].client().set(key, "x")
        one_winner(nodes, "EXPIRE NX", keys,
                   lambda c, key, me: c.execute_command("EXPIRE", key, 1000,
                                                        "NX"))
        lock_and_unlock(nodes, 3)
        away(nodes, server)


if __name__ == "__main__":
    main()
