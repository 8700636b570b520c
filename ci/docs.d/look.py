"""look.py SITE [PICTURES]: opens every page of the site in headless Chromium, 400 and 1400 pixels wide, and uses its search.

A page that is wider than the window, a file that the site lacks or a search without result is an error. With PICTURES,
there is a picture of each page in this directory.
"""

import contextlib
import functools
import http.server
import pathlib
import re
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "screenshots.d"))
from chromium import browser, check, picture  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402

# What readers search for, and a page that is to be among the first results.
SEARCHES = [("pinginterval", "docs/reference.html"), ("AJP0131", "docs/troubleshooting.html#ajp0131"),
            ("maxThreads", "docs/sizing.html"), ("drain node", "docs/operations.html")]


# The headings of tables that are wider than their place. On a phone, tables of figures may be.
CUT = """
return [...document.querySelectorAll("main .table-wrapper")]
    .filter((place) => place.scrollWidth > place.clientWidth + 1)
    .filter((place) => arguments[0] > 1000 || place.querySelector(".of-sentences"))
    .map((place) => place.querySelector("thead").textContent.trim());
"""


class Site(http.server.SimpleHTTPRequestHandler):
    missing = set()

    def log_message(self, *_):
        pass

    def send_error(self, code, *words):
        # A browser asks for this by itself.
        if self.path != "/favicon.ico":
            self.missing.add(f"{code} {self.path}")
        super().send_error(code, *words)


@contextlib.contextmanager
def served(directory):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Site, directory=directory))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def main(site, pictures):
    pages = sorted(str(file.relative_to(site)) for file in site.rglob("*.html") if file.name != "toc.html")
    with served(site) as url:
        for width in (400, 1400):
            driver = browser(width, dark=False)
            try:
                for page in pages:
                    driver.get(f"{url}/{page}")
                    wide = driver.execute_script("return document.documentElement.scrollWidth")
                    assert wide <= width, f"{page} is {wide} pixels wide, in a window of {width}"
                    assert driver.find_element(By.CSS_SELECTOR, "main h1").is_displayed(), page
                    cut = driver.execute_script(CUT, width)
                    assert not cut, f"{page}, {width} pixels: a table is cut off: {cut}"
                    if pictures:
                        picture(driver, width, pictures / f"{page.replace('/', '-')}-{width}.png")
                for words, found in SEARCHES:
                    driver.get(f"{url}/index.html?search={words.replace(' ', '+')}")
                    check(f"search for {words}, {width} pixels", functools.partial(results, driver), found)
            finally:
                driver.quit()
    if Site.missing:
        sys.exit("\n".join(sorted(Site.missing)))
    print(f"{len(pages)} pages, in two widths: all fit")


def results(driver):
    links = driver.find_elements(By.CSS_SELECTOR, "#mdbook-searchresults a")[:10]
    # Without the words to be marked on the page.
    return " ".join(re.sub(r"\?[^#]*", "", link.get_attribute("href")) for link in links)


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None)
