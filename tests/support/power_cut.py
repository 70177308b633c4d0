"""Plays a power cut on a directory whose writer has been killed, from what
cut_writes.c remembered: each sector that was not synced yet holds any of the
contents it had since the last sync, a file any of the lengths, and of the names
made, renamed or removed since the directory was synced a prefix remains, as
file systems with a journal leave it. Whoever asks the system finds that it was
started anew."""

import collections
import os
import struct
import uuid

from nodes import BIN

ENTRY = struct.Struct("=QQQQQ")  # kind, offset, length, size, bytes that follow
CHANGE, SYNCED = 1, 2
SECTOR = 512
PAGE = 4096


class PowerCut:
    """`directory` is the one to watch, `folder` is where things may be kept."""

    def __init__(self, directory, folder, lies=False):
        self.directory = os.path.realpath(directory)
        self.log = os.path.join(folder, "power-cut")
        os.makedirs(self.log, exist_ok=True)
        self.environment = {
            "LD_PRELOAD": os.path.join(os.path.realpath(BIN),
                                       "libcut_writes.so"),
            # A node with AddressSanitizer wants to be loaded first.
            "ASAN_OPTIONS": "verify_asan_link_order=0",
            "CUT_DIR": self.directory, "CUT_LOG": self.log,
            "CUT_BOOT": os.path.join(folder, "boot_id")}
        if lies:
            self.environment["CUT_LIES"] = "1"
        self._start_machine()

    def _start_machine(self):
        with open(self.environment["CUT_BOOT"], "w") as f:
            print(uuid.uuid4(), file=f)

    def play(self, rng):
        """Cuts the power; what is left afterwards is durable. Returns the
        number of sectors, lengths and names that went back."""
        undone = 0
        for name, inode in self._inodes():
            undo = os.path.join(self.log, f"{inode}.undo")
            if os.path.exists(undo):
                with open(undo, "rb") as f:
                    undone += restore(name, read_entries(f.read()), rng)
        undone += self._restore_names(rng)
        for name in os.listdir(self.log):
            os.remove(os.path.join(self.log, name))
        # Mapped and never synced by anyone: it may hold anything.
        lock = os.path.join(self.directory, "lock.mdb")
        if os.path.exists(lock) and rng.random() < 0.5:
            with open(lock, "r+b") as f:
                f.write(rng.randbytes(os.path.getsize(lock)))
        self._start_machine()
        return undone

    def _inodes(self):
        for folder in (self.directory, self.log):
            for entry in os.scandir(folder):
                if folder == self.directory or entry.name.startswith("kept-"):
                    yield entry.path, entry.inode()

    def _restore_names(self, rng):
        try:
            with open(os.path.join(self.log, "dir.undo")) as f:
                changes = [line.split() for line in f]
        except FileNotFoundError:
            return 0
        remaining = rng.randint(0, len(changes))
        for what, name, to, kept in reversed(changes[remaining:]):
            path = os.path.join(self.directory, name)
            if what == "create":
                remove_if_there(path)
                continue
            if what == "rename":
                os.rename(os.path.join(self.directory, to), path)
                path = os.path.join(self.directory, to)
            if kept != "-":
                remove_if_there(path)
                os.link(os.path.join(self.log, kept), path)
        return len(changes) - remaining


def remove_if_there(path):
    if os.path.exists(path):
        os.remove(path)


def read_entries(log):
    at = 0
    while at + ENTRY.size <= len(log):
        kind, offset, length, size, old = ENTRY.unpack_from(log, at)
        at += ENTRY.size
        if at + old > len(log):
            return  # its write had not begun
        yield kind, offset, length, size, log[at:at + old]
        at += old


def restore(path, entries, rng):
    """Gives sectors and the length one of the states since the last sync."""
    states = collections.defaultdict(list)  # sector -> older contents
    sizes = set()
    least = 0
    for kind, offset, length, size, old in entries:
        if kind == SYNCED:
            least = max(least, offset + length)
            for sector in range(offset // SECTOR, -(-(offset + length) // SECTOR)):
                states.pop(sector, None)
            continue
        sizes.add(size)
        for i in range(0, len(old), SECTOR):
            states[(offset + i) // SECTOR].append(old[i:i + SECTOR])
    # What was behind the end of the file reads as zeros.
    end = os.path.getsize(path)
    first = min(sizes, default=end)
    for sector in range(-(-first // SECTOR), -(-end // SECTOR)):
        states[sector].insert(0, bytes(SECTOR))
    unit = rng.choice([SECTOR, PAGE]) // SECTOR
    survives = rng.choice([0.0, 0.05, 0.5, 0.5, 0.95])
    undone = 0
    chosen = {}
    with open(path, "r+b") as f:
        for sector in sorted(states):
            if chosen.setdefault(sector // unit, rng.random()) < survives:
                continue
            f.seek(sector * SECTOR)
            f.write(rng.choice(states[sector]))
            undone += 1
        # Also cuts off what a last sector was written beyond the old end.
        sizes = [x for x in sorted(sizes | {end}) if x >= least]
        size = rng.choice(sizes) if survives > 0 else sizes[0]
        f.truncate(size)
    return undone + (size != end)
