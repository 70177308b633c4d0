#!/usr/bin/python3
"""terrace-bench and terrace against small traces whose outcome is known."""

import json
import os
import subprocess

from nodes import BIN, Folder, check, check_equal

# 100 keys, each asked for three times in a row of rounds: 100 misses of 300.
KEYS, ROUNDS = 100, 3


def run(program, *arguments):
    return subprocess.run([os.path.join(BIN, program), *arguments], text=True,
                          timeout=120, capture_output=True, check=False)


def bench(*arguments):
    result = run("terrace-bench", *arguments, "--json")
    check_equal(result.returncode, 0, f"{arguments}: {result.stderr}")
    return json.loads(result.stdout)


def write(folder, name, lines):
    path = os.path.join(folder.path, name)
    with open(path, "w") as f:
        f.writelines(line + "\n" for line in lines)
    return path


def check_replay(report, name):
    print(name, report)
    check_equal(report["requests"], KEYS * ROUNDS, f"{name}: requests")
    check_equal(report["origin_calls"], KEYS, f"{name}: origin calls")
    check_equal(report["wrong_values"], 0, f"{name}: wrong values")
    check_equal(report["failures"], 0, f"{name}: failures")
    tiers = {x["tier"]: x for x in report["tiers"]}
    check_equal(tiers["memory"]["hits"], KEYS * (ROUNDS - 1), f"{name}: L1 hits")
    for tier, x in tiers.items():
        check_equal(x["hits"] + x["misses"] + x["errors"], x["lookups"],
                    f"{name}: partition of {tier}")
    # Two of three requests cost next to nothing instead of 50 ms.
    check(0.6 < report["latency_saved"] < 0.6667,
          f"{name}: latency saved {report['latency_saved']}")


def check_refused(wanted, *arguments):
    result = run("terrace-bench", "replay", *arguments)
    check_equal(result.returncode, 1, f"{arguments}: exit code")
    check_equal(len(result.stderr.splitlines()), 1, f"{arguments}: lines")
    check(wanted in result.stderr, f"no {wanted!r} in {result.stderr!r}")


def test_replay(folder, node):
    trace = write(folder, "small.key",
                  [str(k) for _ in range(ROUNDS) for k in range(KEYS)])
    timing = ("--origin-latency", "50ms", "--virtual-time")
    remote = ("--node", f"127.0.0.1:{node.port}",
              "--http", f"http://127.0.0.1:{node.http_port}")
    check_replay(bench("replay", trace, "--in-process", *timing), "in process")
    check_replay(bench("replay", trace, *remote, *timing), "over RESP")
    # The node knows them all by now.
    report = bench("replay", trace, *remote, *timing)
    check_equal(report["keys_before"], KEYS, "keys before")
    check_equal(report["origin_calls"], 0, "origin calls of a second replay")
    report = bench("replay", trace, *remote, *timing, "--clear")
    check_equal(report["origin_calls"], KEYS, "origin calls after --clear")
    subprocess.run(["zstd", "-q", trace], check=True)
    packed = bench("replay", trace + ".zst", "--in-process", *timing)
    check_replay(packed, "compressed")
    sized = write(folder, "sized.ksz", ["a,10", "b,70000", "a,10"])
    report = bench("replay", sized, "--in-process", "--real-time",
                   "--origin-latency", "1ms")
    check_equal(report["origin_calls"], 2, "origin calls with sizes")


def test_bad_traces(folder):
    check_refused("No such file", "/nowhere.key", "--in-process")
    check_refused("line 2 has no key", write(folder, "a.key", ["1", "", "2"]),
                  "--in-process")
    check_refused("line 1 has no size", write(folder, "b.ksz", ["1,x"]),
                  "--in-process")
    check_refused("has no requests", write(folder, "c.key", []),
                  "--in-process")
    good = write(folder, "d.key", ["1"])
    check_refused("cannot reach", good, "--node", "127.0.0.1:1")
    torn = os.path.join(folder.path, "torn.key.zst")
    with open(os.path.join(folder.path, "small.key.zst"), "rb") as f:
        content = f.read()
    with open(torn, "wb") as f:
        f.write(content[:-10])
    check_refused("ends too early", torn, "--in-process")


def test_curve(folder):
    # In rounds over 10 keys LRU keeps all or misses always. Distances below 16
    # have a bucket each, so the estimate is exact.
    trace = write(folder, "rounds.key",
                  [str(k) for _ in range(ROUNDS) for k in range(10)])
    report = bench("mrc", trace, "--sizes", "50%,90%,100%")
    for kind in ("predicted", "exact"):
        ratios = [round(x[kind], 6) for x in report["sizes"]]
        check_equal(ratios, [1, 1, 0.333333], f"{kind} miss ratios")
    check_equal(report["samples"], 10, "samples")
    # 20 of 100 bytes hold "a" and not what is asked for after it.
    sized = write(folder, "curve.ksz", ["a,10", "a,10", "b,90", "a,10"])
    report = bench("mrc", sized, "--sizes", "20%,100%")
    check_equal([x["exact"] for x in report["sizes"]], [0.75, 0.5], "by bytes")
    result = run("terrace-bench", "mrc", trace, "--sizes", "5")
    check_equal(result.returncode, 2, "a size without a percent sign")
    result = run("terrace-bench", "mrc", "/nowhere.key")
    check_equal(result.returncode, 1, "a trace that is not there")


def check_peers():
    report = bench("l1", "--peers", "--seconds", "0.02", "--rounds", "1",
                   "--keys", "2000", "--threads", "2")
    hits, mixed = report["mixes"]
    check_equal((hits["mix"], mixed["mix"]), ("hits", "90-10"), "mixes")
    check_equal(hits["messages_sent"], 0, "messages for hits in memory")
    for x in hits["contestants"]:
        if x["built_in"]:
            check_equal(x["misses"], 0, f"{x['contestant']}: misses")
    ratios = [x["hit_ratio"] for x in mixed["contestants"] if x["built_in"]]
    check(max(ratios) - min(ratios) < 0.1, f"hit ratios: {ratios}")


def test_measurements(node):
    report = bench("l1", "--seconds", "0.05", "--rounds", "1", "--keys", "1000")
    check_equal(report["misses"], 0, "L1 misses")
    check_equal(report["messages_sent"], 0, "messages for hits in memory")
    check_peers()
    report = bench("l1", "--memory", "--keys", "20000")
    check_equal(report["entries"], 20000, "entries")
    check(report["accounted_per_entry"] > 120, "bytes of an entry")
    report = bench("churn", "--minutes", "0.02", "--max-size", "8MiB",
                   "--keys", "100000", "--bound-ratio", "100")
    last = report["samples"][-1]
    check(last["evictions"] > 0, "evictions under churn")
    check_equal(last["eviction_callbacks"], last["evictions"], "callbacks")
    check(last["accounted"] <= 8 << 20, f"bytes accounted: {last}")
    report = bench("net", "--node", f"127.0.0.1:{node.port}", "--requests",
                   "1000", "--keys", "100", "--pipeline", "4", "--clients", "3")
    check(report["commands"] >= 1000, f"commands: {report['commands']}")
    check_equal(report["errors"] + report["misses"], 0, "errors and misses")


def test_command(node):
    url = ("--url", f"http://127.0.0.1:{node.http_port}")

    def terrace(code, *arguments):
        result = run("terrace", *url, *arguments)
        check_equal(result.returncode, code,
                    f"terrace {arguments}: {result.stderr}")
        return result.stdout + result.stderr

    client = node.client()
    client.flushall()
    for i in range(10):
        client.set(f"user:{i}", "x")
    check("memory" in terrace(0, "status"), "terrace status")
    check("ok" in terrace(0, "health"), "terrace health")
    check("terrace_tier_up{" in terrace(0, "metrics"), "terrace metrics")
    stats = json.loads(terrace(0, "stats", "--json"))
    check_equal(len(stats["tiers"]), 2, "tiers in terrace stats")
    terrace(0, "invalidate", "--key", "user:0")
    terrace(0, "invalidate", "--glob", "user:[12]")
    check_equal(client.dbsize(), 7, "keys after two invalidations")
    terrace(0, "invalidate", "--all", "--reason", "test")
    check_equal(client.dbsize(), 0, "keys after invalidating all")
    check("tenant" in terrace(1, "invalidate", "--tenant", "99"), "tenant 99")
    terrace(2, "invalidate")
    terrace(2, "invalidate", "--all", "--tenant", "1")
    terrace(0, "reset")
    check_equal(json.loads(terrace(0, "stats", "--json"))["requests"]["total"],
                0, "requests after a reset")
    node.kill()
    check("cannot reach" in terrace(1, "status"), "status of no node")
    terrace(1, "health")


def main():
    with Folder() as folder:
        node = folder.node()
        test_replay(folder, node)
        test_bad_traces(folder)
        test_curve(folder)
        test_measurements(node)
        test_command(node)


if __name__ == "__main__":
    main()
