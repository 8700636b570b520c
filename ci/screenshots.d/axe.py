"""Checks the pages of ajp-status with axe-core, in a browser, for what keeps people from reading or using them."""

import json
import pathlib
import sys

from selenium.webdriver.common.by import By

from chromium import browser, check, order, orders, row
from private_httpd import Site, three, thirty

# What axe-core finds is a fault, except for what it is not sure of.
OPTIONS = {"resultTypes": ["violations", "incomplete"]}


def findings(driver, axe, options):
    driver.execute_script(axe)
    return driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, arguments[0]).then(done, error => done({error: String(error)}));", options)


def examine(driver, axe, what):
    found = findings(driver, axe, OPTIONS)
    assert "error" not in found, found
    print(f"{what}: {len(found['violations'])} violations, {len(found['incomplete'])} unsure, "
          f"of {len(found['passes'])} rules that pass")
    for kind in ["violations", "incomplete"]:
        for rule in found[kind]:
            print(f"  {kind}: {rule['id']} ({rule['impact']}): {rule['help']}")
            for node in rule["nodes"][:3]:
                print(f"    {node['html'][:160]}")
                print(f"    {json.dumps([c['message'] for c in node['any'] + node['all'] + node['none']])[:300]}")
    return len(found["violations"])


def examine_all(site, axe, name, title):
    faults = 0
    for width in [1400, 400]:
        for dark in [False, True]:
            driver = browser(width, dark)
            try:
                look = f"{name}, {width} px, {'dark' if dark else 'light'}"
                for what, query in [("page", ""), ("help", "?help"), ("no member", "?find=nobody"),
                                    ("sorted, filtered", "?show=active&sort=rate&refresh=60")]:
                    driver.get(site.url + query)
                    faults += examine(driver, axe, f"{look}, {what}")
                driver.get(site.url)
                link = row(driver, title).find_element(By.TAG_NAME, "a").get_attribute("href")
                driver.get(link.split("#")[0])
                for summary in driver.find_elements(By.CSS_SELECTOR, ".pools summary"):
                    summary.click()
                orders(driver, title)
                faults += examine(driver, axe, f"{look}, card, orders and pools open")
                order(driver, title, "Stop")
                check("the question", lambda: driver.find_element(By.TAG_NAME, "h1").text, "Stop")
                faults += examine(driver, axe, f"{look}, question")
            finally:
                driver.quit()
    return faults


def main():
    axe = pathlib.Path(sys.argv[1]).read_text()
    faults = 0
    with Site(three) as site:
        site.load(["/shop/"], count=20)
        faults += examine_all(site, axe, "3 members", "node1")
    with Site(thirty) as site:
        site.load(["/shop/", "/search/", "/intranet/"], count=20, clients=4)
        faults += examine_all(site, axe, "30 members", "shop01")
    if faults:
        raise SystemExit(f"{faults} violations")


main()
