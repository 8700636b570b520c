"""Starts the backend and the httpds in the benchmark's directory, and stops them by their process ids."""

import http.client
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEER = ROOT / "target/release/bench_peer"
OURS = ROOT / "target/release/libmod_proxy_ajp_rs.so"
HTTPD = shutil.which("apache2") or shutil.which("httpd") or "/usr/sbin/apache2"


def one_child(threads):
    """The lines for one child of so many threads."""
    yield "ServerLimit 1"
    yield "StartServers 1"
    yield f"ThreadLimit {threads}"
    yield f"ThreadsPerChild {threads}"
    yield "MinSpareThreads 1"
    yield f"MaxSpareThreads {threads}"


def ajp_modules(servers):
    """Those of the servers that are AJP modules of mod_proxy."""
    return [server for server in servers if server.partition("=")[0] not in ["jk", "http", "limit"]]


class Trouble(Exception):
    """A server did not start, or gave a wrong answer."""


def apxs(query):
    command = [os.environ.get("APXS", "apxs"), "-q", query]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def httpd_version():
    printed = subprocess.run([HTTPD, "-v"], capture_output=True, text=True, check=True).stdout
    return printed.split()[2].split("/")[1]


def compile_limit(directory):
    source = pathlib.Path(directory, "limit.source")
    shutil.copytree(ROOT / "benches/limit", source)
    command = [os.environ.get("APXS", "apxs"), "-c", "-Wc,-O2", "mod_limit.c", "exchange.c"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    if done.returncode:
        raise Trouble(f"benches/limit does not compile: {done.stderr[-2000:]}")
    return source / ".libs/mod_limit.so"


def wait_until(what, seconds, check):
    end = time.monotonic() + seconds
    while not (result := check()):
        if time.monotonic() > end:
            raise Trouble(f"{what}: not within {seconds} seconds")
        time.sleep(0.05)
    return result


def stop(process):
    """Ends this process, with SIGTERM first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def raise_open_files(wanted, what, instead):
    """Raises the limit of open files of this process, which all that it starts inherit. If it cannot, `instead` says what
    would need as few as the limit is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        try:
            # Only root is allowed to.
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return
        except (ValueError, PermissionError):
            raise Trouble(f"{what} need {wanted} open files in one process, and the hard limit is {hard} "
                          f"(ulimit -Hn): raise it, or use {instead(hard)}") from None
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Backend:
    """benches/peer: answers AJP, AJP in large packets, and HTTP. `command` is what else starts it, or what
    stands between it and httpd, and prints three ports of `host`."""

    def __init__(self, command=(PEER, "backend"), host="127.0.0.1"):
        self.command, self.host = command, host

    def __enter__(self):
        # In a session of its own, so that Ctrl-C reaches only the driver, which stops the servers in order.
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        ports = self.process.stdout.readline().split()
        if len(ports) != 3:
            raise Trouble(f"{' '.join(map(str, self.command))} did not start")
        self.ajp, self.big_ajp, self.http = ports
        return self

    def __exit__(self, *_):
        stop(self.process)


class Httpd:
    """One httpd with one proxy. `server` is a name, or NAME=FILE. An AJP module of mod_proxy may also have a balancer of so
    many members."""

    def __init__(self, server, backend, limit, directory, chosen, valgrind=False, members=0):
        self.name, _, self.file = server.partition("=")
        self.backend, self.limit, self.chosen, self.valgrind = backend, limit, chosen, valgrind
        self.members = members
        suffix = (".callgrind" if valgrind else "") + (f".{members}" if members else "")
        self.directory = pathlib.Path(directory, f"{self.name}{suffix}")
        # Further options of callgrind.
        self.callgrind = []
        self.process = None

    def __enter__(self):
        self.directory.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (self.directory / "httpd.conf").write_text("\n".join(self.configuration()) + "\n")
        command = [HTTPD, "-d", self.directory, "-f", self.directory / "httpd.conf"]
        if self.valgrind:
            # For the files of callgrind, which does not run as root (see `user`).
            self.scratch = self.directory / "scratch"
            self.scratch.mkdir()
            for directory in [self.directory, self.scratch]:
                directory.chmod(0o777)
            command = ["valgrind", "--tool=callgrind", "--quiet", "--max-threads=2000", *self.callgrind,
                       f"--vgdb-prefix={self.directory}/vgdb",
                       f"--callgrind-out-file={self.scratch}/callgrind.out"] + command + ["-X"]
        else:
            command.append("-DFOREGROUND")
        with open(self.directory / "startup.log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True, **self.user())
        try:
            wait_until(f"{self.name} answers", 120 if self.valgrind else 20, self.is_up)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process:
            stop(self.process)

    def user(self):
        """The user to run it as, for subprocess. If httpd dropped root's privileges under valgrind, vgdb could
        not reach it."""
        if self.valgrind and os.getuid() == 0:
            return {"user": "www-data", "group": "www-data", "extra_groups": []}
        return {}

    def is_up(self):
        if self.process.poll() is not None:
            raise Trouble(f"{self.name} has ended: {self.logs()}")
        try:
            return self.ask("GET", "/b/1") is not None
        except OSError:
            return False

    def logs(self):
        files = [self.directory / "startup.log", self.directory / "error.log"]
        return "".join(file.read_text()[-3000:] for file in files if file.exists())

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def check(self):
        """Fails unless the proxy passes the right bytes in both directions, at each mount."""
        alphabet = bytes(range(ord("a"), ord("z") + 1))
        for mount in ["/b", "/big"] + (["/m"] if self.members else []):
            for method, path, sent, size in [("GET", "128", None, 128),
                                             ("GET", "300000", None, 300000),
                                             ("POST", "1", b"x" * 100000, 128)]:
                expected = (alphabet * (size // 26 + 1))[:size]
                status, body = self.ask(method, f"{mount}/{path}", sent)
                if (status, body) != (200, expected):
                    raise Trouble(f"{self.name}: {method} {mount}/{path} gives {status} and "
                                  f"{len(body)} bytes: {self.logs()}")

    def serving(self):
        """Returns the ids of the serving processes: the children, or the only process with -X."""
        if self.valgrind:
            return [self.process.pid]
        parent = self.process.pid
        children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        if not children:
            raise Trouble(f"{self.name} has no child: {self.logs()}")
        return [int(child) for child in children]

    def configuration(self):
        modules = apxs("LIBEXECDIR")
        yield f"ServerRoot {self.directory}"
        yield f"DefaultRuntimeDir {self.directory}"
        yield "PidFile httpd.pid"
        yield "ServerName localhost"
        yield f"Listen 127.0.0.1:{self.port}"
        yield "ErrorLog error.log"
        yield "LogLevel warn"
        yield "KeepAlive On"
        yield "MaxKeepAliveRequests 0"
        yield "KeepAliveTimeout 120"
        yield "Timeout 120"
        if os.getuid() == 0 and not self.valgrind:
            yield "User www-data"
            yield "Group www-data"
        yield f"LoadModule mpm_{self.chosen.mpm}_module {modules}/mod_mpm_{self.chosen.mpm}.so"
        yield from self.sizes()
        yield f"LoadModule authz_core_module {modules}/mod_authz_core.so"
        yield from getattr(self, f"_{self.name}", self._ajp)(modules)

    def sizes(self):
        # Few threads under callgrind, because each has to serve a request before it is measured.
        threads = 4 if self.valgrind else self.chosen.threads
        if self.chosen.mpm == "prefork":
            yield f"ServerLimit {threads}"
            yield f"StartServers {threads}"
            yield f"MaxSpareServers {threads}"
        else:
            yield from one_child(threads)
        yield f"MaxRequestWorkers {threads}"

    def _ajp(self, modules):
        files = {"stock": f"{modules}/mod_proxy_ajp.so", "ours": OURS}
        # A copy, so that a build in the meantime does not change it, and any user can read it.
        module = self.directory / "mod_proxy_ajp.so"
        shutil.copy(self.file or files[self.name], module)
        yield f"LoadModule proxy_module {modules}/mod_proxy.so"
        yield f"LoadModule proxy_ajp_module {module}"
        host = self.backend.host
        yield f"ProxyPass /b ajp://{host}:{self.backend.ajp}/b"
        yield f"ProxyPass /big ajp://{host}:{self.backend.big_ajp}/big iobuffersize=65536"
        if self.members:
            yield from self._balancer(modules)

    def _balancer(self, modules):
        for module in ["slotmem_shm", "lbmethod_byrequests", "proxy_balancer"]:
            yield f"LoadModule {module}_module {modules}/mod_{module}.so"
        yield "<Proxy balancer://many>"
        for number in range(1, self.members + 1):
            # Each has an address of its own, where the one backend listens, too: a pool is that of an address in this module.
            yield f"BalancerMember ajp://127.0.1.{number}:{self.backend.ajp} route=r{number}"
        # Another name than that of the cookie which the client sends: most requests without a session have some.
        yield "ProxySet stickysession=BENCH|bench"
        yield "</Proxy>"
        yield "ProxyPass /m balancer://many/b"

    def _http(self, modules):
        yield f"LoadModule proxy_module {modules}/mod_proxy.so"
        yield f"LoadModule proxy_http_module {modules}/mod_proxy_http.so"
        for mount in ["/b", "/big"]:
            yield f"ProxyPass {mount} http://{self.backend.host}:{self.backend.http}{mount} enablereuse=on"

    def _jk(self, modules):
        lines = ["worker.list=small,big"]
        for worker, port in [("small", self.backend.ajp), ("big", self.backend.big_ajp)]:
            lines += [f"worker.{worker}.type=ajp13", f"worker.{worker}.host={self.backend.host}",
                      f"worker.{worker}.port={port}"]
        lines.append("worker.big.max_packet_size=65536")
        (self.directory / "workers.properties").write_text("\n".join(lines) + "\n")
        yield f"LoadModule jk_module {modules}/mod_jk.so"
        yield f"JkWorkersFile {self.directory}/workers.properties"
        yield f"JkLogFile {self.directory}/mod_jk.log"
        yield f"JkShmFile {self.directory}/jk.shm"
        yield "JkLogLevel warn"
        yield "JkMount /b/* small"
        yield "JkMount /big/* big"

    def _limit(self, _):
        yield f"LoadModule limit_module {self.limit}"
        for mount, port, size in [("/b/", self.backend.ajp, 8192),
                                  ("/big/", self.backend.big_ajp, 65536)]:
            yield f'<Location "{mount}">'
            yield "SetHandler limit"
            yield f"LimitBackend {port} {size}"
            yield "</Location>"
