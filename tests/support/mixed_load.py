"""Writers of many kinds of entries that note what they asked for, when, and
when it was acknowledged; verdicts.py judges by that what a restart finds.

Each key is written by one thread. Others clear whole tenants and tags, so that
some of what happens to a key has no order: then every order is allowed."""

import hashlib
import json
import math
import random
import threading
import time

import redis

from nodes import check, fail

KEYS_EACH = 300
TENANTS = 3
LONG_TTL_MS = 3_600_000
SHORT_TTL_MS = 400  # of those that expire under the load or soon after it


def now_ms():
    return time.time() * 1000


class Change:
    """One change of a key, or of all keys that a clearing concerns."""

    __slots__ = ("owner", "order", "start", "ack", "number", "deadline", "ttl")

    def __init__(self, owner, order, number, ttl=None):
        self.owner = owner    # whose order it belongs to
        self.order = order
        self.start = time.monotonic()
        self.ack = None       # monotonic time of the answer, if one came
        self.number = number  # of the value afterwards; None: there is none
        self.ttl = ttl        # in ms from when the node handled it, or None
        # The same as an earliest and a latest Unix time in ms.
        self.deadline = ttl and (now_ms() + ttl, math.inf)

    def end(self, acknowledged):
        """Its answer came, or never will."""
        if acknowledged:
            self.ack = time.monotonic()
        if self.deadline:
            self.deadline = (self.deadline[0], now_ms() + self.ttl)

    def precedes(self, other):
        if self.owner == other.owner:
            return self.order < other.order
        return self.ack is not None and self.ack < other.start


class Key:
    def __init__(self, name, tenant, tag):
        self.name = name
        self.tenant = tenant
        self.tag = tag  # what CACHE.SET gives it each time, or None
        self.base = Change(None, 0, None)  # as it was found last
        self.changes = []
        self.last = 0   # number of the last value
        self.least = 0  # reading may not show a smaller one


class Values:
    """Values that tell of themselves whether they are whole."""

    def __init__(self, seed):
        rng = random.Random(seed)
        record = [{"id": i, "name": f"user {i}", "score": rng.random(),
                   "tags": ["a", "b"]} for i in range(6000)]
        self.pools = [rng.randbytes(400_000),
                      json.dumps(record).encode()[:400_000]]

    def make(self, key, number, size, rng):
        pool = rng.choice(self.pools)
        at = rng.randrange(len(pool) - size)
        body = f"{key}:{number}:{size}:".encode() + pool[at:at + size]
        return hashlib.sha1(body).hexdigest().encode() + b":" + body


def number_in(key, value):
    digest, _, body = value.partition(b":")
    if hashlib.sha1(body).hexdigest().encode() != digest:
        fail(f"{key} is torn: {value[:80]!r}, {len(value)} bytes")
    name, number, _ = body.split(b":", 2)
    if name.decode() != key:
        fail(f"{key} holds the value of {name}")
    return int(number)


def some_size(rng):
    """Mostly small, up to 300 KiB."""
    low, high = rng.choices([(20, 400), (400, 4000), (4000, 32_000),
                             (32_000, 300_000)], [60, 25, 12, 3])[0]
    return rng.randint(low, high)


class Client(threading.Thread):
    """Does `step` after `step` until the node is gone or it is told to end."""

    def __init__(self, node, tenant, seed):
        super().__init__()
        # A write waits for the disk as long as it takes.
        self.client = node.client(db=tenant, socket_timeout=60)
        self.rng = random.Random(seed)
        self.order = 0
        self.refused = []  # error replies
        self.wrong = None  # what must not be
        self.gone = threading.Event()

    def run(self):
        try:
            while not self.gone.is_set():
                self.step()
        except (redis.exceptions.ConnectionError, ConnectionError):
            return  # killed
        except SystemExit as x:
            self.wrong = x  # a check failed, which matters to the main thread
        finally:
            self.client.close()

    def execute(self, pipe, changes):
        """`changes` has one for each of the first commands."""
        answers = [None] * len(changes)
        try:
            answers = pipe.execute(raise_on_error=False)
        finally:
            for change, answer in zip(changes, answers):
                # What was refused may have come into some tier all the same.
                change.end(not (answer is None
                                or isinstance(answer, Exception)))
        self.refused += [x for x in answers if isinstance(x, Exception)]
        return answers


class Writer(Client):
    """Writes to its own keys in pipelines of any length."""

    def __init__(self, node, keys, values, first, seed):
        super().__init__(node, keys[0].tenant, seed)
        self.keys = keys
        self.values = values
        self.number = first

    def step(self):
        rng = self.rng
        pipe = self.client.pipeline(transaction=False)
        # Many small ones at once go another way to disk than a few do.
        bulk = rng.random() < 0.1
        changes = []
        for _ in range(rng.randint(100, 400) if bulk else rng.randint(1, 30)):
            key = rng.choice(self.keys)
            self.order += 1
            changes.append((key, self.add(pipe, key, bulk)))
            key.changes.append(changes[-1][1])
        read = rng.sample(self.keys, 5)
        for key in read:
            pipe.get(key.name)
        answers = self.execute(pipe, [x for _, x in changes])
        for (key, change), answer in zip(changes, answers):
            if answer == 0 and change.number is not None:
                key.changes.remove(change)  # there was nothing to expire
            elif change.ack is not None:
                key.last = change.number or key.last
                key.least = key.last + (change.number is None)
        for key, value in zip(read, answers[len(changes):]):
            if isinstance(value, bytes):
                number = number_in(key.name, value)
                check(number >= key.least, f"{key.name}: read {number} after "
                      f"{key.least} was acknowledged")

    def add(self, pipe, key, bulk):
        rng = self.rng
        what = rng.random()
        if what < 0.12:
            pipe.delete(key.name)
            return Change(self, self.order, None)
        ttl = rng.choice([None, None, LONG_TTL_MS,
                          rng.randint(1, SHORT_TTL_MS)])
        last = key.changes[-1] if key.changes else key.base
        if what < 0.22 and ttl and last.number is not None:
            pipe.pexpire(key.name, ttl)
            return Change(self, self.order, last.number, ttl)
        self.number += 1
        size = rng.randint(20, 200) if bulk else some_size(rng)
        value = self.values.make(key.name, self.number, size, rng)
        if key.tag:
            options = ["PX", ttl] if ttl else []
            pipe.execute_command("CACHE.SET", key.name, value, *options,
                                 "TAGS", 2, key.tag, "all")
        else:
            pipe.set(key.name, value, px=ttl)
        return Change(self, self.order, self.number, ttl)


class Clearer(Client):
    """Clears now one tag, now the whole tenant. `history` holds pairs of a tag,
    or None for everything, and a change."""

    def __init__(self, node, tenant, history, pace, seed):
        super().__init__(node, tenant, seed)
        self.history = history
        self.pace = pace  # mean seconds between two

    def step(self):
        if self.gone.wait(self.rng.expovariate(1 / self.pace)):
            return
        pipe = self.client.pipeline(transaction=False)
        tag = self.rng.choice([None, "t0", "t1", "t2"])
        if tag:
            pipe.execute_command("CACHE.INVALIDATE", "TAG", tag)
        else:
            pipe.flushdb()
        self.order += 1
        change = Change(self, self.order, None)
        self.history.append((tag, change))
        self.execute(pipe, [change])


class MixedLoad:
    """All keys and what happened to them, over many starts of a node."""

    def __init__(self, rng, writers=4):
        self.rng = rng
        self.values = Values(rng.randrange(1 << 30))
        self.numbers = [0] * writers
        self.keys = [[self._key(w, i) for i in range(KEYS_EACH)]
                     for w in range(writers)]
        self.cleared = {t: [] for t in range(TENANTS)}
        self.threads = []

    @staticmethod
    def _key(writer, i):
        tag = f"t{i % 3}" if i % 8 == 0 else None
        return Key(f"w{writer}-{i}", writer % TENANTS, tag)

    def begin(self, node):
        def seed():
            return self.rng.randrange(1 << 30)

        self.clearers = [Clearer(node, t, self.cleared[t], 0.7, seed())
                         for t in range(TENANTS)]
        self.writers = [Writer(node, keys, self.values, n, seed())
                        for keys, n in zip(self.keys, self.numbers)]
        for thread in self.writers + self.clearers:
            thread.start()

    def join(self):
        """Ends the load. Returns the numbers of acknowledged changes and the
        error replies."""
        for thread in self.writers + self.clearers:
            thread.gone.set()
        for thread in self.writers + self.clearers:
            thread.join()
            if thread.wrong:
                raise thread.wrong
        self.numbers = [w.number for w in self.writers]
        refused = [x for t in self.writers + self.clearers for x in t.refused]
        return sum(change.ack is not None for key in self.all_keys()
                   for change in key.changes), refused

    def all_keys(self):
        for keys in self.keys:
            yield from keys

    def clearings_of(self, key):
        return [change for tag, change in self.cleared[key.tenant]
                if tag is None or tag == key.tag]

    def forget_history(self):
        """What was found is what there is from now on."""
        for key in self.all_keys():
            key.changes = []
            key.last = key.least = key.base.number or 0
        for history in self.cleared.values():
            history.clear()
