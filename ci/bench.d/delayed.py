"""Uploads to a backend behind a delayed path: ci/bench --delayed.

The path is netem's where the kernel has it and this user may use it, else a relay (benches/peer/relay.rs)."""

import contextlib
import os
import pathlib
import random
import statistics
import subprocess
import sys

import measure
from cases import CASES as ALL_CASES
from servers import PEER, Backend, Httpd, Trouble

CASES = ["post64k", "post1m"]
# The requests before those that are measured, the first one included.
WARMING = 10
# What is measured in a round: so many requests, or those of so many seconds.
REQUESTS, SECONDS = 50, 8
# Packets under way, so that none is lost.
NETEM_LIMIT = 100000


def run(chosen, backend, directory, printer):
    cases = [ALL_CASES[name] for name in chosen.cases or CASES]
    if any(case.members for case in cases):
        say("cases with members: not with --delayed")
        cases = [case for case in cases if not case.members]
    # Its test handler knows only backends at 127.0.0.1.
    servers = [server for server in chosen.servers if server != "limit"]
    if servers != chosen.servers:
        say("limit: not with --delayed")
    for milliseconds in chosen.delayed:
        with contextlib.ExitStack() as stack:
            far, kind = far_backend(stack, backend, milliseconds)
            say(f"{milliseconds:g} ms, {kind}")
            place = pathlib.Path(directory, f"delayed.{milliseconds:g}")
            results = measured(chosen, servers, cases, far, place)
        for case in cases:
            title = f"{case.title}, one client, a round trip of {milliseconds:g} ms to the backend ({kind})"
            printer.table(title, HEAD + printer.compared_head("speed"),
                          list(rows(servers, case, results, printer)))


def far_backend(stack, backend, milliseconds):
    """Returns a backend behind a delayed path, and the kind of the path."""
    try:
        return stack.enter_context(netem(milliseconds)), "netem"
    except NoNetem as reason:
        say(f"no netem here ({reason}): a relay")
    to = [f"{backend.host}:{port}" for port in [backend.ajp, backend.big_ajp, backend.http]]
    relay = (PEER, "relay", str(round(milliseconds * 1000)), *to)
    return stack.enter_context(Backend(relay)), "a relay"


def measured(chosen, servers, cases, backend, place):
    """Each server in every round, in a new httpd for each case: nothing is known of the backend then."""
    results = {}
    order = random.Random(chosen.seed)
    for number in range(chosen.rounds):
        here = place / str(number)
        for case in cases:
            for server in order.sample(servers, len(servers)):
                where = here / case.name
                where.mkdir(parents=True, exist_ok=True)
                with Httpd(server, backend, None, where, chosen) as httpd:
                    found = one(httpd, case, chosen)
                    httpd.check()
                results.setdefault((case.name, httpd.name), []).append(found)
        say(f"  round {number + 1} of {chosen.rounds}")
    return results


def one(httpd, case, chosen):
    """Returns the seconds of the first request, and of each of the later ones."""
    _, first = measure.ask(httpd, case, 1, 1)
    measure.ask(httpd, case, WARMING - 1, 1)
    count, took = measure.ask(httpd, case, chosen.requests or REQUESTS, 1, SECONDS)
    return first, took / count


HEAD = ["", "MB/s", "ms/request", "the first request: MB/s", "ms"]


def rows(servers, case, results, printer):
    size = max(case.body, case.expect) / 1e6
    for server in servers:
        name = server.partition("=")[0]
        runs, base = results[case.name, name], results.get((case.name, printer.base), [])
        first, later = (statistics.median(run[at] for run in runs) for at in [0, 1])
        yield [name, f"{size / later:,.2f}", f"{later * 1e3:,.1f}", f"{size / first:,.2f}",
               f"{first * 1e3:,.1f}",
               *printer.compared(name, [1 / run[1] for run in runs], [1 / run[1] for run in base])]


class NoNetem(Exception):
    """The kernel has no netem, or this user may not use it."""


@contextlib.contextmanager
def netem(milliseconds):
    """A backend in a network namespace of its own, behind a pair of interfaces that delay."""
    name = f"bench{os.getpid()}"
    near, far = "198.18.215.1", "198.18.215.2"
    inside = ["ip", "netns", "exec", name]
    interfaces = [([], f"{name}a", near), (inside, f"{name}b", far)]
    try:
        tool(["ip", "netns", "add", name])
        tool(["ip", "link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name])
        for prefix, interface, address in interfaces:
            tool(prefix + ["tc", "qdisc", "add", "dev", interface, "root", "netem", "limit", str(NETEM_LIMIT),
                           "delay", f"{round(milliseconds * 500)}us"])
            tool(prefix + ["ip", "address", "add", f"{address}/30", "dev", interface])
            tool(prefix + ["ip", "link", "set", interface, "up"])
        with Backend((*inside, PEER, "backend", far), far) as backend:
            yield backend
    finally:
        # The pair goes with the namespace.
        with contextlib.suppress(NoNetem):
            tool(["ip", "netns", "delete", name])


def tool(command):
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except OSError as error:
        raise NoNetem(str(error)) from None
    except subprocess.CalledProcessError as error:
        raise NoNetem(error.stderr.strip()) from None


def say(text):
    print(text, file=sys.stderr, flush=True)
