#!/usr/bin/python3
"""Directories and files that a node cannot use are refused at its start with
one clear line and exit code 1; damage inside the database makes misses, counted
errors or such a line, never a wrong value and never a crash."""

import argparse
import os
import random
import shutil
import subprocess

import redis

from devices import tmpfs
from mixed_load import Values, number_in
from nodes import (BIN, Folder, check, check_equal, fail, free_port,
                   wait_until)

NOBODY = 65534
ROUNDS = 25
KEYS = 2000
PAGE = 4096


def refused(node_folder, wanted, user=None):
    """A node on this folder ends at once and says why."""
    result = subprocess.run(
        [os.path.join(BIN, "terraced"), "--resp-port", str(free_port()),
         "--http-port", str(free_port()),
         "--data-dir", os.path.join(node_folder, "data")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, user=user,
        timeout=30, check=False)
    lines = [x for x in result.stdout.splitlines() if wanted in x]
    check_equal(result.returncode, 1, f"exit code; {result.stdout}")
    check(lines, f"no line says {wanted!r}: {result.stdout}")
    print("refused:", lines[0].split(" ", 1)[1][:150], flush=True)


def directories():
    with Folder() as folder:
        node = folder.node()
        refused(folder.path, "is used by another node")
        check(node.client().set("k", "v"), "the first one is disturbed")
        node.stop()
        lock = os.path.join(node.disk, "terrace.lock")
        os.remove(lock)
        os.mkdir(lock)
        refused(folder.path, "terrace.lock")
        os.rmdir(lock)
        if os.geteuid() == 0:
            os.chmod(folder.path, 0o755)
            refused(folder.path, "Permission denied", user=NOBODY)
        else:
            os.chmod(node.disk, 0)
            refused(folder.path, "Permission denied")
            os.chmod(node.disk, 0o700)
        shutil.rmtree(node.disk)
        with open(node.disk, "w"):
            pass
        refused(folder.path, node.disk)


def read_only():
    with Folder() as folder:
        data = os.path.join(folder.path, "data")
        with tmpfs(data, 64) as mounted:
            if not mounted:
                return
            node = folder.node()
            node.client().set("k", "v")
            node.stop()
            subprocess.run(["mount", "-o", "remount,ro", data], check=True)
            refused(folder.path, "Read-only file system")
            subprocess.run(["mount", "-o", "remount,rw", data], check=True)
            node.start()
            check_equal(node.client().get("k"), b"v", "writable again")
            node.stop()


class Database:
    """A sound one, of which damaged copies are made."""

    def __init__(self, folder, rng):
        self.node = folder.node(["memory.max_size=1MiB"])
        self.rng = rng
        self.path = os.path.join(self.node.disk, "data.mdb")
        values = Values(1)
        pipe = self.node.client().pipeline(transaction=False)
        for i in range(KEYS):
            size = rng.choice([50, 500, 3000, 30_000 if i % 20 == 0 else 60])
            pipe.execute_command("CACHE.SET", f"k{i}",
                                 values.make(f"k{i}", i, size, rng), "PX",
                                 3_600_000, "TAGS", 1, f"t{i % 7}")
        pipe.execute()
        wait_until(lambda: self.node.tiers()["disk"]["entries"] == KEYS
                   and self.node.tiers()["disk"]["journal_entries"] == 0,
                   "everything reaches the tree")
        self.node.stop()
        with open(self.path, "rb") as f:
            self.sound = f.read()

    def write(self, data):
        with open(self.path, "wb") as f:
            f.write(data)

    def damaged(self):
        """What was done, and the bytes."""
        rng = self.rng
        data = bytearray(self.sound)
        pages = len(data) // PAGE
        kind = rng.choice(["bytes", "heads", "pages", "zeros", "swapped",
                           "bits"])
        for _ in range(rng.choice([1, 3, 20, 100])):
            # The first two are chosen between by LMDB and tell their version.
            at = rng.randrange(2, pages) * PAGE
            if kind == "bytes":
                data[at + rng.randrange(PAGE)] = rng.randrange(256)
            elif kind == "heads":  # where the page says what is where in it
                data[at + rng.randrange(48)] = rng.randrange(256)
            elif kind == "bits":
                data[at + rng.randrange(PAGE)] ^= 1 << rng.randrange(8)
            elif kind == "pages":
                data[at:at + PAGE] = rng.randbytes(PAGE)
            elif kind == "zeros":
                data[at:at + PAGE] = bytes(PAGE)
            else:
                other = rng.randrange(2, pages) * PAGE
                data[at:at + PAGE], data[other:other + PAGE] = (
                    data[other:other + PAGE], data[at:at + PAGE])
        return kind, bytes(data)

    def try_it(self):
        """Starts the node on what there is and uses it. Returns how many keys
        answer, or None if it refused to start."""
        node = self.node
        node.spawn()
        try:
            wait_until(lambda: node.process.poll() is not None
                       or node.answers(), "it starts or ends")
            if node.process.poll() is not None:
                check_equal(node.process.poll(), 1, "exit code")
                check("cannot start" in node.log_text(),
                      "it does not say why: " + node.log_text())
                return None
            client = node.client(socket_timeout=20)
            present = 0
            for i in range(0, KEYS, 50):
                names = [f"k{j}" for j in range(i, i + 50)]
                for name, value in zip(names, client.mget(names)):
                    if value is not None:
                        check_equal(number_in(name, value), int(name[1:]), name)
                        present += 1
            for i in range(0, KEYS, 10):
                client.set(f"k{i}", "new", px=3_600_000)
                client.delete(f"k{i + 1}")
                client.pexpire(f"k{i + 2}", 1)
            check_equal(client.get("k1"), None, "deleted")
            check_equal(client.get("k0"), b"new", "overwritten")
            if node.tiers()["disk"]["started_anew"] > 0:
                wait_until(lambda: "begun anew" in node.log_text(),
                           "it says why it began anew")
            try:
                list(client.scan_iter(count=500))
                client.execute_command("CACHE.INVALIDATE", "TAG", "t1")
                check_equal(client.get("k22"), None, "its tag is cleared")
                client.flushdb()
                left = client.mget([f"k{i}" for i in range(KEYS)])
                check(not any(left), "a cleared tenant answers")
            except redis.exceptions.ResponseError as x:
                print("refused:", x)  # which is a clear answer
            check(client.ping(), "PING at the end")
            return present
        except redis.exceptions.ConnectionError as x:
            fail(f"{x!r}, exit code {node.exit_code()}: "
                 + node.log_text()[-500:])
        finally:
            node.kill()


def files(rng, rounds):
    with Folder() as folder:
        database = Database(folder, rng)
        check_equal(database.try_it(), KEYS, "keys of a sound database")

        database.write(os.urandom(100_000))
        refused(folder.path, "data.mdb")
        database.write(database.sound[:len(database.sound) // 3])
        refused(folder.path, "data.mdb is truncated")
        other = bytearray(database.sound)
        for page in range(2):  # 16 bytes of page header, u32 magic, u32 version
            other[page * PAGE + 20] += 1
        database.write(other)
        refused(folder.path, "version")

        database.write(database.sound)
        with open(os.path.join(database.node.disk, "lock.mdb"), "wb") as f:
            f.write(os.urandom(8192))
        check_equal(database.try_it(), KEYS, "keys with a strange lock.mdb")
        for i in range(rounds):
            kind, data = database.damaged()
            database.write(data)
            present = database.try_it()
            print(f"{i}: {kind}: "
                  + ("refused" if present is None else f"{present} keys"),
                  flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    args = parser.parse_args()
    print("seed", args.seed)
    directories()
    read_only()
    files(random.Random(args.seed), args.rounds)


main()
