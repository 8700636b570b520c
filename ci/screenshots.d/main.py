"""Opens ajp-status of a private httpd in a browser, uses it, and takes pictures of it."""

import argparse
import pathlib
import urllib.parse

from selenium.webdriver.common.by import By

from chromium import browser, check, confirm, order, orders, picture, row, state
from private_httpd import Site, three, thirty


def card_of(site, driver, title):
    """The URL of the page with this member's card open."""
    driver.get(site.url)
    return row(driver, title).find_element(By.TAG_NAME, "a").get_attribute("href").split("#")[0]


def clicks(site, driver):
    driver.get(site.url)
    heading = lambda: driver.find_element(By.TAG_NAME, "h1").text
    notice = lambda: driver.find_element(By.CSS_SELECTOR, ".notice").text
    check("node2 at first", lambda: state(driver, "node2"), "active")
    order(driver, "node2", "Stop")
    check("the question", heading, "Stop node2?")
    driver.find_element(By.LINK_TEXT, "Cancel").click()
    check("node2 after Cancel", lambda: state(driver, "node2"), "active")
    order(driver, "node2", "Stop")
    check("the question", heading, "Stop node2?")
    confirm(driver)
    check("node2 after Stop", lambda: state(driver, "node2"), "stopped")
    check("the notice", notice, "done")
    assert "Stop" not in [button.text for button in orders(driver, "node2")]
    order(driver, "node2", "Activate")
    check("node2 after Activate", lambda: state(driver, "node2"), "active")
    check("node3 at first", lambda: state(driver, "node3"), "in error")
    order(driver, "node3", "Recover")
    check("node3 after Recover", lambda: state(driver, "node3"), "active")
    order(driver, "node2", "Reset counters")
    check("the question", heading, "Reset the counters of node2?")
    confirm(driver)
    check("the notice", notice, "Reset counters: balancer://shop ajp://127.0.0.1:")
    row(driver, "node2").find_element(By.TAG_NAME, "a").click()
    card = lambda: driver.find_element(By.CSS_SELECTOR, "article.card").text
    check("the card of node2 after Reset", card, "no request sent yet")
    site.load(["/shop/", "/reports/"], count=12)
    site.load(["/shop/"])
    order(driver, "node2", "Drain")
    check("the question", heading, "Drain node2?")
    confirm(driver)
    check("node2 after Drain", lambda: state(driver, "node2"), "draining")
    check("the card of node2, still open", card, "Duration")
    driver.get(f"{site.url}?show=failing&find=SHOP")
    check("a filtered page", lambda: state(driver, "node3"), "in error")
    assert len(driver.find_elements(By.CSS_SELECTOR, "table.members tbody tr")) == 1
    driver.get(f"{site.url}?refresh=2&done=drain&count=1&refused=0&at=1")
    check("a refreshed page", lambda: driver.current_url, "/ajp-status?refresh=2")
    check("a refreshed page", lambda: str("at=" in driver.current_url), "False")


def views(site, title):
    """Each page that there is, with a name."""
    member = urllib.parse.quote_plus(title)
    return [("", ""), ("-help", "?help"), ("-none", f"?find={member}x")]


def all_pictures(site, name, title, directory):
    for width in [1400, 400]:
        for dark in [False, True]:
            driver = browser(width, dark)
            try:
                end = f"{width}-{'dark' if dark else 'light'}.png"
                for what, query in views(site, title):
                    driver.get(site.url + query)
                    picture(driver, width, directory / f"{name}{what}-{end}")
                driver.get(card_of(site, driver, title))
                picture(driver, width, directory / f"{name}-card-{end}")
                driver.find_element(By.CSS_SELECTOR, ".pools summary").click()
                orders(driver, title)
                picture(driver, width, directory / f"{name}-menu-{end}")
                order(driver, title, "Drain")
                check("the question", lambda: driver.find_element(By.TAG_NAME, "h1").text, "Drain")
                picture(driver, width, directory / f"{name}-drain-{end}")
            finally:
                driver.quit()


def one_picture(width, dark, url, file):
    driver = browser(width, dark)
    try:
        driver.get(url)
        picture(driver, width, file)
    finally:
        driver.quit()


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--all", action="store_true")
    words.add_argument("directory", type=pathlib.Path)
    given = words.parse_args()
    given.directory.mkdir(parents=True, exist_ok=True)
    with Site(three) as site:
        site.load(["/shop/"])
        site.load(["/reports/"], count=6, clients=3)
        if given.all:
            all_pictures(site, "three", "node1", given.directory)
        driver = browser(1400, False)
        try:
            clicks(site, driver)
        finally:
            driver.quit()
        if not given.all:
            one_picture(400, True, site.url, given.directory / "ajp-status-400.png")
    with Site(thirty) as site:
        site.load(["/shop/", "/search/", "/intranet/"], clients=4)
        if given.all:
            all_pictures(site, "thirty", "shop01", given.directory)
            return
        driver = browser(1400, False)
        try:
            driver.get(card_of(site, driver, "shop01"))
            picture(driver, 1400, given.directory / "ajp-status-1400.png")
        finally:
            driver.quit()


main()
