#!/usr/bin/python3
"""A session with node-redis; see node_redis.js."""

import os
import shutil
import subprocess
import sys

from nodes import Folder, check

SKIPPED = 77


def main():
    node_js = shutil.which("node")
    probe = node_js and subprocess.run(
        [node_js, "-e", "require('redis')"], capture_output=True, check=False)
    if not probe or probe.returncode != 0:
        print("node-redis is not installed here")
        sys.exit(SKIPPED)
    with Folder() as folder:
        node = folder.node()
        done = subprocess.run(
            [node_js, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                   "node_redis.js"), str(node.port)],
            capture_output=True, text=True, timeout=120, check=False)
        check(done.returncode == 0, done.stdout + done.stderr)
        node.stop()


main()
