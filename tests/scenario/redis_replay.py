#!/usr/bin/python3
"""Redis goes away under write load and comes back with its data: what was
written meanwhile is in Redis afterwards, the newest version of every key, and
the notes of the node keep their bounds. With too few notes allowed, values are
missed rather than old ones served.

TERRACE_OUTAGE_SECONDS says how long it is away, 5 by default."""

import os
import threading
import time

from nodes import Folder, check, check_equal, check_partition, wait_until

SECONDS = float(os.environ.get("TERRACE_OUTAGE_SECONDS", "5"))
WRITERS = 4
KEYS = 4000
LONGEST = 1.0  # seconds a write may take, generous for a busy machine
# A write that Redis has acknowledged must outlive its end.
DURABLE = ["--appendonly", "yes", "--appendfsync", "always"]


def key(i):
    return f"key:{i}"


def value(i, n):
    return f"{i}#{n}#".encode().ljust(600 + i % 800, b".")


def number_in(found, i):
    """Which value of key `i` was found; fails if it is none."""
    parts = found.split(b"#", 2)
    check(parts[0] == str(i).encode() and found == value(i, int(parts[1])),
          f"{key(i)}: damaged: {found[:40]!r}")
    return int(parts[1])


class Load:
    """Threads that write all keys again and again, each its own ones."""

    def __init__(self, node):
        self.newest = [0] * KEYS
        self.longest = 0.0
        self.errors = []
        self.ending = [False] * WRITERS
        self.threads = [threading.Thread(target=self.write, args=(node, i))
                        for i in range(WRITERS)]
        for x in self.threads:
            x.start()

    def write(self, node, first):
        client = node.client()
        i = first
        while not self.ending[first]:
            begin = time.monotonic()
            try:
                client.set(key(i), value(i, self.newest[i] + 1))
            except Exception as error:  # whatever it is, the test fails
                self.errors.append(error)
                return
            self.newest[i] += 1
            self.longest = max(self.longest, time.monotonic() - begin)
            i += WRITERS
            if i >= KEYS:
                i = first

    def written(self):
        return sum(self.newest)

    def end(self, writers):
        for i in writers:
            self.ending[i] = True
            self.threads[i].join()
        check(not self.errors, f"a write failed: {self.errors[:1]}")


def redis_tier(node):
    return node.tiers()["redis"]


def caught_up(node):
    tier = redis_tier(node)
    return tier["state"] == "up" and tier["missed_entries"] == 0


def outage(node, begin, end, max_missed, max_bytes):
    """Writes before, during and after; returns the load, which has ended."""
    load = Load(node)
    wait_until(lambda: load.written() > 2 * KEYS, "writes before", 60)
    begin()
    away = time.monotonic()
    before = load.written()
    most = 0
    while time.monotonic() - away < SECONDS:
        tier = redis_tier(node)
        most = max(most, tier["missed_entries"])
        check(tier["missed_entries"] <= max_missed, f"notes: {tier}")
        check(tier["missed_bytes"] <= max_bytes, f"bytes of notes: {tier}")
        time.sleep(0.05)
    during = load.written() - before
    # What half of the writers wrote is left to be made up for; the others go
    # on while it is.
    load.end(range(0, WRITERS, 2))
    end()
    wait_until(lambda: redis_tier(node)["state"] == "up", "it comes back", 60)
    after = load.written()
    wait_until(lambda: load.written() > after + KEYS, "writes after", 60)
    load.end(range(1, WRITERS, 2))
    wait_until(lambda: caught_up(node), "everything is made up for", 60)
    check(load.longest < LONGEST, f"a write took {load.longest} s")
    check(during > 0 and most > 0, "nothing was written during the outage")
    tier = redis_tier(node)
    print(f"  {during} writes in {SECONDS} s, most notes {most}, replayed"
          f" {tier['replayed']}, overflows {tier['missed_overflows']}, hidden"
          f" {tier['hidden']}, longest write {load.longest * 1000:.0f} ms")
    check_partition(node)
    return load


def everything_is_there(name, begin, end):
    print(name)
    with Folder() as folder, Folder() as other:
        server = folder.redis(*DURABLE)
        node = folder.node(redis_url=server.url)
        load = outage(node, lambda: begin(server), lambda: end(server),
                      100_000, 64 << 20)
        check_equal(redis_tier(node)["missed_overflows"], 0, "overflows")
        # A node that knows nothing reads what is in Redis.
        reader = other.node(["disk.enabled=false", "redis.command_timeout=5s",
                             "redis.connect_timeout=5s"], server.url)
        client = reader.client()
        for i in range(KEYS):
            found = client.get(key(i))
            if found is None:
                check(False, f"{key(i)} is not in Redis: {redis_tier(reader)}")
            check_equal(number_in(found, i), load.newest[i],
                        f"{key(i)} in Redis")
        check_equal(reader.tiers()["redis"]["hits"], KEYS, "hits of redis")
        reader.stop()
        node.stop()


def nothing_old_is_served():
    print("too few notes")
    with Folder() as folder:
        server = folder.redis(*DURABLE)
        # Memory for a part of the keys only, and no disk: Redis is asked.
        node = folder.node(["disk.enabled=false", "memory.max_size=1MiB",
                            "redis.max_missed=500"], server.url)
        load = outage(node, server.pause, server.resume, 500, 64 << 20)
        check(redis_tier(node)["missed_overflows"] > 0, "no overflow")
        client = node.client()
        missed = 0
        for i in range(KEYS):
            found = client.get(key(i))
            if found is None:
                missed += 1
            else:
                check_equal(number_in(found, i), load.newest[i], key(i))
        # Past the bound, everything old is purged.
        print(f"  {missed} of {KEYS} missed afterwards")
        check(missed > 0, "nothing was missed")
        check_partition(node)
        node.stop()


def main():
    everything_is_there("ended", lambda x: x.stop(), lambda x: x.start())
    everything_is_there("killed", lambda x: x.kill(), lambda x: x.start())
    everything_is_there("stopped", lambda x: x.pause(), lambda x: x.resume())
    nothing_old_is_served()


main()
