#!/usr/bin/python3
"""The bounds of memory and its policy change under load, with CONFIG SET and
with SIGHUP, and no request fails."""

import os
import random
import signal
import threading

import redis

from nodes import Folder, check, check_equal, wait_until

MEBIBYTE = 1 << 20
POLICIES = ["fifo", "lru", "lfu", "slru", "adaptive", "hybrid", "w-tinylfu",
            "s3-fifo", "sieve", "auto"]


class Load:
    """Threads that write and read until told to stop; values tell their key."""

    def __init__(self, node, threads=3):
        self.ended = threading.Event()
        self.problems = []
        self.requests = 0
        self.threads = [threading.Thread(target=self.run, args=(node, i))
                        for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, node, seed):
        choose = random.Random(seed)
        client = node.client()
        try:
            while not self.ended.is_set():
                keys = [f"k{choose.randrange(30_000)}" for _ in range(50)]
                pipe = client.pipeline(transaction=False)
                for key in keys:
                    if choose.random() < 0.3:
                        pipe.set(key, key * choose.randrange(1, 200))
                    else:
                        pipe.get(key)
                for key, answer in zip(keys, pipe.execute()):
                    if answer not in (True, None):
                        check(answer.startswith(key.encode()), f"{key}: {answer}")
                self.requests += len(keys)
        except (redis.RedisError, AssertionError, SystemExit) as problem:
            self.problems.append(repr(problem))

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        check_equal(self.problems, [], "failed requests")
        check(self.requests > 0, "no requests")


def refused(client, name, value, text):
    try:
        client.config_set(name, value)
    except redis.ResponseError as problem:
        check(text in str(problem), f"{name} {value}: {problem}")
    else:
        check(False, f"CONFIG SET {name} {value} was taken")


def within(node, bound):
    wait_until(lambda: node.tiers()["memory"]["bytes"] <= bound
               and node.tiers()["memory"]["capacity_bytes"] == bound,
               f"memory stays above {bound}")


def write_config(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def test_config_set(node):
    client = node.client()
    for i, policy in enumerate(POLICIES):
        client.config_set("memory.policy", policy)
        check_equal(client.config_get("memory.policy"),
                    {"memory.policy": policy}, "policy")
        bound = (4 + i % 3 * 6) * MEBIBYTE
        client.config_set("maxmemory", f"{bound >> 20}mb")
        check_equal(client.config_get("maxmemory"), {"maxmemory": str(bound)},
                    "maxmemory")
        within(node, bound)
    client.config_set("maxmemory-policy", "allkeys-lru")
    check_equal(client.config_get("memory.policy"), {"memory.policy": "lru"},
                "policy by Redis' name")
    refused(client, "port", "1", "can't set immutable config")
    refused(client, "disk.enabled", "false", "can't set immutable config")
    refused(client, "no-such-option", "1", "Unknown option")
    refused(client, "maxmemory", "much", "memory.max_size: expected")
    refused(client, "maxmemory-policy", "noeviction", "memory.policy: expected")


def test_reload(node, path):
    def reload(text, expected):
        write_config(path, text)
        node.process.send_signal(signal.SIGHUP)
        wait_until(lambda: expected in node.log_text(),
                   f"the log lacks {expected!r}")

    client = node.client()
    reload('[memory]\nmax_size = "5MiB"\npolicy = "sieve"\n',
           "configuration reloaded")
    check_equal(client.config_get("memory.policy"), {"memory.policy": "sieve"},
                "policy from the file")
    within(node, 5 * MEBIBYTE)
    reload('[memory]\nmax_size = "6MiB"\n[resp]\nmax_clients = 77\n',
           "resp.max_clients has changed, which takes a restart")
    within(node, 6 * MEBIBYTE)
    reload('[memory]\nmax_size = "7 apples"\n', "not reloaded")
    within(node, 6 * MEBIBYTE)


def test_budget(node, path):
    def share():
        return node.tiers()["memory"]["capacity_bytes"]

    client = node.client()
    write_config(path, '[node]\nmax_memory = "256MiB"\n')
    node.process.send_signal(signal.SIGHUP)
    wait_until(lambda: client.config_get("maxmemory")
               == {"maxmemory": str(256 * MEBIBYTE)}, "the file's budget")
    wait_until(lambda: share() != 6 * MEBIBYTE, "L1 keeps its bound")
    large = share()
    check(64 * MEBIBYTE < large < 256 * MEBIBYTE, f"L1 gets {large}")
    within(node, large)
    client.config_set("maxmemory", "128mb")
    wait_until(lambda: share() < large, "L1 keeps its part")
    check(share() < large / 2 + MEBIBYTE, f"L1 gets {share()}")
    within(node, share())
    refused(client, "memory.max_size", "64MiB", "expected none beside")
    refused(client, "maxmemory", "1mb", "node.max_memory: expected")
    client.config_set("node.max_memory", "0")
    within(node, 256 * MEBIBYTE)


def main():
    with Folder() as folder:
        path = os.path.join(folder.path, "node.toml")
        write_config(path, '[memory]\nmax_size = "16MiB"\n')
        node = folder.node(config=path)
        load = Load(node)
        wait_until(lambda: node.tiers()["memory"]["evictions"] > 0,
                   "memory does not fill")
        test_config_set(node)
        test_reload(node, path)
        test_budget(node, path)
        load.stop()
        node.stop()


main()
