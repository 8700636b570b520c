"""Puts the Markdown files of the project into a directory from which mdBook makes pages.

site.py ROOT DIRECTORY: writes DIRECTORY/book.toml and DIRECTORY/src. The files keep their places, so that their links
stay as they are.
"""

import pathlib
import re
import shutil
import subprocess
import sys

# Every page, in the order of the menu. A document that is not here is an error.
MENU = [
    ("Start", ["README.md", "docs/installing.md", "docs/rhel.md", "docs/upgrading.md", "docs/compatibility.md",
               "CHANGELOG.md"]),
    ("From another module", ["docs/improvements.md", "docs/differences.md", "docs/migrating.md"]),
    ("Configuration", ["docs/reference.md", "docs/balancing.md", "docs/sizing.md", "docs/security.md",
                       "docs/parking.md", "docs/uploads.md", "docs/reverse.md", "tomcat-connector/README.md",
                       "docs/ajp-dialer.md", "httpd-conf/README.md"]),
    ("Operation", ["docs/operations.md", "docs/troubleshooting.md", "docs/faq.md", "docs/performance.md"]),
    ("Development", ["docs/architecture.md", "docs/reliability.md", "CONTRIBUTING.md", "SECURITY.md"]),
]
# Markdown for readers of the sources alone.
NO_PAGES = ["tests/", "test-support/", "fuzz/"]

BOOK = """\
[book]
title = "mod_proxy_ajp_rs"
description = "An Apache httpd module that connects httpd to Tomcat by AJP"
language = "en"
src = "src"

[output.html]
smart-punctuation = false
default-theme = "light"
preferred-dark-theme = "navy"
additional-css = ["site.css"]
additional-js = ["tables.js"]
input-404 = ""
no-section-label = true

[output.html.print]
enable = false

[output.html.search]
limit-results = 30
# A number of the log, a parameter or a directive is found by its beginning.
expand = true
heading-split-level = 3
"""


def main(root, directory):
    listed = [page for _, pages in MENU for page in pages]
    unlisted = [page for page in documents(root) if page not in listed]
    if unlisted:
        sys.exit(f"ci/docs.d/site.py has no place in the menu for {', '.join(unlisted)}")
    shutil.rmtree(directory, ignore_errors=True)
    source = directory / "src"
    source.mkdir(parents=True)
    (directory / "book.toml").write_text(BOOK)
    for name in ("site.css", "tables.js"):
        shutil.copy(pathlib.Path(__file__).with_name(name), directory / name)
    menu = []
    for part, pages in MENU:
        menu.append(f"\n# {part}\n")
        for page in pages:
            if (root / page).exists():
                text = (root / page).read_text()
                write(source / served_as(page), with_links_to_pages(text, root, page))
                menu.append(f"- [{title(text)}]({served_as(page)})")
    write(source / "SUMMARY.md", "\n".join(menu) + "\n")
    with (source / served_as("httpd-conf/README.md")).open("a") as examples:
        for file in sorted((root / "httpd-conf").glob("*.conf")):
            examples.write(f"\n## {file.name}\n\n```apache\n{file.read_text()}```\n")
    # What pages show or link to.
    for file in (root / "docs").iterdir():
        if file.suffix != ".md":
            shutil.copy(file, source / "docs" / file.name)


def documents(root):
    files = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "*.md"], check=True,
                           stdout=subprocess.PIPE, text=True).stdout.split()
    return [file for file in files if not file.startswith(tuple(NO_PAGES)) and (root / file).exists()]


def title(text):
    return re.search(r"^# (.*)", text, re.MULTILINE)[1].replace("`", "")


def served_as(page):
    """A README is what a server shows of a directory."""
    return re.sub(r"README\.md$", "index.md", page)


def with_links_to_pages(text, root, page):
    """A link to a directory leads to its README, as on the servers that show sources. Sources are not on the site: of
    a link to one, the words are left."""
    def replaced(link):
        words, target, place = link[1], link[2], link[3] or ""
        file = (root / page).parent / target
        if file.is_dir():
            target = f"{target.rstrip('/')}/README.md"
        elif file.is_file() and file.suffix != ".md" and file.resolve().parent != root / "docs":
            return words
        return f"[{words}]({served_as(target)}{place})"
    return re.sub(r"\[([^\[\]]*)\]\(([^()#:]+)(#[^()]*)?\)", replaced, text)


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]))
