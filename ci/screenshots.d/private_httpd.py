"""A private httpd with ajp-status, in front of backends that answer at different speeds."""

import os
import pathlib
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Another build can be looked at with the variable MODULE.
MODULE = os.environ.get("MODULE", ROOT / "target/release/libmod_proxy_ajp_rs.so")
HTTPD = shutil.which("apache2") or shutil.which("httpd") or "/usr/sbin/apache2"


class Ajp(socketserver.BaseRequestHandler):
    """Answers CPING, and each request after the pause of its server."""

    def receive(self, count):
        data = b""
        while len(data) < count:
            piece = self.request.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def handle(self):
        try:
            while True:
                length = int.from_bytes(self.receive(4)[2:], "big")
                payload = self.receive(length)
                if payload == b"\x0a":
                    self.send(b"\x09")
                    continue
                time.sleep(self.server.pause())
                status = 404 if b"/missing" in payload else 200
                self.send(b"\x04" + status.to_bytes(2, "big") + self.text(b"OK") + b"\0\0",
                          b"\x03" + self.text(b"x" * 2000), b"\x05\x01")
        except (EOFError, OSError):
            pass

    @staticmethod
    def text(data):
        return len(data).to_bytes(2, "big") + data + b"\0"

    def send(self, *payloads):
        packets = [b"AB" + len(payload).to_bytes(2, "big") + payload for payload in payloads]
        self.request.sendall(b"".join(packets))


class Backend(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, pauses, address="127.0.0.1"):
        super().__init__((address, 0), Ajp)
        self.pauses, self.count = pauses, 0
        self.at = f"{address}:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def pause(self):
        self.count += 1
        return self.pauses[self.count % len(self.pauses)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def apxs(query):
    done = subprocess.run(["apxs", "-q", query], check=True, capture_output=True, text=True)
    return done.stdout.strip()


QUICK, MIXED, SLOW = [0.002, 0.004, 0.003, 0.03, 0.008], [0.004, 0.01, 0.06, 0.012], [0.3, 0.8, 1.6]
SPEEDS = [QUICK, MIXED, QUICK, [0.02, 0.05]]


def three(port):
    """Two members that answer and one that is down, and a slow worker outside the balancer."""
    one, two, reports = Backend(QUICK), Backend(MIXED), Backend(SLOW)
    return f"""
<Proxy balancer://shop>
  BalancerMember ajp://{one.at} route=node1 ping=1
  BalancerMember ajp://{two.at} route=node2 ping=1
  BalancerMember ajp://127.0.0.1:{free_port()} route=node3 retry=300
  ProxySet stickysession=JSESSIONID
</Proxy>
ProxyPass /shop balancer://shop/shop
ProxyPass /reports ajp://{reports.at}/reports ttl=60
"""


def thirty(port):
    """Three balancers of ten members, of which some are down, stopped, draining, or a standby."""
    lines = []
    for place, name in enumerate(["shop", "search", "intranet"]):
        lines.append(f"<Proxy balancer://{name}>")
        for at in range(10):
            address = f"127.0.{place + 1}.{at + 1}"
            backend = Backend(SPEEDS[(at + place) % len(SPEEDS)], address).at
            words = {(0, 7): "activation=stopped", (0, 8): "activation=disabled",
                     (1, 9): "status=+H", (2, 0): "loadfactor=2", (2, 1): "lbset=1"}
            more = words.get((place, at), "")
            if (place, at) in [(0, 3), (1, 5)]:
                backend, more = f"{address}:{free_port()}", "retry=300"
            if name == "intranet":
                more += f" domain={'east' if at < 5 else 'west'}"
            lines.append(f"  BalancerMember ajp://{backend} route={name}{at + 1:02} ping=1 max=50 {more}")
        lines += ["  ProxySet stickysession=JSESSIONID", "</Proxy>",
                  f"ProxyPass /{name} balancer://{name}/{name}"]
    return "\n".join(lines)


def configuration(directory, port, workers):
    modules = apxs("LIBEXECDIR")
    names = "mpm_event authz_core authz_host mime proxy slotmem_shm proxy_balancer " \
            "lbmethod_byrequests"
    lines = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in names.split()]
    if os.geteuid() == 0:
        lines += ["User www-data", "Group www-data"]
    return "\n".join(lines) + f"""
ServerRoot {directory}
DefaultRuntimeDir {directory}
PidFile httpd.pid
ServerName shop.example
UseCanonicalName On
Listen 127.0.0.1:{port}
ErrorLog error.log
DocumentRoot {directory}
TypesConfig /etc/mime.types
StartServers 4
ServerLimit 4
ThreadsPerChild 16
MaxRequestWorkers 64
MinSpareThreads 64
MaxSpareThreads 64
LoadModule proxy_ajp_module {MODULE}
{workers(port)}
Include {ROOT}/httpd-conf/status.conf
"""


def fetch(url, route):
    headers = {"Cookie": f"JSESSIONID=1.{route}"} if route else {}
    try:
        request = urllib.request.Request(url, headers=headers)
        return urllib.request.urlopen(request, timeout=30).read()
    except urllib.error.HTTPError:
        return None


class Site:
    """The httpd; it and its files are gone at the end of `with`."""

    def __init__(self, workers):
        self.directory = pathlib.Path(tempfile.mkdtemp())
        self.directory.chmod(0o755)
        port = free_port()
        file = self.directory / "httpd.conf"
        file.write_text(configuration(self.directory, port, workers))
        self.base = f"http://127.0.0.1:{port}"
        self.url = f"{self.base}/ajp-status"
        self.httpd = subprocess.Popen([HTTPD, "-DFOREGROUND", "-d", self.directory, "-f", file])

    def __enter__(self):
        for _ in range(100):
            try:
                urllib.request.urlopen(self.url, timeout=5)
                return self
            except OSError:
                time.sleep(0.1)
        raise SystemExit("httpd does not answer")

    def __exit__(self, *_):
        self.httpd.terminate()
        self.httpd.wait(20)
        shutil.rmtree(self.directory)

    def load(self, paths, count=100, clients=8):
        """Sends requests to each path, some of them with a session, some for what is not there."""
        def some(path):
            for at in range(count):
                name = path.strip("/")
                route = [f"{name}{at % 10 + 1:02}", f"node{at % 3 + 1}", ""][at % 3]
                fetch(f"{self.base}{path}{'missing' if at % 40 == 7 else at}", route)
        threads = [threading.Thread(target=some, args=(path,)) for path in paths for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
