#!/usr/bin/python3
"""Connections, request size and slow readers are bounded, with an error that
says which limit it was; other clients go on meanwhile."""

import socket
import time

from nodes import Folder, check, check_equal, wait_until

CLIENTS = 200
ATTEMPTS = 20_000
MEBIBYTE = 1 << 20


def raw(node):
    return socket.create_connection(("127.0.0.1", node.port), timeout=10)


def read_all(sock):
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except OSError:
        pass
    return data


def counter(node, name):
    return int(node.client().info("stats").get(name, 0))


def connections(node):
    held = [node.client(single_connection_client=True)
            for _ in range(CLIENTS - 20)]
    for client in held:
        client.ping()
    open_sockets = []
    refused = 0
    for _ in range(ATTEMPTS):
        sock = raw(node)
        open_sockets.append(sock)
        if len(open_sockets) >= 500:
            for s in open_sockets:
                s.settimeout(0.02)
                try:
                    text = s.recv(100)
                except OSError:
                    text = b""
                if text.startswith(b"-"):
                    check_equal(text, b"-ERR max number of clients reached\r\n",
                                "the refusal")
                    refused += 1
                s.close()
            open_sockets = []
            held[0].ping()
    check(refused > ATTEMPTS // 2, f"only {refused} connections were refused")
    for client in held:
        client.ping()
        client.close()
    wait_until(lambda: counter(node, "rejected_connections") >= refused,
               "rejected connections are counted")
    print(f"{ATTEMPTS} attempts, {refused} refused, the others went on")


def request_size(node):
    for request, wanted in (
            (b"*2\r\n$3\r\nGET\r\n$99999999\r\n",
             b"-ERR Protocol error: invalid bulk length\r\n"),
            (b"*99999999\r\n",
             b"-ERR Protocol error: invalid multibulk length\r\n"),
            (b"GET " + b"x" * 100_000,
             b"-ERR Protocol error: too big inline request\r\n"),
            (b"*1\r\n+OK\r\n",
             b"-ERR Protocol error: expected '$', got '+'\r\n")):
        sock = raw(node)
        try:
            sock.sendall(request)
        except OSError:
            pass  # it hung up before all was sent
        check_equal(read_all(sock), wanted, f"answer to {request[:30]!r}")
        sock.close()
    client = node.client()
    for command, wanted in ((("SET", "k" * 70_000, "v"), "key"),
                            (("SET", "k", "v" * (2 * MEBIBYTE)), "value")):
        try:
            client.execute_command(*command)
            check(False, f"a {wanted} past the limit was taken")
        except Exception as error:  # noqa: BLE001 - the text is what counts
            check("limit" in str(error), f"the error names no limit: {error}")


def slow_reader(node):
    client = node.client()
    client.set("big", b"x" * MEBIBYTE)
    before = node.resident_bytes()
    slow = [raw(node) for _ in range(20)]
    for sock in slow:
        sock.sendall(b"*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n" * 200)  # 200 MiB each
    longest = 0.0
    for _ in range(500):
        start = time.monotonic()
        client.get("other")
        longest = max(longest, time.monotonic() - start)
    grown = node.resident_bytes() - before
    print(f"20 slow readers: {grown // MEBIBYTE} MiB more memory,"
          f" another client waited {longest * 1000:.1f} ms at most")
    # A soft limit of 1 MiB and one value beyond it, for each of them.
    check(grown < 20 * 4 * MEBIBYTE, f"memory grew by {grown}")
    check(longest < 5, f"another client waited {longest} s")
    # Whoever does not read at all is cut off after the stall time.
    wait_until(lambda: len(node.client().client_list()) < 20,
               "slow readers are disconnected", 30)
    for sock in slow:
        sock.close()


def long_pipelines(node):
    """Reading stops while too many writes wait, and always begins again."""
    for _ in range(60):
        client = node.client(socket_timeout=20)
        pipe = client.pipeline(transaction=False)
        for i in range(3000):
            pipe.set(f"v{i}", "x" * 50)
        check(all(pipe.execute()), "a SET of a long pipeline")
        client.close()


def main():
    with Folder() as folder:
        node = folder.node(["disk.durability=every-commit"])
        long_pipelines(node)
        node.stop()
    with Folder() as folder:
        node = folder.node([f"resp.max_clients={CLIENTS}",
                            "resp.max_request_size=4MiB",
                            "cache.max_value_size=1MiB",
                            "resp.output_stall=2s", "cache.chain=memory"])
        connections(node)
        request_size(node)
        slow_reader(node)
        node.stop()


main()
