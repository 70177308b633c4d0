"""Real servers for scenario and compat tests: private ports, ended by pid."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import redis

BIN = os.environ.get("TERRACE_BIN_DIR", "build/release/bin")


def fail(text):
    sys.exit("FAILED: " + text)


def check(condition, text):
    if not condition:
        fail(text)


def check_equal(got, wanted, text):
    check(got == wanted, f"{text}: got {got!r}, wanted {wanted!r}")


def wait_until(predicate, text, seconds=20.0):
    """Asks again and again until it is true; fails after a generous time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = predicate()
        if result:
            return result
        time.sleep(0.01)
    fail(f"not within {seconds} s: {text}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A child process that answers PING on a port."""

    def __init__(self):
        self.process = None
        self.port = free_port()
        self.environment = {}  # beside what the child inherits

    def _spawn(self, command, log):
        self.log_path = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment})

    def _start(self, command, log):
        self._spawn(command, log)
        wait_until(self._answers, f"{command[0]} does not answer; {log}: "
                   + self.log_text())

    def _answers(self):
        check(self.process.poll() is None,
              f"ended with {self.process.poll()}: {self.log_text()}")
        return self.answers()

    def answers(self):
        try:
            return self.client(socket_timeout=1).ping()
        except redis.exceptions.AuthenticationError:
            return True
        except redis.exceptions.RedisError:
            return False

    def log_text(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()[-2000:]

    def client(self, **options):
        # By address: a bare machine does not know "localhost".
        return redis.Redis(host="127.0.0.1", port=self.port, **options)

    def stop(self):
        """Orderly; fails if the process does not end well."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            fail("did not end within 30 s after SIGTERM: " + self.log_text())
        self.process = None
        check(code in (0, -signal.SIGTERM), f"ended with {code}: "
              + self.log_text())

    def exit_code(self):
        """Of a process that has just ended, it seems; None if it has not."""
        try:
            return self.process.wait(5)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class RedisServer(Server):
    """`arguments` are further ones of redis-server, which win."""

    def __init__(self, folder, arguments=()):
        super().__init__()
        self.folder = folder
        self.arguments = list(arguments)
        self.start()

    def start(self):
        self._start(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
             "--save", "", "--appendonly", "no", "--dir", self.folder,
             *self.arguments],
            os.path.join(self.folder, f"redis-{self.port}.log"))

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def is_master(self):
        try:
            return self.client(socket_timeout=0.2).role()[0] == b"master"
        except redis.exceptions.RedisError:
            return False


class Node(Server):
    """terraced with its data in `folder`; `settings` go to --set, `config` is
    the path of a TOML file."""

    def __init__(self, folder, settings=(), redis_url=None, config=None,
                 environment=None):
        super().__init__()
        self.folder = folder
        self.environment = environment or {}
        self.settings = list(settings)
        self.redis_url = redis_url
        self.config = config
        self.http_port = free_port()
        self.log_path = os.path.join(folder, "node.log")
        self.start()

    @property
    def disk(self):
        """The directory of the disk tier."""
        return os.path.join(self.folder, "data", "disk")

    def spawn(self):
        """Starts the process and does not wait until it answers."""
        self._spawn(self._command(), self.log_path)

    def start(self):
        self._start(self._command(), self.log_path)

    def _command(self):
        command = [os.path.join(BIN, "terraced"),
                   "--resp-port", str(self.port),
                   "--http-port", str(self.http_port),
                   "--data-dir", os.path.join(self.folder, "data")]
        if self.config:
            command += ["--config", self.config]
        if self.redis_url:
            command += ["--redis-url", self.redis_url]
        for setting in self.settings:
            command += ["--set", setting]
        return command

    def http(self, path):
        url = f"http://127.0.0.1:{self.http_port}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)

    def tiers(self):
        """The tiers section of INFO: {tier: {field: value}}."""
        result = {}
        info = self.client().execute_command("INFO", "tiers")
        for line in raw_info_lines(info):
            title, _, fields = line.partition(":")
            kind, _, name = title.partition("_")
            if kind not in ("tier", "extra"):
                continue
            # A reason may hold commas.
            pairs = (f.split("=", 1) for f in fields.split(",") if "=" in f)
            result.setdefault(name, {}).update(
                {k: int(v) if v.isdigit() else v for k, v in pairs})
        return result

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def raw_info_lines(info):
    """redis-py parses INFO into nested dicts; this undoes it for our section."""
    if isinstance(info, bytes):
        return info.decode().splitlines()
    lines = []
    for key, value in info.items():
        if isinstance(value, dict):
            fields = ",".join(f"{k}={v}" for k, v in value.items())
            lines.append(f"{key}:{fields}")
        else:
            lines.append(f"{key}:{value}")
    return lines


class Folder:
    """A temporary folder and the servers in it; all go at the end."""

    def __init__(self):
        self.servers = []

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="terrace-scenario-")
        return self

    def __exit__(self, kind, value, trace):
        for server in self.servers:
            server.kill()
        shutil.rmtree(self.path, ignore_errors=True)

    def redis(self, *arguments):
        self.servers.append(RedisServer(self.path, arguments))
        return self.servers[-1]

    def node(self, settings=(), redis_url=None, config=None, environment=None):
        self.servers.append(
            Node(self.path, settings, redis_url, config, environment))
        return self.servers[-1]


def check_partition(node):
    """hits + misses + errors = lookups in every tier and for the node."""
    for name, tier in node.tiers().items():
        check_equal(tier["hits"] + tier["misses"] + tier["errors"],
                    tier["lookups"], f"partition of {name}")
