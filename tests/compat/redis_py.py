#!/usr/bin/python3
"""A session with redis-py, the client that most Python programs use."""

import redis

from nodes import Folder, Node, check, check_equal


def connect(**options):
    """By address: a bare machine does not know "localhost"."""
    return redis.Redis(host="127.0.0.1", **options)


def values(r):
    check_equal(r.set("k", "v"), True, "SET")
    check_equal(r.get("k"), "v", "GET")
    check_equal(r.get("nothing"), None, "GET of an absent key")
    check_equal(r.set("k", "w", nx=True), None, "SET NX")
    check_equal(r.set("k", "w", xx=True, get=True), "v", "SET XX GET")
    check_equal(r.getset("k", "x"), "w", "GETSET")
    check_equal(r.getdel("k"), "x", "GETDEL")
    check_equal(r.mset({"a": "1", "b": "2"}), True, "MSET")
    check_equal(r.mget("a", "b", "c"), ["1", "2", None], "MGET")
    check_equal(r.exists("a", "b", "c"), 2, "EXISTS")
    check_equal(r.touch("a", "c"), 1, "TOUCH")
    check_equal(r.strlen("a"), 1, "STRLEN")
    check_equal(r.type("a"), "string", "TYPE")
    check_equal(r.delete("a", "c"), 1, "DEL")
    check_equal(r.unlink("b"), 1, "UNLINK")
    check_equal(r.setnx("n", "1"), True, "SETNX")
    check_equal(r.setnx("n", "2"), False, "SETNX again")


def expiry(r):
    r.set("e", "v", ex=100)
    check(99 <= r.ttl("e") <= 100, "TTL")
    check(99_000 < r.pttl("e") <= 100_000, "PTTL")
    check_equal(r.expire("e", 50, gt=True), False, "EXPIRE GT")
    check_equal(r.expire("e", 50, lt=True), True, "EXPIRE LT")
    check_equal(r.expire("e", 50, nx=True), False, "EXPIRE NX")
    check_equal(r.persist("e"), True, "PERSIST")
    check_equal(r.ttl("e"), -1, "TTL without expiry")
    check_equal(r.ttl("nothing"), -2, "TTL of an absent key")
    check_equal(r.pexpireat("e", 4_000_000_000_000), True, "PEXPIREAT")
    check_equal(r.execute_command("EXPIRETIME", "e"), 4_000_000_000,
                "EXPIRETIME")
    check_equal(r.getex("e", ex=10), "v", "GETEX")
    check_equal(r.expire("e", -1), True, "EXPIRE in the past")
    check_equal(r.get("e"), None, "GET of what has expired")


def keyspace(r):
    r.flushdb()
    names = {f"user:{i}" for i in range(500)}
    with r.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.set(name, name)
        check(all(pipe.execute()), "a pipeline of SET")
    check_equal(r.dbsize(), 500, "DBSIZE")
    check_equal(set(r.scan_iter("user:*", count=50)), names, "SCAN")
    check_equal(set(r.keys("user:1?")), {f"user:1{i}" for i in range(10)},
                "KEYS")
    with r.pipeline(transaction=False) as pipe:
        for name in sorted(names):
            pipe.get(name)
        check_equal(pipe.execute(), sorted(names), "a pipeline of GET")


def tenants(port):
    other = connect(port=port, db=3, decode_responses=True)
    other.set("k", "three")
    first = connect(port=port, decode_responses=True)
    check_equal(first.get("k"), None, "tenants have keys of their own")
    check_equal(other.info("keyspace")["db3"]["keys"], 1, "INFO keyspace")
    other.flushdb()
    check_equal(other.get("k"), None, "FLUSHDB")


def errors(r):
    for command, text in ((("NOSUCH",), "unknown command"),
                          (("GET",), "wrong number of arguments"),
                          (("SET", "k", "v", "EX", "x"), "not an integer")):
        try:
            r.execute_command(*command)
            check(False, f"{command} was accepted")
        except redis.ResponseError as error:
            check(text in str(error), f"{command}: {error}")


def connection(r):
    check_equal(r.ping(), True, "PING")
    check_equal(r.echo("hello"), "hello", "ECHO")
    check_equal(r.client_setname("me"), True, "CLIENT SETNAME")
    check_equal(r.client_getname(), "me", "CLIENT GETNAME")
    check("me" in {x["name"] for x in r.client_list()}, "CLIENT LIST")
    check_equal(r.config_get("databases"), {"databases": "16"}, "CONFIG GET")
    check_equal(r.info()["redis_mode"], "standalone", "INFO")
    check_equal(r.command_count(), len(r.command()), "COMMAND COUNT")
    check_equal(r.command()["get"]["arity"], 2, "COMMAND")
    check_equal(len(r.time()), 2, "TIME")


def large_values(port):
    r = connect(port=port)
    for size in (0, 1, 16_383, 16_384, 1 << 20, 20 << 20):
        value = bytes(range(256)) * (size // 256 + 1)
        value = value[:size]
        r.set("large", value)
        check(r.get("large") == value, f"a value of {size} bytes")
    r.delete("large")


def large_pipeline(port):
    """redis-py writes all of it before it reads: more than sockets hold."""
    r = connect(port=port, socket_timeout=20)
    value = b"x" * 300_000
    with r.pipeline(transaction=False) as pipe:
        for i in range(100):
            pipe.set(f"large-{i}", value)
            pipe.get(f"large-{i}")
        check(pipe.execute() == [True, value] * 100, "a pipeline of 30 MB")
    r.flushdb()


class GuardedNode(Node):
    """A node with a password, watched by a client that knows it."""

    def client(self, **options):
        return super().client(password="secret", **options)


def authentication(folder):
    node = GuardedNode(folder.path, ["resp.password=secret",
                                     "cache.chain=memory"])
    folder.servers.append(node)
    for password in (None, "wrong"):
        try:
            connect(port=node.port, password=password).ping()
            check(False, f"password {password} was accepted")
        except redis.RedisError:
            pass
    connect(port=node.port, password="secret").ping()
    connect(port=node.port, username="default", password="secret").ping()
    node.stop()


def main():
    with Folder() as folder:
        node = folder.node()
        r = connect(port=node.port, decode_responses=True,
                        single_connection_client=True)
        values(r)
        expiry(r)
        keyspace(r)
        errors(r)
        connection(r)
        tenants(node.port)
        large_values(node.port)
        large_pipeline(node.port)
        r.close()
        node.stop()
    with Folder() as folder:
        authentication(folder)


main()
