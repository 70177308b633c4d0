#!/usr/bin/python3
"""The same random requests go to a node and to redis-server; the answers must be
the same bytes. The seed is printed; pass another one to try others."""

import random
import socket
import sys

from nodes import Folder, check

ROUNDS = 6000
KEYS = [b"k%d" % i for i in range(6)]


class Peer:
    """A raw connection: what counts is every byte."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.stream = self.sock.makefile("rb")

    def ask(self, args):
        self.sock.sendall(b"*%d\r\n" % len(args) + b"".join(
            b"$%d\r\n%s\r\n" % (len(x), x) for x in args))
        return self.reply()

    def reply(self):
        line = self.stream.readline()
        check(line.endswith(b"\r\n"), f"a reply ends early: {line!r}")
        size = int(line[1:]) if line[:1] in b"$*" else -1
        if line[:1] == b"$" and size >= 0:
            return line + self.stream.read(size + 2)
        if line[:1] == b"*":
            return line, [self.reply() for _ in range(max(size, 0))]
        return line


def set_options(r):
    result = r.sample([b"nx", b"xx", b"get", b"keepttl"], r.randrange(3))
    if r.random() < 0.3:
        unit, times = r.choice([
            (b"ex", [b"0", b"1000", b"x", b"99999999999999999"]),
            (b"px", [b"-1", b"1000000", b"9223372036854775807"]),
            (b"exat", [b"1", b"4000000000"]),
            (b"pxat", [b"1", b"4000000000000"])])
        result += [unit, r.choice(times)]
    return result


def one_request(r):
    key = r.choice(KEYS)
    value = b"v" * r.randrange(40)
    some = [r.choice(KEYS) for _ in range(r.randrange(1, 5))]
    expire = r.choice([[], [b"nx"], [b"xx"], [b"gt"], [b"lt"], [b"xx", b"gt"],
                       [b"nx", b"gt"], [b"gt", b"lt"], [b"foo"]])
    return r.choice([
        [b"set", key, value, *set_options(r)],
        [b"set", key, value, *set_options(r)],
        [b"get", key], [b"GET", key], [b"mget", *some],
        [b"mset", *(x for k in some for x in (k, value))],
        [b"del", *some], [b"exists", *some], [b"touch", *some],
        [b"setex", key, r.choice([b"700", b"0", b"x"]), value],
        [b"setnx", key, value], [b"getset", key, value], [b"getdel", key],
        [b"getex", key, *r.choice([[], [b"ex", b"500"], [b"persist"]])],
        [b"expire", key, r.choice([b"2000", b"3000", b"-1", b"x"]), *expire],
        [b"expireat", key, r.choice([b"4000000000", b"1", b"-5"])],
        [b"persist", key], [b"ttl", key], [b"strlen", key], [b"type", key],
        [b"select", r.choice([b"0", b"1", b"x", b"99"])],
        [b"expiretime", key],
        [b"get"], [b"nosuch", value], [b"ping", value], [b"echo", value],
    ])


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    print("seed", seed)
    r = random.Random(seed)
    with Folder() as folder:
        reference = Peer(folder.redis().port)
        node = folder.node(["cache.chain=memory"])
        uut = Peer(node.port)
        for i in range(ROUNDS):
            args = one_request(r)
            wanted, got = reference.ask(args), uut.ask(args)
            if args[0] in (b"ttl", b"expiretime") and abs(
                    int(wanted[1:]) - int(got[1:])) <= 1:
                continue  # a second began between the two
            check(got == wanted, f"request {i}, {args}: Redis answers "
                  f"{wanted!r}, the node {got!r}")
        node.stop()


main()
