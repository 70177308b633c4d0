#!/usr/bin/python3
"""Broken configurations: one clear line each on standard error, exit code 2,
and nothing is started."""

import os
import subprocess

from nodes import BIN, Folder, check, check_equal

# Text of the file, and what the one line must contain besides its name.
CASES = (
    ("[resp]\nport = 70000\n", (":2:", "resp.port", "65535")),
    ("[resp]\nport = \"many\"\n", (":2:", "resp.port", "integer")),
    ("[resp]\nprot = 7379\n", (":2:", "prot", "port")),
    ("[rsep]\nport = 7379\n", (":1:", "rsep")),
    ("[memory]\nmax_size = \"256 parsecs\"\n", (":2:", "memory.max_size")),
    ("[memory]\nmax_size = -1\n", (":2:", "memory.max_size")),
    ("[disk]\ndurability = \"never\"\n",
     (":2:", "disk.durability", "every-commit")),
    ("[redis]\nurl = \"http://example\"\n", (":2:", "redis.url", "redis://")),
    ("[cache]\nchain = [\"memory\", \"tape\"]\n",
     (":2:", "cache.chain", "tape")),
    ("[cache]\nchain = \"memory\"\n", (":2:", "cache.chain")),
    ("[compression]\nlevel = 99\n", (":2:", "compression.level", "19")),
    ("[log]\nlevel = \"loud\"\n", (":2:", "log.level", "loud")),
    ("[resp]\nport = 1\nport = 2\n", (":3:",)),
    ("[resp\nport = 1\n", (":1:",)),
    ("\xff\xfe", (":1:",)),
)


def run(*arguments, **environment):
    return subprocess.run(
        [os.path.join(BIN, "terraced"), *arguments], text=True, timeout=30,
        capture_output=True, check=False, env={**os.environ, **environment})


def check_refused(result, wanted, name):
    lines = result.stderr.splitlines()
    check_equal(result.returncode, 2, f"{name}: exit code; {lines}")
    check_equal(len(lines), 1, f"{name}: lines: {lines}")
    check_equal(result.stdout, "", f"{name}: standard output")
    for piece in wanted:
        check(piece in lines[0], f"{name}: no {piece!r} in {lines[0]!r}")
    print(lines[0])


def main():
    with Folder() as folder:
        for number, (text, wanted) in enumerate(CASES):
            path = os.path.join(folder.path, f"broken{number}.toml")
            with open(path, "w", encoding="latin-1") as f:
                f.write(text)
            for arguments in (("--config", path),
                              ("--check-config", "--config", path)):
                check_refused(run(*arguments), (path, *wanted), text)
        check_refused(run("--config", "/nowhere.toml"), ("/nowhere.toml",),
                      "a file that is not there")
        check_refused(run("--set", "resp.port=0x", "--check-config"),
                      ("resp.port",), "a broken flag")
        check_refused(run("--check-config", REDIS_URL="nonsense"),
                      ("REDIS_URL",), "a broken environment variable")
        good = run("--check-config")
        check_equal(good.returncode, 0, f"defaults: {good.stderr}")
        printed = run("--print-config", "--set", "resp.port=7400")
        check("port = 7400" in printed.stdout, "the flag is not in force")
        # What is printed is a configuration again.
        path = os.path.join(folder.path, "printed.toml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(printed.stdout)
        again = run("--print-config", "--config", path)
        check_equal(again.stdout, printed.stdout, "printing twice")


main()
