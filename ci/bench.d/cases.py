"""The cases: what each server is sent, and how often."""

from dataclasses import dataclass


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

DEFAULT_CASES = [name for name in CASES if name != "get1mbig"]
