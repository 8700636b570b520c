"""Measures what one server uses for one case."""

import pathlib
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass

from servers import PEER, Trouble, wait_until

# Requests for each member and child, before those that are measured. Which of the members a child gets is chance; with so
# many requests, it gets 98 of 100.
WARMING = 4


@dataclass
class Run:
    per_second: float
    cpu_us: float
    switches: float


def ask(server, case, requests, connections, seconds=600):
    """Sends requests and checks each answer; returns their number and the seconds they took."""
    done = subprocess.run(
        [PEER, "load", f"127.0.0.1:{server.port}", case.path, "--expect", str(case.expect),
         "--body", str(case.body), "--requests", str(requests),
         "--connections", str(connections), "--seconds", str(seconds)],
        capture_output=True, text=True)
    if done.returncode:
        raise Trouble(f"{server.name}, {case.title}: {done.stderr.strip()} {server.logs()}")
    count, took = done.stdout.split()
    return int(count), float(took)


def used(server):
    """Returns the CPU time in nanoseconds and the context switches of all threads so far."""
    nanoseconds = switches = 0
    for pid in server.serving():
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            try:
                nanoseconds += int((task / "schedstat").read_text().split()[0])
                status = (task / "status").read_text()
            except FileNotFoundError:
                continue
            switches += sum(map(int, re.findall(r"ctxt_switches:\s*(\d+)", status)))
    return nanoseconds, switches


def warm(server, case, chosen):
    """Has each process of an httpd with a balancer open its connections to the members, however few requests a run has."""
    children = chosen.threads if chosen.mpm == "prefork" else 1
    # Only with as many connections as there are children, each of these serves one.
    ask(server, case, WARMING * case.asked * children, max(children, chosen.connections))


def under_load(server, case, chosen):
    requests = chosen.requests or case.load
    ask(server, case, max(requests // 20, 2 * chosen.connections, 2 * case.asked), chosen.connections)
    before = used(server)
    count, took = ask(server, case, requests, chosen.connections, chosen.seconds)
    after = used(server)
    return Run(count / took, (after[0] - before[0]) / 1000 / count, (after[1] - before[1]) / count)


def system_calls(server, case, chosen):
    """Returns how often each system call is made per request."""
    requests = chosen.requests or case.strace
    connections = min(4, chosen.connections)
    ask(server, case, max(8 * connections, 2 * case.asked), connections)
    pids = server.serving()
    summary = server.directory / "strace.summary"
    log = server.directory / "strace.log"
    with open(log, "wb") as output:
        strace = subprocess.Popen(
            ["strace", "-c", "-f", "-o", summary] + [f"--attach={pid}" for pid in pids],
            stdin=subprocess.DEVNULL, stderr=output, start_new_session=True)
    try:
        def is_attached():
            if strace.poll() is not None:
                raise Trouble(f"strace: {log.read_text()}")
            return log.read_text().count(" attached") >= len(pids)
        wait_until("strace is attached", 20, is_attached)
        ask(server, case, requests, connections)
    finally:
        # This signal ends strace, which then prints what it has counted.
        strace.send_signal(signal.SIGINT)
        strace.wait(20)
    calls = {}
    for line in summary.read_text().splitlines():
        words = line.split()
        if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
            calls[words[-1]] = int(words[3]) / requests
    return calls


def instructions(server, case, chosen):
    """Returns the instructions per request: the difference that N more requests make, so that everything else cancels out."""
    requests = chosen.requests or case.callgrind
    ask(server, case, max(requests // 4, 8, 2 * case.asked), 1)
    counts = []
    for number, times in enumerate([0, 1, 2]):
        if times:
            ask(server, case, times * requests, 1)
        counts.append(dump(server, f"{case.name}.{number}", chosen))
    return (counts[2] - counts[1]) / requests


def dump(server, name, chosen):
    """Makes callgrind write what it has counted since the last call; returns the sum."""
    # The client has the response before the thread that served it has finished.
    time.sleep(0.3)
    before = set(server.scratch.iterdir())
    done = subprocess.run(["vgdb", f"--vgdb-prefix={server.directory}/vgdb", f"--pid={server.process.pid}",
                           "dump", name], capture_output=True, text=True, timeout=120,
                          **server.user())
    found = wait_until("callgrind writes its file", 30,
                       lambda: set(server.scratch.iterdir()) - before or done.returncode)
    if done.returncode:
        raise Trouble(f"vgdb: {done.stdout} {done.stderr}")
    file = found.pop()
    total = wait_until("callgrind has written its file", 30, lambda: re.search(
        r"^(?:totals|summary): (\d+)", file.read_text(errors="replace"), re.MULTILINE))
    if chosen.keep:
        keep = pathlib.Path(chosen.keep)
        keep.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, keep / f"callgrind.{server.name}.{name}")
    return int(total.group(1))
