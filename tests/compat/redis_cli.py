#!/usr/bin/python3
"""A session with redis-cli, over RESP2 and RESP3, and inline commands."""

import socket
import subprocess

from nodes import Folder, check, check_equal

# Command, and what redis-cli prints for it.
SESSION = (
    ("PING", "PONG"),
    ("ECHO 'hello world'", "hello world"),
    ("SET k v", "OK"),
    ("SET k w NX", ""),
    ("SET k w XX GET", "v"),
    ("GET k", "w"),
    ("APPEND k x", "ERR unknown command 'APPEND', with args beginning with:"
                   " 'k' 'x' "),
    ("GETSET k x", "w"),
    ("SETNX k y", "0"),
    ("STRLEN k", "1"),
    ("TYPE k", "string"),
    ("TYPE nothing", "none"),
    ("TTL k", "-1"),
    ("EXPIRE k 100", "1"),
    ("EXPIRE k 50 GT", "0"),
    ("TTL k", "100"),
    ("PERSIST k", "1"),
    ("TTL k", "-1"),
    ("EXPIREAT k 33177117420", "1"),
    ("EXPIRETIME k", "33177117420"),
    ("PEXPIRETIME k", "33177117420000"),
    ("SETEX e 10 v", "OK"),
    ("SETEX e 0 v", "ERR invalid expire time in 'setex' command"),
    ("PSETEX e 10000 v", "OK"),
    ("TTL e", "10"),
    ("GETEX e PERSIST", "v"),
    ("TTL e", "-1"),
    ("GETDEL e", "v"),
    ("EXISTS e", "0"),
    ("MSET a 1 b 2", "OK"),
    ("MGET a b c", "1\n2\n"),
    ("EXISTS a b c a", "3"),
    ("TOUCH a b c", "2"),
    ("DBSIZE", "3"),
    ("SELECT 1", "OK"),
    ("GET a", ""),
    ("SET a other", "OK"),
    ("SELECT 16", "ERR DB index is out of range"),
    ("SELECT 0", "OK"),
    ("GET a", "1"),
    ("DEL a b c", "2"),
    ("UNLINK k", "1"),
    ("FLUSHDB", "OK"),
    ("SELECT 1", "OK"),
    ("GET a", "other"),
    ("FLUSHALL", "OK"),
    ("GET a", ""),
    ("SET k v PX nonsense", "ERR value is not an integer or out of range"),
    ("SET k v EX 10 KEEPTTL", "ERR syntax error"),
    ("GET", "ERR wrong number of arguments for 'get' command"),
    ("NOSUCH x", "ERR unknown command 'NOSUCH', with args beginning with:"
                 " 'x' "),
    ("AUTH x", "ERR AUTH <password> called without any password configured"
               " for the default user. Are you sure your configuration is"
               " correct?"),
)


def run(port, *arguments):
    commands = "".join(command + "\n" for command, _ in SESSION)
    result = subprocess.run(
        ["redis-cli", "-p", str(port), *arguments], input=commands, text=True,
        capture_output=True, check=True, timeout=60)
    return result.stdout


def check_session(port, *arguments):
    got = run(port, *arguments)
    # redis-cli puts an empty line after each error.
    wanted = "".join(
        answer + "\n" + ("\n" if answer.startswith("ERR ") else "")
        for _, answer in SESSION)
    if got != wanted:
        for number, (line, other) in enumerate(
                zip(got.split("\n"), wanted.split("\n"))):
            check_equal(line, other, f"{arguments}: line {number}")
    check_equal(got, wanted, f"{arguments}")


def main():
    with Folder() as folder:
        node = folder.node()
        check_session(node.port)
        check_session(node.port, "-3")
        with socket.create_connection(("127.0.0.1", node.port)) as sock:
            sock.sendall(b"SET inline \"a b\"\r\nGET inline\r\nQUIT\r\n")
            text = b""
            while piece := sock.recv(1000):
                text += piece
        check_equal(text, b"+OK\r\n$3\r\na b\r\n+OK\r\n", "inline commands")
        scanned = subprocess.run(
            ["redis-cli", "-p", str(node.port), "--scan"], text=True,
            capture_output=True, check=True, timeout=60).stdout
        check_equal(scanned, "inline\n", "--scan")
        node.stop()

        node = folder.node(["resp.password=secret"])
        refused = subprocess.run(
            ["redis-cli", "-p", str(node.port), "GET", "k"], text=True,
            capture_output=True, check=False, timeout=60).stdout
        check(refused.startswith("NOAUTH"), f"without password: {refused}")
        allowed = subprocess.run(
            ["redis-cli", "-p", str(node.port), "-a", "secret",
             "--no-auth-warning", "SET", "k", "v"], text=True,
            capture_output=True, check=True, timeout=60).stdout
        check_equal(allowed, "OK\n", "with password")


main()
