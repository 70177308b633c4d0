#!/usr/bin/python3
"""Two nodes on one Redis: one learns a dictionary from what is written through
it, the other reads records that need it, also after a restart and a FLUSHDB."""

import json
import random

from nodes import Folder, check, check_equal, check_partition, wait_until

SETTINGS = ["cache.chain=memory,redis", "compression.dictionary_size=4KiB"]


def value(i):
    x = random.Random(i)
    return json.dumps({
        "id": i, "name": f"customer {x.getrandbits(40)}",
        "email": f"{x.getrandbits(32)}@example.org",
        "preferences": {"language": x.choice(["en", "de"]), "letter": False},
        "subscription": x.choice(["free", "pro"]), "verified": True,
        "last_seen": f"2026-03-{x.randrange(1, 29):02}T10:20:30Z"}).encode()


def write(node, numbers):
    pipe = node.client().pipeline(transaction=False)
    for i in numbers:
        pipe.set(f"user:{i}", value(i), ex=1000)
    pipe.execute()


def check_values(node, numbers, text):
    got = node.client().mget([f"user:{i}" for i in numbers])
    for i, x in zip(numbers, got):
        check_equal(x, value(i), f"{text}: user:{i}")


def trainings(node):
    actors = node.http("/api/v1/cache/stats")["actors"]
    return next(x["counters"]["trainings"] for x in actors
                if x["name"] == "dictionaries")


def node_extra(node, name):
    return node.tiers()["redis"][name]


def in_redis(server):
    return server.client().keys("terrace:dict:*")


def main():
    with Folder() as folder:
        server = folder.redis()
        first = folder.node(SETTINGS, redis_url=server.url)
        write(first, range(2000))
        wait_until(lambda: trainings(first) > 0, "a dictionary is trained")
        write(first, range(2000, 3000))
        check_equal(len(in_redis(server)), 1, "dictionaries in Redis")
        name = in_redis(server)[0]
        check(node_extra(first, "dictionary_compressed") > 900,
              "few records with it")
        small = server.client().strlen("terrace:0:user:2500")
        check(small < len(value(2500)) * 0.7, f"only shrunk to {small}")

        second = folder.node(SETTINGS, redis_url=server.url)
        check_values(second, range(1500, 3000), "another node")

        # Keys of users only.
        check_equal(len(second.client().keys("*")), 3000, "keys")

        # Somebody else empties the database.
        server.client().flushdb()
        wait_until(lambda: (write(first, range(3000, 3100)),
                            name in in_redis(server))[1],
                   "the dictionary is in Redis again")
        check_values(second, range(3000, 3100), "after a flush")

        for node in (first, second):
            check_partition(node)
            node.stop()
            node.start()
            check_values(node, range(3000, 3100), "after a restart")
            node.stop()


main()
