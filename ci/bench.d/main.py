"""The driver of ci/bench: starts all servers, measures, prints the results, stops the servers."""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile

import delayed
import footprint
import measure
import parked
import report
import scale
from cases import CASES, DEFAULT_CASES, MEMBERS, ONE_BACKEND, by_members, matching
from servers import Backend, Httpd, Trouble, ajp_modules, compile_limit, httpd_version, raise_open_files

SERVERS = ["stock", "jk", "http", "ours", "limit"]
PARTS = list(dict.fromkeys(scale.PARTS + parked.PARTS))


def names(text):
    return [name for name in text.split(",") if name]


def options():
    parser = argparse.ArgumentParser(
        prog="ci/bench",
        description="Measures httpd's proxies side by side. Without any of --load, --delayed, --strace, "
        "--instructions, --footprint, --scale and --parked, it runs --load.",
    )
    parser.add_argument("--load", action="store_true",
                        help="CPU time, context switches and requests per second under load")
    parser.add_argument("--delayed", type=times, metavar="MS,MS",
                        help="throughput of one client, with round trips of so many milliseconds to the backend; "
                        f"default of --cases: {', '.join(delayed.CASES)}")
    parser.add_argument("--strace", action="store_true", help="system calls per request, by name")
    parser.add_argument("--instructions", action="store_true",
                        help="instructions per request in user space, counted by callgrind")
    parser.add_argument("--footprint", action="store_true",
                        help="how many lines of code (64 bytes) each request runs through, by library and by "
                        "function, with one backend and with balancers; for servers that are AJP modules of "
                        f"mod_proxy; default of --cases: {', '.join(footprint.DEFAULT_CASES)}")
    parser.add_argument("--scale", action="store_true",
                        help="the cost of many idle connections, busy threads, workers and balancer "
                        "members; for servers that are AJP modules of mod_proxy")
    parser.add_argument("--parked", action="store_true",
                        help="requests that wait for their backend, with a thread each and without (ProxyAjpParking): "
                        "requests per second, latency of a static file meanwhile, CPU time, memory; for servers "
                        "that are AJP modules of mod_proxy")
    parser.add_argument("--parts", type=names, default=PARTS, metavar="A,B",
                        help=f"parts of --scale ({', '.join(scale.PARTS)}) and of --parked "
                        f"({', '.join(parked.PARTS)}); default: all")
    parser.add_argument("--clients", type=int, default=4000,
                        help="clients of the parts crowd and memory of --parked, at least 8; "
                        "default: %(default)s")
    parser.add_argument("--servers", type=names, default=SERVERS, metavar="A,B",
                        help=f"default: {', '.join(SERVERS)}; NAME=FILE is another build of an AJP module")
    parser.add_argument("--cases", type=names, metavar="A,B",
                        help=f"some of {', '.join(ONE_BACKEND)}; default: {', '.join(DEFAULT_CASES)}. For servers that "
                        "are AJP modules of mod_proxy also NAMEbalancedN and NAMEsessionN, through a balancer of N members "
                        f"({', '.join(map(str, MEMBERS))}), without a session and with one of the last member. A name "
                        "may be a pattern: 'get128*'")
    parser.add_argument("--base", default="stock", help="the server to which ratios are given; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of --load, of --delayed and of the part cpu of --parked; default: %(default)s")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6),
                        help="of the order of the servers within each round of --load and --delayed, as an earlier run "
                        "has printed it; default: another one each time")
    parser.add_argument("--requests", type=int, help="requests per run, instead of each case's own number")
    parser.add_argument("--seconds", type=int, default=20,
                        help="after this, a run of --load starts no further request; default: %(default)s")
    parser.add_argument("--connections", type=int, default=16,
                        help="connections of --load, at most half the threads; default: %(default)s")
    parser.add_argument("--mpm", choices=["event", "worker", "prefork"], default="event")
    parser.add_argument("--threads", type=int, default=64,
                        help="threads of the single child; with prefork, children; default: %(default)s")
    parser.add_argument("--markdown", action="store_true", help="print tables in Markdown")
    parser.add_argument("--keep", metavar="DIRECTORY",
                        help="copy callgrind's files to this directory; use those that end in .2 with "
                        "callgrind_annotate --threshold=100 --auto=no")
    chosen = parser.parse_args()
    for pattern in chosen.cases or []:
        if not matching([pattern]):
            parser.error(f"there is no case {pattern}")
    chosen.cases = matching(chosen.cases or [])
    for server in chosen.servers:
        if "=" not in server and server not in SERVERS:
            parser.error(f"there is no server {server}")
    for part in chosen.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part}")
    chosen.clients = max(8, chosen.clients)
    # With too few threads, the event MPM closes idle client connections, and the other MPMs make clients wait.
    chosen.connections = max(1, min(chosen.connections, chosen.threads // 2))
    if not (chosen.load or chosen.delayed or chosen.strace or chosen.instructions or chosen.footprint
            or chosen.scale or chosen.parked):
        chosen.load = True
    return chosen


def times(text):
    return [float(name) for name in names(text)]


def say(text):
    print(text, file=sys.stderr, flush=True)


def load(chosen, cases, servers):
    """Runs each case in every round on each server that has the balancer which the case needs."""
    results = {}
    order = random.Random(chosen.seed)
    for number in range(chosen.rounds):
        for case in cases:
            # Whatever comes and goes on the machine, or follows a server's run, meets none of them more than others.
            for server in order.sample(servers[case.members], len(servers[case.members])):
                run = measure.under_load(server, case, chosen)
                results.setdefault((case.name, server.name), []).append(run)
            say(f"round {number + 1} of {chosen.rounds}: {case.title}")
    return results


def able(servers, members):
    """The servers that can have a balancer of so many members."""
    return ajp_modules(servers) if members else servers


def make_room(chosen, cases):
    """Lets the backend have a connection to each member of each process or connection at once, of all httpds."""
    def files(times):
        asked = sum(max(case.asked for case in those) for those in by_members(cases).values())
        return times * len(ajp_modules(chosen.servers)) * asked + 1000
    times = chosen.threads if chosen.mpm == "prefork" else chosen.connections
    option = "--threads" if chosen.mpm == "prefork" else "--connections"
    raise_open_files(files(times), f"these cases with {option} {times}",
                     lambda most: f"{option} {(most - 1000) // max(1, files(1) - 1000)}, or fewer cases")


def run(chosen, directory, stack):
    cases = [CASES[name] for name in chosen.cases or DEFAULT_CASES]
    if chosen.parked:
        parked.prepare(chosen)
    if chosen.load or chosen.strace:
        make_room(chosen, cases)
    backend = stack.enter_context(Backend())
    limit = compile_limit(directory) if "limit" in chosen.servers else None

    def httpd(server, **how):
        return Httpd(server, backend, limit, directory, chosen, **how)

    printer = report.Printer(chosen)
    printer.setting(httpd_version(), chosen)
    server_names = [server.partition("=")[0] for server in chosen.servers]
    without = [server for server in chosen.servers if server not in ajp_modules(chosen.servers)]
    if without and any(case.members for case in cases):
        print(f"no balancer: {', '.join(without)}; left out where a case has members")
    if chosen.load or chosen.strace:
        with contextlib.ExitStack() as running:
            servers = {}
            for members, those in by_members(cases).items():
                servers[members] = [running.enter_context(httpd(server, members=members))
                                    for server in able(chosen.servers, members)]
                for server in servers[members]:
                    server.check()
                    for case in those if members else []:
                        measure.warm(server, case, chosen)
            if chosen.load:
                printer.load(cases, server_names, load(chosen, cases, servers))
            if chosen.strace:
                for case in cases:
                    calls = {s.name: measure.system_calls(s, case, chosen) for s in servers[case.members]}
                    printer.system_calls(case, calls)
    if chosen.delayed:
        delayed.run(chosen, backend, directory, printer)
    if chosen.instructions:
        counts = {}
        for members, those in by_members(cases).items():
            for name in able(chosen.servers, members):
                with httpd(name, valgrind=True, members=members) as server:
                    say(f"{server.name} under callgrind, members: {members}")
                    server.check()
                    for case in those:
                        counts[case.name, server.name] = measure.instructions(server, case, chosen)
        printer.instructions(cases, server_names, counts)
    if chosen.footprint:
        footprint.run(chosen, backend, directory, printer)
    if chosen.scale:
        scale.run(chosen, backend, directory, printer)
    if chosen.parked:
        parked.run(chosen, backend, directory, printer)


def main():
    chosen = options()
    # A shell ignores SIGINT for a command in the background; handle it there, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    with tempfile.TemporaryDirectory(prefix="bench.") as directory:
        # httpd's child may run as another user, and must be able to read its files.
        os.umask(0o022)
        os.chmod(directory, 0o755)
        try:
            with contextlib.ExitStack() as stack:
                run(chosen, directory, stack)
        except Trouble as trouble:
            say(f"ci/bench: {trouble}")
            return 1
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
