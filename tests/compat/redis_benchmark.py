#!/usr/bin/python3
"""redis-benchmark runs to its end without an error reply."""

import csv
import io
import subprocess

from nodes import Folder, check, check_equal, check_partition


def main():
    with Folder() as folder:
        node = folder.node()
        for pipeline in ("1", "16", "64"):
            result = subprocess.run(
                ["redis-benchmark", "-p", str(node.port), "-c", "50",
                 "-t", "ping,set,get,mset", "-n", "20000", "-r", "10000",
                 "-d", "100", "-P", pipeline, "--csv"], text=True,
                capture_output=True, check=False, timeout=200)
            check_equal(result.returncode, 0, result.stdout + result.stderr)
            text = result.stdout
            rows = list(csv.DictReader(io.StringIO(text[text.index('"test"'):])))
            check_equal([row["test"] for row in rows],
                        ["PING_INLINE", "PING_MBULK", "SET", "GET",
                         "MSET (10 keys)"], "tests that ran")
            check(all(float(row["rps"]) > 0 for row in rows), text)
        check_partition(node)
        node.stop()


main()
