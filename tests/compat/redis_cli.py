#!/usr/bin/python3
"""What people type into redis-cli, in both protocols, and its bulk modes."""

import subprocess

from servers import Folder, check, check_equal

SESSION = """\
PING
SET greeting "hello world" EX 100
GET greeting
TTL greeting
MSET a 1 b 2
MGET a b c
DEL a b c
CACHE.SET tagged v TAGS 2 red blue TIER memory
CACHE.INVALIDATE TAG red
GET tagged
EXISTS greeting
nosuch a
SELECT 1
DBSIZE
"""

ANSWERS = """\
PONG
OK
hello world
100
OK
1
2

2
OK
1

1
ERR unknown command 'nosuch', with args beginning with: 'a' 

OK
0
"""


def cli(node, *args, text=None):
    done = subprocess.run(["redis-cli", "-p", str(node.port), *args],
                          input=text, capture_output=True, text=True,
                          timeout=60, check=False)
    check_equal(done.stderr, "", f"redis-cli {args}")
    return done.stdout


def sessions(node):
    for protocol in ("-2", "-3"):
        check_equal(cli(node, protocol, text=SESSION), ANSWERS,
                    f"a session with {protocol}")
        cli(node, "FLUSHALL")


def bulk_modes(node):
    requests = "".join(
        f"*3\r\n$3\r\nSET\r\n${len(f'key:{i}')}\r\nkey:{i}\r\n$1\r\nv\r\n"
        for i in range(5000))
    check("errors: 0, replies: 5000" in cli(node, "--pipe", text=requests),
          "--pipe")
    found = cli(node, "--scan", "--pattern", "key:*").split()
    check_equal(sorted(set(found)), sorted(f"key:{i}" for i in range(5000)),
                "--scan")
    check("-- invalid --" not in cli(node, "INFO"), "INFO")
    check_equal(cli(node, "COMMAND", "COUNT").strip().isdigit(), True,
                "COMMAND COUNT")
    check("summary" in cli(node, "COMMAND", "DOCS", "GET"), "COMMAND DOCS")
    check("id=" in cli(node, "CLIENT", "LIST"), "CLIENT LIST")


def main():
    with Folder() as folder:
        node = folder.node()
        sessions(node)
        bulk_modes(node)
        node.stop()


main()
