"""One httpd for many clients whose requests wait, and the clients."""

import os
import pathlib
import re
import socket
import subprocess
from dataclasses import dataclass

from servers import PEER, Httpd, Trouble, one_child, raise_open_files, stop

DIRECTIVE = "ProxyAjpParking"
# A parked request has its client's connection, its backend's, an epoll and a timer. httpd has other files besides.
FILES_PER_REQUEST, FILES_BESIDES = 4, 500


@dataclass(frozen=True)
class Kind:
    """What an httpd is: a server as in --servers, with so many threads, for so many clients."""
    name: str
    server: str
    threads: int
    clients: int
    parks: bool = False


class Waiting(Httpd):
    """An httpd with one child for many clients, plain and with TLS."""

    def __init__(self, kind, backend, certificates, directory, chosen):
        super().__init__(kind.server, backend, None, directory, chosen)
        self.kind, self.certificates = kind, certificates
        number = sum(1 for _ in pathlib.Path(directory).iterdir())
        self.directory = self.directory.with_name(f"{self.name}.{number}")

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.tls_port = probe.getsockname()[1]
        return super().__enter__()

    def sizes(self):
        threads, clients = self.kind.threads, self.kind.clients
        yield from one_child(threads)
        yield f"MaxRequestWorkers {threads}"
        # So one idle thread is enough for httpd to accept the connections of all of them.
        yield f"AsyncRequestWorkerFactor {clients + 100}"
        yield "ListenBacklog 4096"

    def _ajp(self, modules):
        # The first lines load the modules.
        lines = list(super()._ajp(modules))
        yield from lines[:2]
        yield f"LoadModule ssl_module {modules}/mod_ssl.so"
        if self.kind.parks:
            yield f"{DIRECTIVE} On"
        yield from lines[2:]
        root = self.directory / "htdocs"
        root.mkdir()
        (root / "static.txt").write_text("static")
        yield f"DocumentRoot {root}"
        yield "SSLSessionCache none"
        yield f"Listen 127.0.0.1:{self.tls_port}"
        yield f"<VirtualHost 127.0.0.1:{self.tls_port}>"
        yield "SSLEngine on"
        yield f"SSLCertificateFile {self.certificates}/server.pem"
        yield f"SSLCertificateKeyFile {self.certificates}/server.key"
        yield "</VirtualHost>"

    def memory(self):
        """The child's resident and proportional memory in bytes."""
        rollup = pathlib.Path(f"/proc/{self.serving()[0]}/smaps_rollup").read_text()
        return Memory(*[1024 * int(re.search(rf"^{name}:\s*(\d+) kB", rollup, re.M).group(1))
                        for name in ["Rss", "Pss"]])


@dataclass(frozen=True)
class Memory:
    rss: int
    pss: int

    def per(self, before, number):
        """Returns the growth since `before`, divided by this number."""
        return Memory((self.rss - before.rss) / number, (self.pss - before.pss) / number)


class Crowd:
    """A process of many clients: bench_peer crowd."""

    def __init__(self, httpd, path, tls=False, is_nice=False, **options):
        port = httpd.tls_port if tls else httpd.port
        command = [PEER, "crowd", f"127.0.0.1:{port}", path]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        if tls:
            command += ["--tls", f"{httpd.certificates}/ca.pem"]
        if is_nice and os.getuid() == 0:
            # It is to measure how long httpd takes, not how long the other clients keep the processors.
            command = ["nice", "-n", "-10"] + command
        self.httpd, self.what = httpd, f"{httpd.kind.name}, {path}"
        self.command = command

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, start_new_session=True)
        return self

    def __exit__(self, *_):
        stop(self.process)

    def line(self):
        line = self.process.stdout.readline().strip()
        if not line:
            raise Trouble(f"{self.what}: {self.process.stderr.read().strip()}")
        return line

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def figures(self):
        """Waits until all requests are answered, and returns what came of them."""
        return {name: float(value) for name, value in (word.split("=") for word in self.line().split())}


def make_room(clients):
    """Lets httpd open as many files as so many clients need."""
    def most(files):
        return f"--clients {max(0, (files - FILES_BESIDES) // FILES_PER_REQUEST)}"
    raise_open_files(FILES_PER_REQUEST * clients + FILES_BESIDES, f"{clients} clients", most)


def make_certificates(directory):
    """Makes an authority and a server's certificate, valid for a day."""
    place = pathlib.Path(directory, "certificates")
    place.mkdir()
    authority = ["-CA", place / "ca.pem", "-CAkey", place / "ca.key"]
    for name, subject, more in [
            ("ca", "/CN=bench authority", []),
            ("server", "/CN=localhost", authority + ["-addext", "subjectAltName=DNS:localhost",
                                                     "-addext", "basicConstraints=CA:FALSE"])]:
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                   "-days", "1", "-subj", subject, "-keyout", place / f"{name}.key",
                   "-out", place / f"{name}.pem"] + more
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Trouble(f"openssl: {done.stderr[-1000:]}")
    return place
