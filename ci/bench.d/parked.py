"""Requests that wait for their backend, with a thread each and without: ci/bench --parked.

It asserts that each request gets its own answer, and nothing about time or memory.
"""

import contextlib
import http.client
import pathlib
import statistics
import sys
import time

import measure
from report import spread
from servers import OURS, Trouble, ajp_modules
from waiting import DIRECTIVE, Crowd, Kind, Waiting, make_certificates, make_room

PARTS = ["rate", "crowd", "cpu", "memory"]

FEW_THREADS = 5
# Of "rate": clients, the time each request takes, and the time that is measured.
RATE_CLIENTS, RATE_WAIT, RATE_SECONDS, RATE_ROUNDS = 500, 1.0, 10, 3
# Without parking, a request waits for all requests that have come before it; so there are fewer clients.
BLOCKED_CLIENTS = 5 * FEW_THREADS
CROWD_WAIT, CROWD_SECONDS = 5.0, 15
CPU_CLIENTS, CPU_REQUESTS = 8, {0: 20000, 5: 4000}
# Of "memory": requests per second until all wait, and the time that the last one waits at least. If they came so
# fast that all threads are busy, httpd would close the idle connections.
PER_SECOND, MEMORY_WAIT, MEMORY_TRIES = 500, 6.0, 3
# A static file is asked for by one client, with this pause between two requests.
PAUSE_MS = 10
# Of httpd's log, where requests were not answered.
FEW_ERRORS = 5


class Bench:
    """The servers and places that all parts use, and the faults that they have found."""

    def __init__(self, chosen, backend, directory, printer):
        self.chosen, self.backend, self.directory, self.printer = chosen, backend, directory, printer
        self.faults = []
        servers = ajp_modules(chosen.servers)
        self.stock = [s for s in servers if s.split("=")[0] == "stock"]
        self.ours = [s for s in servers if s not in self.stock]
        self.parking = [s for s in self.ours if DIRECTIVE.encode() in module(s).read_bytes()]
        for server in set(self.ours) - set(self.parking):
            say(f"{server}: this build has no {DIRECTIVE}")

    def boot(self, kind):
        say(f"{kind.name}: {kind.threads} threads, {kind.clients} clients")
        return Waiting(kind, self.backend, self.certificates, self.directory, self.chosen)

    def check(self, crowd, figures):
        """Notes requests that were not answered, or with another id, as faults."""
        for name in ["wrong", "failed"]:
            if figures[name]:
                self.fault(crowd, f"{figures[name]:,.0f} {name}")

    def fault(self, crowd, what):
        self.faults.append(f"{crowd.what}: {what}")
        say(self.faults[-1])
        errors = [line for line in crowd.httpd.logs().splitlines() if "error]" in line]
        for line in errors[:FEW_ERRORS]:
            say(f"  {line}")

    def waiting(self):
        """Returns the number of requests that wait in the backend, and the largest such number since the last call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.backend.http, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", "/waiting")
            return [int(word) for word in connection.getresponse().read().split()]


def prepare(chosen):
    """Makes room for all clients, before anything is started."""
    clients = RATE_CLIENTS
    if {"crowd", "memory"} & set(chosen.parts):
        clients = max(clients, chosen.clients)
    make_room(clients)


def run(chosen, backend, directory, printer):
    if chosen.mpm != "event":
        raise Trouble("--parked is about the event MPM")
    bench = Bench(chosen, backend, directory, printer)
    bench.certificates = make_certificates(directory)
    for part, measured in [("rate", rate), ("crowd", crowd), ("cpu", cpu), ("memory", memory)]:
        if part in chosen.parts:
            measured(bench)
    if bench.faults:
        raise Trouble("; ".join(bench.faults))


HEAD = ["", "threads", "clients", "requests/s", "p50 ms", "p99 ms", "waiting at once", "reconnects",
        "static p50 ms", "static p99 ms", "memory MB"]


def under_crowd(bench, httpd, clients, wait, seconds, tls=False):
    """Has each client send one request after the other, each of which takes `wait` seconds, and requests a static
    file meanwhile. Returns a row of the table, and the requests per second."""
    millis = int(wait * 1000)
    times = {"time": millis + seconds * 1000, "warm": millis}
    bench.waiting()
    with Crowd(httpd, f"/b/wait-{millis}/{{}}", tls, clients=clients, ramp=millis, **times) as load, \
            Crowd(httpd, "/static.txt", is_nice=True, answer="static", pause=PAUSE_MS, **times) as static:
        # In the middle of what is measured.
        time.sleep(wait + seconds / 2)
        used = httpd.memory()
        figures, statics = load.figures(), static.figures()
    _, most = bench.waiting()
    bench.check(load, figures)
    bench.check(static, statics)
    row = [httpd.kind.name + (", TLS" if tls else ""), f"{httpd.kind.threads:,}", f"{clients:,}",
           f"{figures['rate']:,.1f}", f"{figures['p50']:,.1f}", f"{figures['p99']:,.1f}", f"{most:,}",
           f"{figures['reconnects']:,.0f}", f"{statics['p50']:,.2f}", f"{statics['p99']:,.2f}",
           f"{used.rss / 1e6:,.0f}"]
    say("  " + "  ".join(f"{name} {value}" for name, value in zip(HEAD[3:], row[3:])))
    return row, figures["rate"]


def rate(bench):
    """Requests per second: parked with few threads, beside a thread for each client, in turns."""
    many = [Kind(f"{label(s)}, a thread each", s, RATE_CLIENTS, RATE_CLIENTS) for s in bench.stock]
    parked = [Kind(f"{label(s)}, parked", s, FEW_THREADS, RATE_CLIENTS, True) for s in bench.parking]
    rows, rates = [], {}
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(bench.boot(kind)) for kind in many + parked]
        for number in range(RATE_ROUNDS):
            turn = number % max(1, len(servers))
            for server in servers[turn:] + servers[:turn]:
                row, per_second = under_crowd(bench, server, RATE_CLIENTS, RATE_WAIT, RATE_SECONDS)
                rows.append(row)
                rates.setdefault(server.kind, []).append(per_second)
    for server in bench.ours + bench.stock:
        with bench.boot(Kind(f"{label(server)}, blocking", server, FEW_THREADS, BLOCKED_CLIENTS)) as httpd:
            rows.append(under_crowd(bench, httpd, BLOCKED_CLIENTS, RATE_WAIT, RATE_SECONDS)[0])
    bench.printer.table(f"Requests of {RATE_WAIT:g} s", HEAD, sorted(rows, key=lambda row: row[0]))
    ratios = [[f"{kind.name} / {base.name}", spread([a / b for a, b in zip(rates[kind], rates[base])])]
              for kind in parked for base in many]
    if ratios:
        bench.printer.table("Requests per second, as a ratio (lowest–highest)", ["", "ratio"], ratios)


def crowd(bench):
    """As many requests at once in one child as --clients says."""
    rows = []
    clients = bench.chosen.clients
    kinds = [Kind(f"{label(s)}, parked", s, FEW_THREADS, clients, True) for s in bench.parking]
    kinds += [Kind(f"{label(s)}, a thread each", s, clients, clients) for s in bench.stock]
    for kind in kinds:
        with where_possible(kind), bench.boot(kind) as httpd:
            for tls in [False, True]:
                rows.append(under_crowd(bench, httpd, clients, CROWD_WAIT, CROWD_SECONDS, tls)[0])
    bench.printer.table(f"Requests of {CROWD_WAIT:g} s", HEAD, rows)


def cpu(bench):
    """The CPU time of httpd's child for a request that is parked once at most, in turns."""
    threads = bench.chosen.threads
    kinds = [Kind(f"{label(s)}, blocking", s, threads, threads) for s in bench.ours]
    kinds += [Kind(f"{label(s)}, parked", s, threads, threads, True) for s in bench.parking]
    kinds += [Kind(label(s), s, threads, threads) for s in bench.stock]
    if not kinds:
        return
    runs = {}
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(bench.boot(kind)) for kind in kinds]
        for number in range(bench.chosen.rounds):
            for wait, requests in CPU_REQUESTS.items():
                turn = number % len(servers)
                for server in servers[turn:] + servers[:turn]:
                    runs.setdefault((wait, server.kind), []).append(cost(bench, server, wait, requests))
            say(f"round {number + 1} of {bench.chosen.rounds}: CPU")
    base = kinds[0]
    for wait in CPU_REQUESTS:
        rows = []
        for kind in kinds:
            these, those = runs[wait, kind], runs[wait, base]
            more = [a.cpu_us - b.cpu_us for a, b in zip(these, those)]
            rows.append([kind.name,
                         f"{statistics.median(run.per_second for run in these):,.0f}",
                         f"{statistics.median(run.cpu_us for run in these):,.1f}",
                         f"{statistics.median(run.switches for run in these):.2f}",
                         f"{statistics.median(more):+,.1f} ({min(more):+,.1f}–{max(more):+,.1f})",
                         spread([a.cpu_us / b.cpu_us for a, b in zip(these, those)])])
        bench.printer.table(
            f"Requests of {wait} ms, {CPU_CLIENTS} clients, {threads} threads",
            ["", "requests/s", "CPU µs/request", "switches/request", f"µs more than {base.name}",
             "CPU to it (lowest–highest)"], rows)


def cost(bench, httpd, wait, requests):
    def ask(number):
        with Crowd(httpd, f"/b/wait-{wait}/{{}}", clients=CPU_CLIENTS, requests=number) as load:
            figures = load.figures()
        bench.check(load, figures)
        return figures

    ask(requests // 20)
    before = measure.used(httpd)
    figures = ask(requests)
    # The client has the response before the thread that served it has finished.
    time.sleep(0.1)
    after = measure.used(httpd)
    return measure.Run(figures["rate"], (after[0] - before[0]) / 1000 / requests,
                       (after[1] - before[1]) / requests)


def memory(bench):
    """The child's memory for a request that waits, above that for an idle connection."""
    most = bench.chosen.clients
    numbers = [most // 4, most // 2, most]
    rows, growth = [], []
    variants = [(s, bench.chosen.threads, True) for s in bench.parking] + [(s, None, False) for s in bench.stock]
    for server, threads, parks in variants:
        for tls in [False, True]:
            title = f"{label(server)}, {'parked' if parks else 'a thread each'}{', TLS' if tls else ''}"
            found = {}
            for number in numbers:
                kind = Kind(title, server, threads or number, number, parks)
                with where_possible(kind):
                    measured, reconnects = memory_of(bench, kind, number, tls)
                    start, idle, waiting, _ = measured
                    per = waiting.per(idle, number)
                    of_waiting = ["", ""]
                    if not reconnects:
                        found[number] = measured
                        of_waiting = [f"{per.rss:,.0f}", f"{per.pss:,.0f}"]
                    rows.append([title, f"{number:,}"] + [f"{m.rss / 1e6:,.1f}" for m in measured]
                                + [f"{idle.per(start, number).rss:,.0f}"] + of_waiting + [f"{reconnects:,.0f}"])
                    say("  " + "  ".join(f"{head} {value}" for head, value in zip(MEMORY_HEAD[1:], rows[-1][1:])))
            if numbers[0] in found and most in found:
                further = most - numbers[0]
                idle, waiting = (found[most][at].per(found[numbers[0]][at], further) for at in [1, 2])
                growth.append([title, f"{idle.rss:,.0f}", f"{waiting.rss:,.0f}",
                               f"{waiting.rss - idle.rss:,.0f}", f"{waiting.pss - idle.pss:,.0f}"])
    bench.printer.table("Memory of the child: requests that wait, above as many idle connections",
                        MEMORY_HEAD, rows)
    bench.printer.table(
        f"The growth from {numbers[0]:,} to {most:,}, for each of them; with its thread, where each has one",
        ["", "bytes/idle connection", "bytes/waiting request", "the difference", "of that, PSS"], growth)


MEMORY_HEAD = ["", "requests", "MB at start", "MB idle", "MB waiting", "MB idle again", "bytes/idle connection",
               "bytes/waiting request", "of that, PSS", "reconnects"]


def memory_of(bench, kind, number, tls):
    """Returns the child's memory at start, with idle connections, with a request that waits on each of them, and
    with idle connections again; and how many connections httpd has closed meanwhile. If it has closed some, the
    figures cannot be compared: then it tries again, a few times."""
    for _ in range(MEMORY_TRIES):
        with bench.boot(kind) as httpd:
            found, reconnects = memory_once(bench, httpd, number, tls)
        if not reconnects:
            break
        say(f"  {reconnects:,.0f} connections were closed")
    return found, reconnects


def memory_once(bench, httpd, number, tls):
    ramp = number / PER_SECOND
    wait = ramp + MEMORY_WAIT
    start = settled(httpd)
    with Crowd(httpd, f"/b/wait-{int(wait * 1000)}/{{}}", tls, clients=number, requests=number,
               ramp=int(ramp * 1000), open="/static.txt") as load:
        load.line()
        idle = settled(httpd)
        load.go_on()
        end = time.monotonic() + wait
        while bench.waiting()[0] < number and time.monotonic() < end:
            time.sleep(0.05)
        waiting = httpd.memory()
        if bench.waiting()[0] < number:
            bench.fault(load, f"the {number} requests did not all wait at the same time")
        figures = load.figures()
        after = settled(httpd)
    bench.check(load, figures)
    return (start, idle, waiting, after), figures["reconnects"]


def settled(httpd):
    time.sleep(0.5)
    return httpd.memory()


@contextlib.contextmanager
def where_possible(kind):
    """Leaves out an httpd of very many threads if it does not work on this machine."""
    try:
        yield
    except Trouble as trouble:
        if kind.threads <= RATE_CLIENTS:
            raise
        say(f"{kind.name}, {kind.threads} threads: left out: {trouble}")


def module(server):
    """The file of a server of --servers."""
    return pathlib.Path(server.partition("=")[2] or OURS)


def label(server):
    """Its name."""
    return server.partition("=")[0]


def say(text):
    print(text, file=sys.stderr, flush=True)
