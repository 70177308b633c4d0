#!/usr/bin/python3
"""kill -9 during writes, twenty times: the node starts again, every value is
whole, and every write acknowledged before the durability window is there.

    kill_nine.py [--window SECONDS] [--seed N]

The window of the product is disk.commit_interval, 0.1 s here, on a device that
syncs a commit in half of that. The default doubles it, for busy machines."""

import argparse
import hashlib
import random
import threading
import time

import redis

from nodes import Folder, check, fail

ROUNDS = 20
INTERVAL = 0.1  # disk.commit_interval


def value_of(key, n):
    """A value that tells of itself whether it is whole."""
    body = f"{key}:{n}:" + "x" * (n * 37 % 3000)
    return f"{hashlib.sha1(body.encode()).hexdigest()}:{body}".encode()


def number_in(key, value):
    digest, body = value.split(b":", 1)
    check(hashlib.sha1(body).hexdigest().encode() == digest,
          f"{key} is torn: {value[:80]!r}")
    name, n, _ = body.split(b":", 2)
    check(name == key, f"{key} holds the value of {name}")
    return int(n)


class Writer(threading.Thread):
    """Writes rising numbers to its own keys and notes when each was
    acknowledged. Every seventh key is deleted now and then."""

    def __init__(self, node, name, start):
        super().__init__()
        self.client = node.client()
        self.name = name
        self.n = start
        self.acknowledged = {}  # key -> list of (time, number or None)

    def run(self):
        try:
            while True:
                pipe = self.client.pipeline(transaction=False)
                batch = []
                for _ in range(20):
                    self.n += 1
                    key = f"{self.name}-{self.n % 500}"
                    if self.n % 500 % 7 == 0 and self.n // 500 % 2:
                        pipe.delete(key)
                        batch.append((key, None))
                    else:
                        pipe.set(key, value_of(key, self.n))
                        batch.append((key, self.n))
                pipe.execute()
                now = time.monotonic()
                for key, n in batch:
                    self.acknowledged.setdefault(key, []).append((now, n))
        except redis.exceptions.RedisError:
            return  # killed


def verify(client, writer, killed_at, window):
    """Every key holds a state acknowledged last before the window, or a newer
    one."""
    late = 0
    for key, history in writer.acknowledged.items():
        value = client.get(key)
        found = None if value is None else number_in(key.encode(), value)
        sure = [i for i, (when, _) in enumerate(history)
                if when < killed_at - window]
        if not sure:
            continue
        # Later states may or may not have made it, and so may one that was
        # never acknowledged.
        allowed = [n for _, n in history[sure[-1]:]]
        newest = max((n for _, n in history if n is not None), default=0)
        if found in allowed:
            late += found != history[-1][1]
            continue
        if found is not None and found > newest:
            continue
        fail(f"{key}: found {found}, acknowledged before the window "
             f"{history[sure[-1]]}, later {history[sure[-1]:]},"
             f" killed at {killed_at}")
    return late


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--window", type=float, default=2 * INTERVAL)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    print("seed", arguments.seed, "window", arguments.window, "s")
    rng = random.Random(arguments.seed)
    with Folder() as folder:
        node = folder.node(["memory.max_size=1MiB",
                            f"disk.commit_interval={int(INTERVAL * 1000)}ms"])
        numbers = [0, 0, 0]
        total = 0
        for round_number in range(ROUNDS):
            writers = [Writer(node, f"w{i}-{round_number}", n)
                       for i, n in enumerate(numbers)]
            for w in writers:
                w.start()
            time.sleep(rng.uniform(0.05, 1.5))  # the moment of the blow
            killed_at = time.monotonic()
            node.kill()
            for w in writers:
                w.join()
            node.start()
            lost = sum(verify(node.client(), w, killed_at, arguments.window)
                       for w in writers)
            numbers = [w.n for w in writers]
            total += sum(len(h) for w in writers
                         for h in w.acknowledged.values())
            print(f"round {round_number}: {lost} keys older than their last "
                  "acknowledged write, all within the window")
        errors = node.tiers()["disk"]["errors"]
        check(errors == 0, f"{errors} records were corrupt")
        # Every value of every round is whole.
        client = node.client()
        keys = 0
        for key in client.scan_iter(count=1000):
            value = client.get(key)
            if value is not None:
                number_in(key, value)
                keys += 1
        print(f"{ROUNDS} kills, {total} acknowledged writes, {keys} keys whole")
        node.stop()


main()
