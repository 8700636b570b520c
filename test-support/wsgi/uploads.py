"""uploads.py PORT: an application behind flup's AJP server. It reads the body up to `read` bytes (all of it by default) in
pieces of `piece` bytes, and answers with the length and the SHA-256 of what it has read. /echo answers with the query."""

import hashlib
import logging
import sys
from urllib.parse import parse_qs

from flup.server.ajp import WSGIServer


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    query = environ.get("QUERY_STRING", "")
    if environ["REQUEST_METHOD"] == "GET":
        return [f"query={query}\n".encode()]
    wanted = {name: int(values[0]) for name, values in parse_qs(query).items()}
    left = wanted.get("read", 1 << 62)
    body, digest, length = environ["wsgi.input"], hashlib.sha256(), 0
    while left > 0 and (piece := body.read(min(left, wanted.get("piece", 16384)))):
        digest.update(piece)
        length += len(piece)
        left -= len(piece)
    return [f"length={length}\nsha256={digest.hexdigest()}\n".encode()]


if __name__ == "__main__":
    WSGIServer(application, bindAddress=("127.0.0.1", int(sys.argv[1])), loggingLevel=logging.WARNING).run()
