"""Through how much code each request runs: ci/bench --footprint.

The processor loads code in lines of 64 bytes, and its first cache has room for 512 of them. Between two requests of a
thread, other work has used that cache: so the lines of a request are loaded anew, and their number is a part of what
the request costs, beside its instructions.

Counted are the lines that ran in at least 90 of 100 requests, under the prefork MPM, from one client that keeps its
connection, after all members have been used.
"""

import collections
import copy
import pathlib
import re
import subprocess
import sys

import measure
from cases import CASES, by_members, matching
from servers import OURS, Httpd, Trouble, ajp_modules, wait_until

DEFAULT_CASES = ["get128*", "post1k*"]
LINE = 64
REQUESTS, OFTEN = 100, 90
# The least number of requests before those that are counted.
WARMING = 20
# A request begins, and what was counted for the one before is written.
BEGIN = "ap_read_request"
# How many functions of a module are printed.
FUNCTIONS = 40
NAME = 90
# Both modules are loaded from a file of this name.
MODULE = "mod_proxy_ajp.so"


class Counted(Httpd):
    """An httpd of one process, with a backend or with a balancer of so many members."""

    def __init__(self, server, backend, directory, chosen, members):
        chosen = copy.copy(chosen)
        chosen.mpm = "prefork"
        super().__init__(server, backend, None, directory, chosen, valgrind=True, members=members)
        self.directory = self.directory.with_name(f"{self.directory.name}.footprint")
        self.callgrind = [
            "--instr-atstart=no", "--dump-instr=yes", "--dump-line=no", "--compress-strings=no",
            "--compress-pos=no", f"--dump-before={BEGIN}"]

    def sizes(self):
        yield "ServerLimit 1"
        yield "StartServers 1"
        yield "MaxRequestWorkers 1"

    def _ajp(self, modules):
        lines = list(super()._ajp(modules))
        # Another thread would be counted with the requests.
        if self.name != "stock" and b"ProxyAjpMaintain" in pathlib.Path(self.file or OURS).read_bytes():
            lines.insert(2, "ProxyAjpMaintain 0")
        return lines


class Footprint:
    """What the counted requests ran through: lines and instructions by library, and by function of it."""

    def __init__(self, files):
        seen = collections.defaultdict(collections.Counter)
        cost = collections.Counter()
        for file in files:
            lines = collections.defaultdict(set)
            for library, function, address, count in executed(file):
                lines[library, None].add(address // LINE)
                lines[library, function].add(address // LINE)
                cost[library, None] += count
                cost[library, function] += count
            for key, of_it in lines.items():
                seen[key].update(of_it)
        enough = OFTEN * len(files) // REQUESTS
        self.lines = {key: sum(times >= enough for times in count.values()) for key, count in seen.items()}
        self.instructions = {key: count / len(files) for key, count in cost.items()}

    def libraries(self):
        return sorted((key[0] for key in self.lines if key[1] is None),
                      key=lambda library: -self.instructions[library, None])

    def functions(self, library):
        """Those of a library that ran in every request, the largest first."""
        found = [key for key in self.lines if key[0] == library and key[1] and self.lines[key]]
        return sorted(found, key=lambda key: (-self.lines[key], key[1]))

    def all_instructions(self):
        return sum(self.instructions[library, None] for library in self.libraries())


def executed(file):
    """What one file of callgrind's says that ran: library, function, address of an instruction, how often."""
    library = function = None
    is_call = False
    with open(file, errors="replace") as text:
        for line in text:
            if line.startswith("0x"):
                # The line after `calls=` has the cost of what was called, which has lines of its own.
                if is_call:
                    is_call = False
                    continue
                address, count = line.split()[:2]
                yield library, function, int(address, 16), int(count)
            elif line.startswith("ob="):
                library = pathlib.Path(line[3:].strip()).name
            elif line.startswith("fn="):
                # callgrind marks recursion with 'N.
                function = re.sub(r"'\d+$", "", line[3:].strip())
            elif line.startswith("calls="):
                is_call = True


def measured(server, case):
    """Sends requests, and reads what callgrind has written for each of them."""
    measure.ask(server, case, max(2 * case.members, WARMING), 1)
    before = set(server.scratch.iterdir())
    monitor(server, "instrumentation on")
    # The first has the connection's own work; the last is cut off by no further one.
    measure.ask(server, case, REQUESTS + 2, 1)
    monitor(server, "instrumentation off")

    def written():
        files = sorted(set(server.scratch.iterdir()) - before, key=lambda file: int(file.suffix[1:]))
        return files if len(files) >= REQUESTS + 2 else None
    files = wait_until(f"callgrind writes a file for each of {REQUESTS} requests", 60, written)
    footprint = Footprint(files[2:REQUESTS + 2])
    for file in files:
        file.unlink()
    return footprint


def monitor(server, command):
    done = subprocess.run(["vgdb", f"--vgdb-prefix={server.directory}/vgdb", f"--pid={server.process.pid}",
                           *command.split()], capture_output=True, text=True, timeout=120, **server.user())
    if done.returncode:
        raise Trouble(f"vgdb: {done.stdout} {done.stderr}")


def compiler(module):
    """The compilers that a library names, as they wrote it."""
    done = subprocess.run(["readelf", "-p", ".comment", module], capture_output=True, text=True, check=True)
    return ", ".join(sorted(set(re.findall(r"\]\s+(.*)", done.stdout))))


def run(chosen, backend, directory, printer):
    cases = [CASES[name] for name in chosen.cases or matching(DEFAULT_CASES)]
    found, compilers = {}, {}
    for server in ajp_modules(chosen.servers):
        for members, those in by_members(cases).items():
            print(f"{server} under callgrind, members: {members}", file=sys.stderr, flush=True)
            with Counted(server, backend, directory, chosen, members) as httpd:
                compilers[httpd.name] = compiler(httpd.directory / MODULE)
                for case in those:
                    title = case.title if members else f"{case.title}, one backend"
                    found[title, httpd.name] = measured(httpd, case)
    for name, text in compilers.items():
        what = "a release build" if name == "ours" else "as it was given"
        print(f"{name}: {text}; {what}")
    summary(found, printer)
    for (title, name), footprint in found.items():
        details(f"{title}, {name}", footprint, printer)


def summary(found, printer):
    rows = []
    for title in dict.fromkeys(title for title, _ in found):
        for (of, name), footprint in found.items():
            if of != title:
                continue
            base = found.get((title, printer.base))
            all_of_it = footprint.all_instructions()
            rows.append([
                title, name,
                f"{footprint.lines.get((MODULE, None), 0):,}",
                f"{len(footprint.functions(MODULE)):,}",
                f"{footprint.instructions.get((MODULE, None), 0):,.0f}",
                f"{all_of_it:,.0f}",
                f"{all_of_it / base.all_instructions():.3f}" if base else "",
            ])
    printer.table("Code of the module in every request, and instructions",
                  ["", "", "lines", "functions", "the module's instructions", "all", f"to {printer.base}"], rows)


def details(title, footprint, printer):
    def row(name, key):
        return [name, f"{footprint.lines[key]:,}", f"{footprint.instructions[key]:,.0f}"]
    head = ["", "lines", "instructions"]
    printer.table(f"{title}: by library", head,
                  [row(library, (library, None)) for library in footprint.libraries()])
    printer.table(f"{title}: functions of the module", head,
                  [row(short(key[1]), key) for key in footprint.functions(MODULE)[:FUNCTIONS]])


def short(function):
    """A name without the crate and the hash, and without what makes it long."""
    name = re.sub(r"::h[0-9a-f]{16}$", "", function)
    name = re.sub(r"\bmod_proxy_ajp_rs::", "", name)
    return name if len(name) <= NAME else f"{name[:NAME // 2]}…{name[-NAME // 2 + 1:]}"
