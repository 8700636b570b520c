"""What many idle connections, many workers and many busy threads cost: ci/bench --scale.

Instructions are exact where time on a shared machine is not: believe them first. While they are
counted our housekeeper is switched off; it has a table of its own.
"""

import contextlib
import dataclasses
import pathlib
import subprocess
import sys
import time

import measure
from cases import CASES, MEMBERS
from servers import OURS, PEER, Httpd, Trouble, ajp_modules, wait_until

PARTS = ["idle", "busy", "workers", "members", "housekeeper", "memory"]

IDLE = [1, 100, 1000]
BUSY = [1, 64, 512]
WORKERS = [1, 100, 2000]
# Of the one child: as many as connections can be busy at once, and some to spare.
THREADS = 1100
# As /proc shows the name in src/backend/housekeeper.rs.
HOUSEKEEPER = "ajp-housekeeper"
SECONDS = 10
ROUNDS = 5

GET = CASES["get128"]
# Each of these mounts has a pool of its own.
IDLE_MOUNT, WARM_MOUNT, BUSY_MOUNT = "/b", "/big", "/busy"


class Scaled(Httpd):
    """An httpd of one child with many threads, or with many workers."""

    def __init__(self, server, backend, directory, chosen, part, workers=0, maintain=1, **how):
        super().__init__(server, backend, None, directory, chosen, **how)
        self.directory = self.directory.with_name(f"{self.directory.name}.{part}")
        self.workers, self.maintain = workers, maintain
        module = pathlib.Path(self.file or OURS)
        # "stock" too can be given as a file.
        self.is_ours = self.name != "stock" and b"ProxyAjpMaintain" in module.read_bytes()

    def sizes(self):
        threads = 4 if self.workers else THREADS
        yield "ServerLimit 1"
        yield "StartServers 1"
        yield f"ThreadLimit {threads}"
        yield f"ThreadsPerChild {threads}"
        yield "ThreadStackSize 262144"
        yield "MinSpareThreads 1"
        yield f"MaxSpareThreads {threads}"
        yield f"MaxRequestWorkers {threads}"

    def _ajp(self, modules):
        # The first lines load the modules.
        lines = list(super()._ajp(modules))
        yield from lines[:2]
        if self.is_ours:
            yield f"ProxyAjpMaintain {self.maintain}"
        asked = places(self.workers)
        for number in range(1, self.workers + 1):
            if number in asked:
                yield f"ProxyPass /w{number}/ ajp://127.0.0.1:{self.backend.ajp}/w{number}/"
            else:
                yield f"ProxyPass /w{number}/ ajp://127.0.0.1:{10000 + number}/w{number}/"
        yield from lines[2:]
        # The same port under another name is another pool.
        yield f"ProxyPass {BUSY_MOUNT} ajp://localhost:{self.backend.ajp}{BUSY_MOUNT}"


class Balanced(Scaled):
    """An httpd with a balancer of many members, of which few are asked."""

    def sizes(self):
        yield from Httpd.sizes(self)

    def _ajp(self, modules):
        yield f"LoadModule slotmem_shm_module {modules}/mod_slotmem_shm.so"
        yield f"LoadModule lbmethod_byrequests_module {modules}/mod_lbmethod_byrequests.so"
        lines = list(Httpd._ajp(self, modules))
        yield from lines[:2]
        yield f"LoadModule proxy_balancer_module {modules}/mod_proxy_balancer.so"
        if self.is_ours:
            yield "ProxyAjpMaintain 0"
        yield from lines[2:]
        yield "<Proxy balancer://many>"
        asked = places(self.workers)
        for number in range(1, self.workers + 1):
            # Three names lead to the backend, since a member needs an address of its own.
            hosts = ["127.0.0.1", "localhost", "127.1"]
            host, port = ("127.0.0.1", 10000 + number)
            if number in asked:
                host, port = hosts[asked.index(number)], self.backend.ajp
            yield f"BalancerMember ajp://{host}:{port} route=r{number}"
        yield "ProxySet stickysession=JSESSIONID|jsessionid"
        yield "</Proxy>"
        yield "ProxyPass /m balancer://many/b"


def places(workers):
    """Which of so many workers are asked: the first, the one in the middle, the last."""
    return sorted({1, (workers + 1) // 2, workers} - {0})


def run(chosen, backend, directory, printer):
    servers = ajp_modules(chosen.servers)
    if chosen.mpm == "prefork":
        raise Trouble("--scale is about threads: --mpm event or worker")

    def boot(server, part, **how):
        say(f"{server}: {part}")
        return Scaled(server, backend, directory, chosen, part, **how)

    names = [name.split("=")[0] for name in servers]
    if {"idle", "busy", "housekeeper", "memory"} & set(chosen.parts):
        threads(chosen, servers, names, boot, printer)
    if "members" in chosen.parts:
        many_members(chosen, backend, directory, servers, names, printer)
    if "workers" in chosen.parts:
        many_workers(chosen, servers, names, boot, printer)


def threads(chosen, servers, names, boot, printer):
    """Everything that one httpd with many threads tells."""
    counts, times, memory, keeper = {}, {}, {}, {}
    for server, name in zip(servers, names):
        if {"idle", "busy"} & set(chosen.parts):
            with boot(server, "threads", maintain=0, valgrind=True) as httpd:
                warm(httpd)
                for key in conditions(httpd, chosen.parts):
                    counts[key, name] = measure.instructions(httpd, at(key[0]), chosen)
            with boot(server, "threads.time", maintain=0) as httpd:
                warm(httpd)
                for key in conditions(httpd, chosen.parts):
                    times[key, name] = cpu_us(httpd, at(key[0]))
        if "housekeeper" in chosen.parts:
            with boot(server, "housekeeper") as httpd:
                if httpd.is_ours:
                    for (_, number) in conditions(httpd, ["idle"]):
                        keeper[f"{number} idle", name] = housekeeper_us(httpd)
            for number in WORKERS:
                with boot(server, f"housekeeper.{number}", workers=number) as httpd:
                    if httpd.is_ours:
                        keeper[f"{number} workers", name] = housekeeper_us(httpd)
        if "memory" in chosen.parts:
            with boot(server, "memory", maintain=0) as httpd:
                memory[name] = memory_of(httpd)
    for part, title, mount, numbers in [
            ("idle", "Idle connections in the pool", IDLE_MOUNT, IDLE),
            ("busy", "Requests in flight on other threads", BUSY_MOUNT, BUSY)]:
        if part in chosen.parts:
            rows = [row(str(number), name, [((mount, n), name) for n in numbers],
                        numbers.index(number), counts, times)
                    for name in names for number in numbers]
            printer.table(title, HEAD, rows)
    if keeper:
        rows = [[label, name, f"{us:,.0f}"] for (label, name), us in keeper.items()]
        printer.table("The housekeeper, one pass", ["", "", "CPU µs"], rows)
    if memory:
        rows = [[name] + [f"{value:,.0f}" for value in values] for name, values in memory.items()]
        printer.table(f"Memory of the child in bytes, by {IDLE[-1]} connections",
                      ["", "idle", "the same again", "in use, first time", "in use, again"], rows)


def many_workers(chosen, servers, names, boot, printer):
    counts, times = {}, {}
    for number in WORKERS:
        for server, name in zip(servers, names):
            with boot(server, f"workers.{number}", workers=number, maintain=0,
                      valgrind=True) as httpd:
                for place in places(number):
                    counts[(number, place), name] = measure.instructions(
                        httpd, at(f"/w{place}"), chosen)
            with boot(server, f"workers.{number}.time", workers=number, maintain=0) as httpd:
                for place in places(number):
                    times[(number, place), name] = cpu_us(httpd, at(f"/w{place}"))
    rows = []
    keys = [(number, place) for number in WORKERS for place in places(number)]
    for name in names:
        for index, (number, place) in enumerate(keys):
            line = row(f"{place} of {number}", name, [(key, name) for key in keys], index, counts, times)
            base = counts.get(((number, place), chosen.base))
            line.append(f"{counts[(number, place), name] - base:+,.0f}" if base else "")
            rows.append(line)
    printer.table("Workers configured", HEAD + [f"more than {chosen.base}"], rows)


def many_members(chosen, backend, directory, servers, names, printer):
    """What a request of a session costs, by the number of members and the place of its own."""
    counts = {}
    for number in MEMBERS:
        for server, name in zip(servers, names):
            say(f"{server}: members.{number}")
            with Balanced(server, backend, directory, chosen, f"members.{number}", workers=number,
                          maintain=0, valgrind=True) as httpd:
                for place in places(number):
                    counts[(number, place), name] = measure.instructions(
                        httpd, of_session(place), chosen)
    rows = []
    for name in names:
        for number in MEMBERS:
            for place in places(number):
                count, base = counts[(number, place), name], counts.get(((number, place), chosen.base))
                ratio = f"{count / base:.3f}" if base else ""
                rows.append([f"{place} of {number}", name, f"{count:,.0f}", ratio])
    printer.table("Members of a balancer, a request of a session",
                  ["its member", "", "instructions", f"to {chosen.base}"], rows)


def of_session(place):
    return dataclasses.replace(GET, path=f"/m/{GET.expect}?jsessionid=x.r{place}", name=f"r{place}.get")


HEAD = ["", "", "instructions", "to the first", "CPU µs"]


def row(label, name, keys, index, counts, times):
    """One condition; the first of all is what it is compared with."""
    key, first = keys[index], keys[0]
    return [label, name, f"{counts[key]:,.0f}", f"{counts[key] / counts[first]:.3f}",
            f"{times[key]:,.1f}"]


def conditions(httpd, parts):
    """Brings about one condition after the other; gives the mount to be asked meanwhile."""
    if "idle" in parts:
        for number in IDLE:
            burst(httpd, IDLE_MOUNT, number)
            yield IDLE_MOUNT, number
    if "busy" in parts:
        for number in BUSY:
            with held(httpd, BUSY_MOUNT, number):
                yield BUSY_MOUNT, number


def at(mount):
    return dataclasses.replace(GET, path=f"{mount}/{GET.expect}", name=f"{mount[1:]}.get")


def warm(httpd):
    """Has each thread serve, so that what a thread needs the first time is not counted later."""
    for _ in range(2):
        burst(httpd, WARM_MOUNT, IDLE[-1])


def burst(httpd, mount, number):
    """So many requests at once, which leave as many connections idle."""
    case = dataclasses.replace(GET, path=f"{mount}/hold-{number}/{GET.expect}")
    measure.ask(httpd, case, number, number)
    quiet(httpd)


@contextlib.contextmanager
def held(httpd, mount, number):
    """So many requests in flight, until the end of the block."""
    path = f"{mount}/hold-{number + 1}/{GET.expect}"
    command = [PEER, "load", f"127.0.0.1:{httpd.port}", path, "--expect", str(GET.expect),
               "--requests", str(number), "--connections", str(number)]
    others = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        quiet(httpd)
        yield
        # The last of the crowd sets all free.
        measure.ask(httpd, dataclasses.replace(GET, path=path), 1, 1)
        _, errors = others.communicate(timeout=120)
        if others.returncode:
            raise Trouble(f"{httpd.name}, {number} at once: {errors}")
    finally:
        if others.poll() is None:
            others.kill()
            others.wait()


def quiet(httpd):
    """Waits until it does nothing: everything has been taken in, nothing is left to be done."""
    last = [None]

    def is_quiet():
        before, last[0] = last[0], measure.used(httpd)[0]
        time.sleep(0.2)
        return before is not None and last[0] - before < 3_000_000
    wait_until(f"{httpd.name} is quiet", 120, is_quiet)


def cpu_us(httpd, case):
    """CPU time per request of one client: the least of some rounds."""
    requests = 1000
    measure.ask(httpd, case, requests, 1)
    times = []
    for _ in range(ROUNDS):
        before = measure.used(httpd)[0]
        measure.ask(httpd, case, requests, 1)
        times.append((measure.used(httpd)[0] - before) / 1000 / requests)
    return min(times)


def housekeeper_us(httpd):
    """CPU time of a pass, of which there is one a second."""
    def spent():
        for task in pathlib.Path(f"/proc/{httpd.serving()[0]}/task").iterdir():
            if (task / "comm").read_text().strip() == HOUSEKEEPER:
                return int((task / "schedstat").read_text().split()[0])
        raise Trouble(f"{httpd.name} has no thread {HOUSEKEEPER}")

    time.sleep(2)
    before, begin = spent(), time.monotonic()
    time.sleep(SECONDS)
    return (spent() - before) / 1000 / (time.monotonic() - begin)


def memory_of(httpd):
    """Per connection: idle; what the same burst again adds, which is noise; in use, which the first
    time is with the stacks and pools of the threads.

    When idle ones are counted, all but them is there from bursts to another pool.
    """
    def anonymous():
        status = pathlib.Path(f"/proc/{httpd.serving()[0]}/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) * 1024

    number = IDLE[-1]
    at_first = anonymous()
    with held(httpd, WARM_MOUNT, number):
        in_use = anonymous()
    for _ in range(4):
        warm(httpd)
    before = anonymous()
    burst(httpd, IDLE_MOUNT, number)
    idle = anonymous()
    burst(httpd, IDLE_MOUNT, number)
    again = anonymous()
    with held(httpd, IDLE_MOUNT, number):
        in_use_again = anonymous()
    steps = [idle - before, again - idle, in_use - at_first, in_use_again - again]
    return [step / number for step in steps]


def say(text):
    print(text, file=sys.stderr, flush=True)
