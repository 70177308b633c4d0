"""Redis servers that work together: a cluster, a master with sentinels."""

import os
import subprocess
import threading
import time

import redis

from nodes import Server, check, check_equal, fail, free_port, wait_until

NODE_TIMEOUT_MS = 1000

# For a node: on a busy machine a server that is well may take long to answer.
PATIENT = ["redis.connect_timeout=300ms", "redis.command_timeout=300ms"]


class Cluster:
    """Three masters with one replica each."""

    def __init__(self, folder):
        self.servers = [self._server(folder, i) for i in range(6)]
        addresses = [f"127.0.0.1:{x.port}" for x in self.servers]
        made = subprocess.run(
            ["redis-cli", "--cluster", "create", *addresses,
             "--cluster-replicas", "1", "--cluster-yes"],
            capture_output=True, text=True)
        check(made.returncode == 0, "no cluster: " + made.stdout + made.stderr)
        wait_until(self.is_settled, "the cluster settles")

    @staticmethod
    def _server(folder, number):
        return folder.redis(
            "--cluster-enabled", "yes", "--cluster-port", str(free_port()),
            "--cluster-config-file", f"nodes-{number}.conf",
            "--cluster-node-timeout", str(NODE_TIMEOUT_MS),
            "--repl-diskless-sync-delay", "0")

    def is_settled(self):
        """All six are there, and every replica has its data."""
        for x in self.servers:
            info = x.client().execute_command("CLUSTER INFO")
            if info["cluster_state"] != "ok" \
                    or info["cluster_known_nodes"] != "6":
                return False
            # A replica that has not got its data yet cannot take over.
            role = x.client().role()
            if role[0] == b"slave" and role[3] != b"connected":
                return False
        return len(self.masters()) == 3

    def masters(self):
        return [x for x in self.servers if x.process and x.is_master()]

    def urls(self):
        """Two of the six: a client finds the others."""
        return f"{self.servers[0].url},{self.servers[4].url}"

    def move_slot(self, slot, source, target, pause=0):
        """As redis-cli does it, with a pause after every key."""
        a, b = source.client(), target.client()
        a_id, b_id = (x.execute_command("CLUSTER MYID").decode()
                      for x in (a, b))
        b.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", a_id)
        a.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", b_id)
        moved = 0
        while True:
            keys = a.execute_command("CLUSTER GETKEYSINSLOT", slot, 10)
            if not keys:
                break
            for key in keys:
                a.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0,
                                  5000)
                moved += 1
                time.sleep(pause)
        for x in (b, a):
            x.execute_command("CLUSTER SETSLOT", slot, "NODE", b_id)
        return moved


class Sentinel(Server):
    def __init__(self, folder, master_port, quorum):
        super().__init__()
        self.config = os.path.join(folder, f"sentinel-{self.port}.conf")
        with open(self.config, "w") as f:
            f.write(f"""port {self.port}
bind 127.0.0.1
dir {folder}
sentinel monitor mymaster 127.0.0.1 {master_port} {quorum}
sentinel down-after-milliseconds mymaster {NODE_TIMEOUT_MS}
sentinel failover-timeout mymaster 5000
""")
        self._start(["redis-server", self.config, "--sentinel"],
                    os.path.join(folder, f"sentinel-{self.port}.log"))

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"


class Watched:
    """A master, two replicas, and three sentinels that watch them."""

    def __init__(self, folder):
        at_once = ["--repl-diskless-sync-delay", "0"]
        first = folder.redis(*at_once)
        follow = [*at_once, "--replicaof", "127.0.0.1", str(first.port)]
        self.servers = [first, folder.redis(*follow), folder.redis(*follow)]
        self.sentinels = [Sentinel(folder.path, first.port, 2)
                          for _ in range(3)]
        folder.servers += self.sentinels
        wait_until(self._is_settled, "the sentinels know each other")

    def _is_settled(self):
        if any(x.client().role()[3] != b"connected" for x in self.servers[1:]):
            return False
        for x in self.sentinels:
            state = x.client().sentinel_master("mymaster")
            if state["num-other-sentinels"] != 2 or state["num-slaves"] != 2:
                return False
        return True

    def urls(self):
        return ",".join(x.url for x in self.sentinels)

    def master(self):
        """The server that the sentinels agree on and that agrees with them."""
        ports = set()
        for x in self.sentinels:
            try:
                ports.add(x.client().sentinel_get_master_addr_by_name(
                    "mymaster")[1])
            except redis.exceptions.RedisError:
                return None
        for x in self.servers:
            if ports == {x.port} and x.process and x.is_master():
                return x
        return None


def redis_tier(node):
    """All figures of the Redis tier."""
    for tier in node.http("/api/v1/cache/stats")["tiers"]:
        if tier["tier"] == "redis":
            return {**tier, **tier["extra"]}
    return fail("no Redis tier")


class Load:
    """Threads that write and read through a node, each its own keys, and note
    what failed and when. A value that is older than the one that was
    acknowledged last is a failure as well."""

    def __init__(self, node, threads=3, keys=200):
        self.node = node
        self.keys = keys
        self.failures = []
        self.requests = 0
        self.written = {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,))
                         for i in range(threads)]
        for x in self._threads:
            x.start()

    def _run(self, number):
        client = self.node.client(socket_timeout=10)
        round_number = 0
        while not self._stop.is_set():
            round_number += 1
            for i in range(self.keys):
                if self._stop.is_set():
                    break
                self._step(client, f"load:{number}:{i}", str(round_number))

    def _step(self, client, key, value):
        try:
            client.set(key, value)
            self.written[key] = value
            got = client.get(key)
            self.requests += 2
            if got != value.encode():
                self._note(f"{key} is {got}, not {value}")
        except redis.exceptions.RedisError as x:
            self._note(f"{key}: {x}")

    def _note(self, text):
        self.failures.append((time.monotonic(), text))

    def stop(self):
        self._stop.set()
        for x in self._threads:
            x.join(60)
            if x.is_alive():
                fail("the load does not end")

    def end_after(self, name, began, promoted):
        """Ends some time after a failover that began when `began` was and had
        another master when `promoted` was. Requests may have failed until the
        node knew, and no value may be lost."""
        # The node learns of it within one time limit and one refresh, or by the
        # breaker's next probe.
        settled = promoted + 1.5
        wait_until(lambda: time.monotonic() > settled + 3, "the load runs on")
        self.stop()
        times = [t - began for t, _ in self.failures]
        print(f"{name}: another master after {promoted - began:.1f} s,"
              f" {len(times)} requests failed and {self.requests} did not, the"
              f" last failure after {max(times, default=0):.1f} s")
        late = [x for x in self.failures if x[0] > settled]
        check(not late, f"{name}: failed after the failover: {late[:5]}")
        wait_until(lambda: redis_tier(self.node)["state"] == "up",
                   "the tier is up again")
        wait_until(lambda: redis_tier(self.node)["missed_entries"] == 0,
                   "what was missed is made up for")
        check_equal(self.stale(), [], f"{name}: values after the failover")

    def stale(self):
        """Keys that do not hold what was acknowledged last."""
        client = self.node.client()
        keys = list(self.written)
        values = client.mget(keys)
        return [k for k, v in zip(keys, values)
                if v != self.written[k].encode()]
