#!/usr/bin/python3
"""The hottest keys are in memory again soon after a restart, without a miss:
after SIGTERM, after kill -9, with Redis alone below, and a list of keys that is
damaged does no harm.

    warm_restart.py [--seed N]"""

import argparse
import os
import random

from nodes import Folder, check, check_equal, check_partition, wait_until

KEYS = 20_000
VALUE = b"x" * 1000
HOTTEST = 50
# Memory holds about a quarter of the keys.
SETTINGS = ["memory.max_size=6MiB", "node.shards=2",
            "warming.snapshot_interval=1s"]


def name(i):
    return f"user:{i}"


def warming(node):
    """The warming section of INFO."""
    info = node.client().execute_command("INFO", "warming")
    return {k.removeprefix("warm_restart_"): v for k, v in info.items()}


def fill(client):
    pipe = client.pipeline(transaction=False)
    for i in range(KEYS):
        pipe.set(name(i), VALUE)
        if i % 1000 == 999:
            pipe.execute()


def read(client, rng, times):
    """Zipf's law with exponent 1: key i is asked for 1/(i+1) times as often as
    the first one."""
    weights = [1 / (i + 1) for i in range(KEYS)]
    pipe = client.pipeline(transaction=False)
    for n, i in enumerate(rng.choices(range(KEYS), weights, k=times)):
        pipe.get(name(i))
        if n % 500 == 499:
            check(all(x == VALUE for x in pipe.execute()), "a wrong value")


def await_preload(node):
    """Waits until nothing is left to be looked up; returns the figures."""
    def done():
        x = warming(node)
        return x if x["preload_left"] == 0 and x["preload_keys"] > 0 else None
    x = wait_until(done, "memory is warm")
    check_equal(x["preload_found"] + x["preload_present"]
                + x["preload_missing"] + x["preload_expired"]
                + x["preload_unfit"] + x["preload_failed"],
                x["preload_keys"], "outcomes of the keys")
    return x


def check_hot(node, text):
    """The hottest keys are answered by memory, at once."""
    before = node.tiers()["memory"]
    client = node.client()
    for i in range(HOTTEST):
        check_equal(client.get(name(i)), VALUE, f"{text}: {name(i)}")
    after = node.tiers()["memory"]
    check_equal(after["misses"] - before["misses"], 0, f"{text}: misses")
    check_equal(after["hits"] - before["hits"], HOTTEST, f"{text}: hits")
    check_equal(after["evictions"], 0, f"{text}: evictions")


def await_kept(node):
    """A list that was begun from now on."""
    first = warming(node)["keeps"]
    wait_until(lambda: warming(node)["keeps"] >= first + 2, "keys are kept")


def run_local(rng):
    with Folder() as folder:
        node = folder.node(SETTINGS)
        check_equal(warming(node)["preload_keys"], 0, "keys of a first start")
        fill(node.client())
        read(node.client(), rng, 100_000)
        node.stop()

        # An orderly end keeps what memory held then.
        node.start()
        x = await_preload(node)
        print("after SIGTERM:", x)
        check(x["preload_found"] > KEYS / 10, f"too few were found: {x}")
        check_hot(node, "after SIGTERM")
        check_partition(node)

        # A blow keeps what it held a moment before.
        read(node.client(), rng, 50_000)
        await_kept(node)
        node.kill()
        node.start()
        print("after kill -9:", await_preload(node))
        check_hot(node, "after kill -9")

        # What was deleted since does not come back.
        for i in range(5):
            node.client().delete(name(i))
        await_kept(node)
        node.client().set(name(0), b"new")
        for i in range(5, 10):
            node.client().delete(name(i))  # after the list, before the blow
        node.stop()
        node.start()
        await_preload(node)
        client = node.client()
        check_equal(client.get(name(0)), b"new", "a key that was written anew")
        for i in range(1, 10):
            check_equal(client.get(name(i)), None, f"deleted {name(i)}")

        # A list that was cut off, one that was changed, one that is none.
        path = os.path.join(folder.path, "data", "disk", "hot-keys")
        for text, damage in (("cut", lambda b: b[:len(b) * 3 // 4]),
                             ("changed", lambda b: b[:200] + b"?" + b[201:]),
                             ("foreign", lambda b: b"not a list of keys")):
            node.kill()
            with open(path, "rb") as f:
                whole = f.read()
            with open(path, "wb") as f:
                f.write(damage(whole))
            node.start()
            check_equal(node.client().get(name(11)), VALUE, text)
            check_equal(warming(node)["preload_damaged"], 1, text)
            with open(node.log_path, errors="replace") as f:
                check("hot-keys" in f.read(), "the log says nothing of it")
            await_kept(node)  # a whole one takes its place

        # Without it nothing is kept.
        node.stop()
        os.unlink(path)
        node.settings = [*SETTINGS, "warming.restart=false"]
        node.start()
        check_equal(warming(node), {}, "figures of what is off")
        node.stop()
        check(not os.path.exists(path), "a list although it is off")


def run_redis(rng):
    with Folder() as folder:
        server = folder.redis()
        # A busy machine must not look like a Redis that is away.
        node = folder.node([*SETTINGS, "disk.enabled=false",
                            "redis.command_timeout=5s",
                            "redis.connect_timeout=5s"],
                           redis_url=server.url)
        fill(node.client())
        read(node.client(), rng, 50_000)
        node.stop()
        node.start()
        print("from Redis:", await_preload(node))
        check_hot(node, "from Redis")
        # A Redis that comes later than the node.
        node.stop()
        server.pause()
        node.start()
        server.resume()
        await_preload(node)
        check_hot(node, "from a late Redis")
        node.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    print("seed", arguments.seed)
    rng = random.Random(arguments.seed)
    run_local(rng)
    run_redis(rng)


main()
