"""links.py DIRECTORY: checks the links of the pages in DIRECTORY: to files, and to places in them. What is on other
servers is counted, not fetched."""

import pathlib
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The places of a page that a link can name, and its own links with their lines."""

    def __init__(self, text):
        super().__init__()
        self.places, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (name == "name" and tag == "a"):
                self.places.add(value)
            elif name in ("href", "src") and value:
                self.links.append((self.getpos()[0], value))


def main(root):
    pages = {file: Page(file.read_text()) for file in sorted(root.rglob("*.html"))}
    if not pages:
        sys.exit(f"there is no page in {root}")
    dead, local, others = [], 0, 0
    for file, page in pages.items():
        for line, link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                others += 1
                continue
            local += 1
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.is_relative_to(root) or not target.is_file():
                dead.append(f"{file.relative_to(root)}:{line}: {link}: there is no such file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places:
                dead.append(f"{file.relative_to(root)}:{line}: {link}: there is no such place in the page")
    print(f"{len(pages)} pages, {local} links, {others} more to other servers")
    if dead:
        sys.exit("\n".join(dead))


main(pathlib.Path(sys.argv[1]).resolve())
