"""Judges what a node holds after it was killed, by what MixedLoad noted."""

import math

from mixed_load import Change, MixedLoad, now_ms, number_in
from nodes import check, check_equal, fail, wait_until

CHUNK = 50
SOON_MS = 60_000  # a deadline within this is one that the test waits for
# The node counts whole milliseconds.
ROUNDING_MS = 1


class Found:
    """What one key held, between two moments."""

    def __init__(self, name, value, pttl, before, after):
        self.number = None if value is None else number_in(name, value)
        self.pttl = pttl
        self.before = before
        self.after = after

    def fits(self, change):
        """Whether this is what `change` left."""
        if change.number is None:
            return self.number is None
        if change.deadline is None:
            return self.number == change.number and self.pttl == -1
        earliest, latest = change.deadline
        if self.number is None or self.pttl == -2:
            return (self.number in (None, change.number)
                    and self.after + ROUNDING_MS >= earliest)
        return (self.number == change.number
                and self.before <= latest
                and earliest - self.after - ROUNDING_MS <= self.pttl
                <= latest - self.before + ROUNDING_MS)

    def as_change(self):
        result = Change(None, 0, self.number)
        if self.number is not None and self.pttl >= 0:
            result.deadline = (self.before + self.pttl - ROUNDING_MS,
                               self.after + self.pttl + ROUNDING_MS)
        elif self.pttl == -2:
            result.number = None
        return result


def read_all(node, load: MixedLoad):
    """Yields each key with what the node answers."""
    by_tenant = {}
    for key in load.all_keys():
        by_tenant.setdefault(key.tenant, []).append(key)
    for tenant, keys in by_tenant.items():
        client = node.client(db=tenant, socket_timeout=60)
        for i in range(0, len(keys), CHUNK):
            some = keys[i:i + CHUNK]
            pipe = client.pipeline(transaction=False)
            for key in some:
                pipe.get(key.name)
                pipe.pttl(key.name)
            before = now_ms()
            answers = pipe.execute()
            after = now_ms()
            for key, value, pttl in zip(some, answers[::2], answers[1::2]):
                yield key, Found(key.name, value, pttl, before, after)
        client.close()


def moments_of(key, found, load):
    """Spans of time in which the key may have been as it was found; empty if no
    order of the changes explains it."""
    changes = key.changes + load.clearings_of(key)
    result = []
    for last in [key.base] + changes:
        if not found.fits(last):
            continue
        since = -math.inf if last is key.base else last.start
        later = [x.ack for x in changes if x.ack is not None
                 and (last is key.base or last.precedes(x))]
        result.append((since, min(later, default=math.inf)))
    return result


def loss_of(moments, killed_at):
    """Seconds before the kill at which the oldest change was acknowledged that
    is not to be seen; zero if all are."""
    return max(0.0, killed_at - max(until for _, until in moments))


def check_one_moment(moments, slack):
    """There is a moment at which everything was as it was found, give or take
    `slack` seconds. `moments` has those of each key."""
    events = []
    for name, spans in moments.items():
        joined = []
        for since, until in sorted(spans):
            if joined and since - slack <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], until + slack)
            else:
                joined.append([since - slack, until + slack])
        for since, until in joined:
            events += [(since, 0, name), (until, 1, name)]
    there = set()
    most = set()
    for _, ends, name in sorted(events):
        if ends:
            there.discard(name)
        else:
            there.add(name)
        if len(there) > len(most):
            most = set(there)
    left = set(moments) - most
    check(not left, f"no moment explains everything; the best one leaves out "
          f"{ {x: moments[x] for x in sorted(left)[:5]} } of {len(left)}, "
          f"most others are of {sorted(moments[x] for x in most)[-3:]}")


def describe(key, found, load, killed_at):
    def line(x):
        ack = f"{killed_at - x.ack:.3f}" if x.ack is not None else "no answer"
        return (f"  {killed_at - x.start:.3f} s before, {ack}: "
                f"{x.number} {x.deadline}")
    lines = [f"  found at {found.before:.0f}: {found.number} "
             f"pttl {found.pttl}", line(key.base)]
    lines += [line(x) for x in key.changes]
    lines += [line(x) + " cleared" for x in load.clearings_of(key)]
    return "\n".join(lines[:2] + lines[-30:])


def judge(node, load, killed_at, window, slack=None, may_miss=False):
    """Every key holds what it had when acknowledged last before the window, or
    something newer, and with `slack` all of them at the same moment. Returns
    the greatest loss in seconds. With `may_miss` a key may hold nothing."""
    worst = 0.0
    moments = {}
    for key, found in list(read_all(node, load)):
        spans = moments_of(key, found, load)
        if not (may_miss and found.number is None):
            if not spans:
                fail(f"{key.name} in {key.tenant} is nothing that it may be:\n"
                     + describe(key, found, load, killed_at))
            moments[key.name] = spans
            loss = loss_of(spans, killed_at)
            if loss > window:
                fail(f"{key.name} in {key.tenant} lost what was acknowledged "
                     f"{loss * 1000:.0f} ms before the kill:\n"
                     + describe(key, found, load, killed_at))
            worst = max(worst, loss)
        key.base = found.as_change()
    if slack is not None:
        check_one_moment(moments, slack)
    load.forget_history()
    return worst


def check_counts(node, load):
    """DBSIZE, SCAN and the engine's own count agree with what GET finds, once
    the short-lived entries are over and have been swept. Returns the count."""
    soon = [key.base.deadline[1] for key in load.all_keys() if key.base.deadline
            and key.base.deadline[0] < now_ms() + SOON_MS]
    wait_until(lambda: now_ms() > max(soon, default=0), "short lives end")
    total = 0
    for tenant in load.cleared:
        live = {key.name.encode() for key in load.all_keys()
                if key.tenant == tenant and key.base.number is not None
                and not (key.base.deadline and key.base.deadline[1] < now_ms())}
        total += len(live)
        client = node.client(db=tenant)
        scanned = set(client.scan_iter(count=500))
        check(scanned == live,
              f"SCAN of {tenant}: {list(scanned - live)[:5]} too many, "
              f"{list(live - scanned)[:5]} missing")
        wait_until(lambda: client.dbsize() == len(live),
                   f"DBSIZE of {tenant} becomes {len(live)}: "
                   f"{client.dbsize()} {node.tiers()['disk']}")
        client.close()
    for key, found in read_all(node, load):
        if key.base.deadline and key.base.deadline[1] < now_ms():
            check(found.number is None, f"{key.name} is back from expiry")
            key.base = found.as_change()
    wait_until(lambda: node.tiers()["disk"]["journal_entries"] == 0
               and node.tiers()["disk"]["pending_entries"] == 0,
               "everything reaches the tree")
    disk = node.tiers()["disk"]
    check_equal(disk["state"], "up", "state of the disk tier")
    for figure in ("errors", "corrupt", "quarantined"):
        check_equal(disk[figure], 0, f"{figure} of the disk tier")
    return total


def check_untroubled(node, entries):
    """The disk tier has all entries, and had no reason to give anything up."""
    check_equal(node.tiers()["disk"]["entries"], entries, "entries on disk")
    for figure in ("evictions", "given_up", "commit_errors"):
        check_equal(node.tiers()["disk"][figure], 0,
                    f"{figure} of the disk tier")
