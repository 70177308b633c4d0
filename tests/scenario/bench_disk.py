#!/usr/bin/python3
"""The measurements of the disk tier, small: what they find that is not time."""

import json
import os
import subprocess

from nodes import BIN, Folder, check, check_equal


def bench(*arguments, codes=(0,)):
    result = subprocess.run(
        [os.path.join(BIN, "terrace-bench"), *arguments, "--json"], text=True,
        timeout=300, capture_output=True, check=False)
    check(result.returncode in codes, f"{arguments}: {result.stderr}")
    return json.loads(result.stdout)


def test_policy(folder):
    # 100 keys, three rounds: what fits is missed once, and written once.
    trace = os.path.join(folder.path, "small.key")
    with open(trace, "w") as f:
        f.writelines(f"{k}\n" for _ in range(3) for k in range(100))
    for x in bench("disk-policy", trace, "--sizes", "100%")[0]["results"]:
        # "reuse" takes a key when it is loaded for the second time: 200 loads,
        # less what L1 has by then.
        reuse = x["admission"] == "reuse"
        check(x["hit_ratio"] > 0.33 if reuse else
              abs(x["hit_ratio"] - 2 / 3) < 1e-9, f"hits of {x}")
        check(x["writes_per_request"] <= 1 / 3 + 1e-9, f"writes of {x}")
    print("disk-policy: ok")


def test_open(folder):
    # Fails by itself if a count or a value is wrong, also after kill -9.
    sizes = bench("disk-open", "--entries", "3000,6000", "--rounds", "1",
                  "--path", folder.path, codes=(0, 1))["sizes"]
    check_equal([x["entries"] for x in sizes], [3000, 6000], "sizes")
    for x in sizes:
        check_equal(list(x["states"]), ["closed", "cold", "killed"], "states")
    print("disk-open: ok")


def test_contest(folder):
    # How fast is not asked here; wrong values would end it without a report.
    report = bench("disk", "--entries", "2000", "--writes", "1000", "--rounds",
                   "1", "--seconds", "0.05", "--path", folder.path,
                   codes=(0, 1))
    tasks = {x["task"]: [y["who"] for y in x["rows"]] for x in report["tasks"]}
    check_equal(len(tasks), 5, "tasks")
    for task, who in tasks.items():
        check({"engine", "lmdb", "actor"} <= set(who), f"{task}: {who}")
    print("disk: ok")


def test_churn(folder):
    report = bench("disk-churn", "--minutes", "0.05", "--max-size", "64MiB",
                   "--bound-ratio", "100", "--path", folder.path)
    check_equal(report["wrong"] + report["failed"], 0, "wrong or failed")
    check(report["hit_ratio"] > 0, "hits")
    check(report["largest_blocks"] > 0, "bytes on disk")
    # Keys that change again before they are written are written once.
    check(report["write_amplification"] > 0, "amplification")
    print("disk-churn: ok")


def main():
    with Folder() as folder:
        test_policy(folder)
        test_open(folder)
        test_contest(folder)
        test_churn(folder)
        check_equal(sorted(os.listdir(folder.path)), ["small.key"],
                    "what is left behind")


if __name__ == "__main__":
    main()
