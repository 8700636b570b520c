"""The cases: what each server is sent, and how often."""

import fnmatch
from dataclasses import dataclass, replace


# How many members a balancer has.
MEMBERS = [1, 20, 200]


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    path: str
    # Size of the request body; 0 is a GET.
    body: int
    # Size of the response body.
    expect: int
    # Requests per run: under load, under strace, under callgrind.
    load: int
    strace: int
    callgrind: int
    # Of the balancer in front of the backend; 0 is none.
    members: int = 0
    # How many of them answer.
    asked: int = 0


def get(name, title, size, *counts, at="/b"):
    return Case(name, f"GET {title}", f"{at}/{size}", 0, size, *counts)


def post(name, title, size, *counts, at="/b"):
    return Case(name, f"POST {title}", f"{at}/post", size, 128, *counts)


# Below /big the backend accepts and sends packets of 64 kB, and the proxies are configured for it.
CASES = {case.name: case for case in [
    get("get128", "128 B", 128, 20000, 2000, 400),
    get("get8k", "8 kB", 8192, 20000, 2000, 400),
    get("get64k", "64 kB", 65536, 8000, 1000, 200),
    get("get1m", "1 MB", 1 << 20, 2000, 200, 40),
    get("get16m", "16 MB", 1 << 24, 128, 16, 4),
    get("get1mbig", "1 MB in packets of 64 kB", 1 << 20, 2000, 200, 40, at="/big"),
    post("post1k", "1 kB", 1024, 20000, 2000, 400),
    post("post64k", "64 kB", 65536, 6000, 1000, 200),
    post("post1m", "1 MB", 1 << 20, 800, 100, 40),
    post("post1mbig", "1 MB in packets of 64 kB", 1 << 20, 800, 100, 40, at="/big"),
]}

ONE_BACKEND = list(CASES)
DEFAULT_CASES = [name for name in ONE_BACKEND if name != "get1mbig"]


def through_balancers(case):
    """The same through each balancer: without a session, and with one of the last member."""
    path = case.path.replace("/b/", "/m/", 1)
    for members in MEMBERS:
        many = f"{members} member{'s' if members > 1 else ''}"
        yield replace(case, name=f"{case.name}balanced{members}", title=f"{case.title}, {many}", path=path,
                      members=members, asked=members)
        yield replace(case, name=f"{case.name}session{members}", title=f"{case.title}, {many}, a session",
                      path=f"{path}?bench=x.r{members}", members=members, asked=1)


CASES |= {case.name: case for name in ONE_BACKEND if not name.endswith("big") for case in through_balancers(CASES[name])}


def matching(patterns):
    """The names of the cases that match one of the patterns of a shell, in the order of the patterns."""
    return list(dict.fromkeys(name for pattern in patterns for name in fnmatch.filter(CASES, pattern)))


def by_members(cases):
    """The cases by the balancer that they need."""
    return {members: [case for case in cases if case.members == members]
            for members in dict.fromkeys(case.members for case in cases)}
