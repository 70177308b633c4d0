#!/usr/bin/python3
"""A node that is killed at random moments under mixed load, or with the power
cut on top, comes back with nothing torn, no deleted, cleared or expired entry
back, right counts, and no more lost than its durability promises. After a power
cut under "os" that is what came after the last checkpoint, and everything is as
it was at one moment. Under "changing" each start may have another durability.

Without options a short form of everything, and a proof that the check notices
a device that lies about syncing. The long forms are run by hand:

    kill_nine.py --durability interval --rounds 200
    kill_nine.py --durability every-commit --rounds 50 --cut
    kill_nine.py --durability changing --rounds 50 --cut

The window of "interval" is disk.commit_interval on a device that syncs a commit
in half of that; the default here doubles it, for busy machines. Where a file
beside the database took longer than that half to sync shortly before the kill,
the window is longer by twice the difference: a commit may have had to wait for
the one before. Under "os" commits wait for checkpoints. The power cut is that of support/cut_writes.c, which says what
it can and cannot do."""

import argparse
import os
import random
import sys
import threading
import time

from mixed_load import MixedLoad
from nodes import Folder, check, fail
from power_cut import PowerCut
from verdicts import check_counts, check_untroubled, judge

INTERVAL = 0.1  # disk.commit_interval
CHECKPOINT = 10.0  # between two of the engine's, with "os"
MODES = ["interval", "every-commit", "os"]
# A checkpoint syncs all that was written since the last one, and commits wait.
WAIT = 1.0
# How far apart two keys may be in what is called one moment: a change that is
# acknowledged waits for a commit, which may wait for one before and takes a
# while.
MOMENT = 1.0


class SyncProbe(threading.Thread):
    """Measures how long the device takes to sync a file that has just become
    longer, as a commit may have to, again and again."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.over = threading.Event()
        self.syncs = []  # (begin, end)

    def run(self):
        while not self.over.wait(0.03):
            begin = time.monotonic()
            with open(self.path, "wb", buffering=0) as f:
                f.write(bytes(65536))
                os.fsync(f.fileno())
            self.syncs.append((begin, time.monotonic()))

    def excess(self, until):
        """Seconds by which the slowest sync of the last one exceeded half of
        the interval."""
        self.over.set()
        self.join()
        slowest = max((end - begin for begin, end in self.syncs
                       if begin < until and end > until - 1), default=0.0)
        return max(0.0, slowest - INTERVAL / 2)


class Loop:
    """One node, one database and all kills of one durability."""

    def __init__(self, folder, durability, window, rng, cut=False, lies=False):
        self.durability = durability
        self.window = window
        self.rng = rng
        self.folder = folder.path
        data = os.path.join(folder.path, "data", "disk")
        self.power = PowerCut(data, folder.path, lies) if cut else None
        self.load = MixedLoad(rng)
        self.node = folder.node(
            self.settings(),
            environment=self.power.environment if self.power else None)
        self.acknowledged = 0
        self.worst = 0.0
        self.undone = 0

    def settings(self):
        # Small bounds bring the journal and its merges into play, and under
        # "os" checkpoints because free pages run out.
        pending = self.rng.choice(["512MiB", "8MiB", "2MiB"])
        mode = self.durability
        if mode == "changing":
            mode = self.rng.choice(MODES)
        return [f"disk.durability={mode}", "disk.max_size=64MiB",
                f"disk.commit_interval={int(INTERVAL * 1000)}ms",
                f"disk.max_pending_size={pending}", "disk.commit_size=1MiB",
                "disk.sweep_interval=50ms", "memory.max_size=1MiB"]

    def back_to_checkpoint(self):
        """Whether a checkpoint is all that is promised."""
        return self.power and self.durability in ("os", "changing")

    def moment(self):
        """Seconds until the blow."""
        if self.back_to_checkpoint() and self.rng.random() < 0.3:
            return self.rng.uniform(0.0, 1.5 * CHECKPOINT)
        return self.rng.uniform(0.05, 1.5)

    def round(self):
        probe = SyncProbe(os.path.join(self.folder, "probe"))
        probe.start()
        self.load.begin(self.node)
        time.sleep(self.moment())
        killed_at = time.monotonic()
        self.blow()
        excess = 2 * probe.excess(killed_at)
        window = self.window + excess
        if self.durability == "os":
            window += WAIT
        if self.durability == "every-commit":
            window = 0.0
        elif self.back_to_checkpoint():
            window += CHECKPOINT + MOMENT
        acknowledged, refused = self.load.join()
        check(not refused, f"the node refused a change: {refused[:1]}")
        self.acknowledged += acknowledged
        self.node.settings = self.settings()
        while self.rng.random() < 0.25:  # one more while it starts
            self.node.spawn()
            time.sleep(self.rng.uniform(0.0, 0.1))
            self.blow()
        self.node.start()
        slack = MOMENT + excess if self.back_to_checkpoint() else None
        worst = judge(self.node, self.load, killed_at, window, slack)
        self.worst = max(self.worst, worst)
        entries = check_counts(self.node, self.load)
        check_untroubled(self.node, entries)
        return entries, worst, window

    def blow(self):
        self.node.kill()
        # What a change of durability has to do is seen only by a cut that
        # comes after it.
        spared = self.durability == "changing" and self.rng.random() < 0.5
        if self.power and not spared:
            self.undone += self.power.play(self.rng)

    def run(self, rounds):
        what = "power cuts" if self.power else "kills"
        for i in range(rounds):
            entries, worst, window = self.round()
            print(f"{self.durability} {i + 1}: {entries} entries, "
                  f"{worst * 1000:.0f} ms lost of {window * 1000:.0f}",
                  flush=True)
        if self.power:
            check(self.undone > 0, "no write was ever cut")
            print(f"{self.undone} sectors, lengths and names went back")
        print(f"{self.durability}: {rounds} {what}, {self.acknowledged} "
              f"acknowledged changes, at most {self.worst * 1000:.0f} ms lost",
              flush=True)
        self.node.stop()


def run(durability, rounds, arguments, rng, cut):
    with Folder() as folder:
        Loop(folder, durability, arguments.window, rng, cut).run(rounds)


def cleared_and_killed():
    """A tenant that was cleared by an acknowledged FLUSHDB stays cleared, also
    where its entries had come no further than the journal."""
    with Folder() as folder:
        node = folder.node(["disk.durability=every-commit"])
        client = node.client()
        pipe = client.pipeline(transaction=False)
        for i in range(3000):
            pipe.set(f"k{i}", "x" * 50)
        pipe.execute()
        client.flushdb()
        node.kill()
        node.start()
        left = node.client().mget([f"k{i}" for i in range(3000)])
        check(not any(left), f"{sum(map(bool, left))} entries are back after "
              "FLUSHDB")
        node.stop()


def check_the_check(arguments, rng):
    """With syncs that do nothing, what is found has to be wrong soon."""
    with Folder() as folder:
        try:
            Loop(folder, "every-commit", arguments.window, rng, True,
                 True).run(10)
        except SystemExit as x:
            print("a device that lies is noticed:", str(x)[-200:])
            return
    fail("nobody noticed that no sync reached the device")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--durability", choices=MODES + ["changing"])
    parser.add_argument("--cut", action="store_true",
                        help="cut the power as well")
    parser.add_argument("--window", type=float, default=2 * INTERVAL,
                        help="most seconds that may be lost")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    print("seed", arguments.seed, "window", arguments.window, "s")
    rng = random.Random(arguments.seed)
    if arguments.rounds or arguments.durability or arguments.cut:
        for durability in [arguments.durability] if arguments.durability else MODES:
            run(durability, arguments.rounds or 20, arguments, rng,
                arguments.cut)
        return
    for _ in range(5):
        cleared_and_killed()
    for durability in MODES:
        run(durability, 4, arguments, rng, False)
        run(durability, 4, arguments, rng, True)
    run("changing", 4, arguments, rng, True)
    check_the_check(arguments, rng)


if __name__ == "__main__":
    sys.exit(main())
