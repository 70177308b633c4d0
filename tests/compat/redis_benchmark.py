#!/usr/bin/python3
"""redis-benchmark runs against a node, with pipelines and with threads, and sees
no error. Figures are for tools/bench; here it only has to work."""

import subprocess

from servers import Folder, check


def run(node, *args):
    done = subprocess.run(
        ["redis-benchmark", "-p", str(node.port), "-q", "-n", "20000",
         "-r", "1000", *args],
        capture_output=True, text=True, timeout=120, check=False)
    text = done.stdout + done.stderr
    check(done.returncode == 0, text)
    for word in ("rror", "WARNING"):
        check(word not in text, text)
    check("requests per second" in text, text)


def main():
    with Folder() as folder:
        node = folder.node()
        run(node, "-t", "ping_inline,ping_mbulk,set,get,mset")
        run(node, "-t", "set,get", "-P", "64", "-d", "1000")
        run(node, "-t", "set,get", "-c", "200", "--threads", "2")
        run(node, "-P", "16", "mget", *(f"key:{i}" for i in range(20)))
        node.stop()


main()
