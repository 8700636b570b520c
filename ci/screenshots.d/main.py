"""Opens ajp-status of an httpd with three backends, which answer at different speeds, in a browser."""

import os
import pathlib
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULE = ROOT / "target/release/libmod_proxy_ajp_rs.so"
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

    def __init__(self, pauses):
        super().__init__(("127.0.0.1", 0), Ajp)
        self.pauses, self.count = pauses, 0
        self.port = self.server_address[1]
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


def configuration(directory, port, backends, down):
    modules = apxs("LIBEXECDIR")
    names = "mpm_event authz_core authz_host mime proxy slotmem_shm proxy_balancer " \
            "lbmethod_byrequests"
    lines = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in names.split()]
    if os.geteuid() == 0:
        lines += ["User www-data", "Group www-data"]
    one, two, three = (backend.port for backend in backends)
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
<Proxy balancer://shop>
  BalancerMember ajp://127.0.0.1:{one} route=node1 ping=1
  BalancerMember ajp://127.0.0.1:{two} route=node2 ping=1
  BalancerMember ajp://127.0.0.1:{down} route=node3 retry=300
  ProxySet stickysession=JSESSIONID
</Proxy>
ProxyPass /shop balancer://shop/shop
ProxyPass /reports ajp://127.0.0.1:{three}/reports ttl=60
Include {ROOT}/httpd-conf/status.conf
"""


def fetch(url):
    try:
        return urllib.request.urlopen(url, timeout=30).read()
    except urllib.error.HTTPError:
        return None


def load(base):
    def some(path, count):
        for at in range(count):
            fetch(f"{base}{path}{'missing' if at % 40 == 7 else at}")
    threads = [threading.Thread(target=some, args=("/shop/", 100)) for _ in range(8)]
    threads += [threading.Thread(target=some, args=("/reports/", 6)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def browser(width, dark):
    options = Options()
    for word in ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--disable-gpu",
                 "--force-device-scale-factor=1"]:
        options.add_argument(word)
    if dark:
        options.add_argument("--force-dark-mode")
        options.add_argument("--enable-features=WebContentsForceDark:0")
    service = Service("/usr/bin/chromedriver")
    driver = webdriver.Chrome(service=service, options=options)
    # A window cannot be as narrow as a phone's, but the viewport can.
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    return driver


def picture(driver, width, file):
    size = driver.execute_script("return [document.documentElement.scrollWidth, "
                                 "document.documentElement.scrollHeight]")
    assert size[0] <= width, f"the page is {size[0]} wide, in a window of {width}"
    metrics = {"width": width, "height": size[1], "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.save_screenshot(str(file))
    subprocess.run(["pngquant", "--force", "--skip-if-larger", "--output", file, file], check=False)
    print(f"{file}: {file.stat().st_size} bytes")


def card(driver, title):
    cards = driver.find_elements(By.CSS_SELECTOR, "article.card")
    return next(one for one in cards if one.find_element(By.TAG_NAME, "h3").text == title)


def state(driver, title):
    return card(driver, title).find_element(By.CSS_SELECTOR, ".state").text


def click(driver, title, word):
    buttons = card(driver, title).find_elements(By.TAG_NAME, "button")
    next(button for button in buttons if button.text == word).click()


def check(what, find, wanted):
    """Waits until the page shows what is wanted: it may still be loading."""
    found, end = None, time.monotonic() + 20
    while time.monotonic() < end:
        try:
            found = find()
            if wanted in found:
                print(f"{what}: {wanted}")
                return
        except (StopIteration, WebDriverException):
            pass
        time.sleep(0.1)
    raise SystemExit(f"{what}: {found!r} instead of {wanted!r}")


def clicks(driver, url):
    driver.get(url)
    check("node2 at first", lambda: state(driver, "node2"), "active")
    click(driver, "node2", "Stop")
    check("node2 after Stop", lambda: state(driver, "node2"), "stopped")
    click(driver, "node2", "Activate")
    check("node2 after Activate", lambda: state(driver, "node2"), "active")
    check("node3 at first", lambda: state(driver, "node3"), "in error")
    click(driver, "node3", "Recover")
    check("node3 after Recover", lambda: state(driver, "node3"), "active")
    click(driver, "node2", "Reset")
    nothing = "no request sent yet"
    check("node2 after Reset", lambda: card(driver, "node2").text, nothing)
    load(url.rsplit("/", 1)[0])
    click(driver, "node2", "Drain")
    check("node2 after Drain", lambda: state(driver, "node2"), "draining")
    notice = driver.find_element(By.CSS_SELECTOR, ".notice").text
    check("the notice", lambda: notice, "done for 1")
    check("the address", lambda: driver.current_url, "?done=drain")


def main():
    target = pathlib.Path(sys.argv[1])
    backends = [Backend([0.002, 0.004, 0.003, 0.03, 0.008]), Backend([0.004, 0.01, 0.06, 0.012]),
                Backend([0.3, 0.8, 1.6])]
    directory = pathlib.Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    port, down = free_port(), free_port()
    (directory / "httpd.conf").write_text(configuration(directory, port, backends, down))
    command = [HTTPD, "-DFOREGROUND", "-d", directory, "-f", directory / "httpd.conf"]
    httpd = subprocess.Popen(command)
    base = f"http://127.0.0.1:{port}"
    drivers = []
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"{base}/ajp-status", timeout=5)
                break
            except OSError:
                time.sleep(0.1)
        load(base)
        url = f"{base}/ajp-status"
        drivers.append(browser(1400, False))
        clicks(drivers[-1], url)
        drivers[-1].get(url)
        picture(drivers[-1], 1400, target / "ajp-status-1400.png")
        drivers.append(browser(400, True))
        drivers[-1].get(url)
        picture(drivers[-1], 400, target / "ajp-status-400.png")
    finally:
        for driver in drivers:
            driver.quit()
        httpd.terminate()
        httpd.wait(20)
        shutil.rmtree(directory)


main()
