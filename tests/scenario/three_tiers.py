#!/usr/bin/python3
"""A value written through the node is in memory, Redis and LMDB, and climbs
back up after a restart."""

from nodes import Folder, check, check_equal, check_partition, wait_until

SMALL = b"small value"
LARGE = b"compressible " * 1000
COLD = "warming.restart=false"


def main():
    with Folder() as folder:
        server = folder.redis()
        # What is in memory is asked for here, and by nobody else.
        node = folder.node([COLD], redis_url=server.url)
        client = node.client()
        client.set("k", SMALL, ex=1000)
        client.set("big", LARGE)
        client.execute_command("CACHE.SET", "tagged", "v", "TAGS", "1", "t")

        # In Redis, in Terrace's record format, with an expiry, compressed.
        stored = server.client().get("terrace:0:k")
        check(stored is not None and stored[:2] == b"T\x01",
              f"not in Redis as a record: {stored!r}")
        check(stored.endswith(SMALL), "the small value is not in its record")
        check(0 < server.client().ttl("terrace:0:k") <= 1000, "no expiry in Redis")
        check(len(server.client().get("terrace:0:big")) < len(LARGE) // 10,
              "the large value is not compressed in Redis")
        check_partition(node)

        # Restart with empty memory and without Redis: disk answers.
        node.stop()
        server.kill()
        node.start()
        client = node.client()
        check_equal(client.get("k"), SMALL, "first GET after the restart")
        tiers = node.tiers()
        check_equal(tiers["disk"]["hits"], 1, "hits of disk")
        check_equal(tiers["memory"]["hits"], 0, "hits of memory")
        check(0 < client.ttl("k") <= 1000, "the expiry was lost")
        before = node.tiers()["memory"]["hits"]
        wait_until(lambda: client.get("k") == SMALL
                   and node.tiers()["memory"]["hits"] > before,
                   "the second GET is answered by memory")
        check_equal(node.tiers()["disk"]["hits"], 1, "hits of disk afterwards")
        check_partition(node)

        # Restart with Redis but without disk: Redis answers.
        node.stop()
        server.start()
        node.settings = [COLD, "disk.enabled=false"]
        node.start()
        client = node.client()
        check_equal(client.get("k"), None, "Redis came back empty")
        client.set("k2", SMALL)
        node.stop()
        node.start()
        client = node.client()
        check_equal(client.get("k2"), SMALL, "GET answered by Redis")
        check_equal(node.tiers()["redis"]["hits"], 1, "hits of redis")
        check_partition(node)

        # Tags reach below memory, over a restart.
        node.stop()
        node.settings = [COLD]
        node.start()
        client = node.client()
        client.execute_command("CACHE.INVALIDATE", "TAG", "t")
        check_equal(client.get("tagged"), None, "an invalidated tag")
        check_equal(client.get("k"), SMALL, "an entry without the tag")
        node.stop()


main()
