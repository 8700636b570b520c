"""Headless Chromium, of any width, light or dark."""

import subprocess
import time

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By


def browser(width, dark):
    options = Options()
    for word in ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--disable-gpu",
                 "--force-device-scale-factor=1"]:
        options.add_argument(word)
    if dark:
        options.add_argument("--force-dark-mode")
        options.add_argument("--enable-features=WebContentsForceDark:0")
    service = Service("/usr/bin/chromedriver")
    driver = webdriver.Chrome(service=service, options=options)
    # A window cannot be as narrow as a phone's, but the viewport can.
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    return driver


def picture(driver, width, file):
    size = driver.execute_script("return [document.documentElement.scrollWidth, "
                                 "document.documentElement.scrollHeight]")
    assert size[0] <= width, f"the page is {size[0]} wide, in a window of {width}"
    metrics = {"width": width, "height": size[1], "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.save_screenshot(str(file))
    metrics["height"] = 900
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    subprocess.run(["pngquant", "--force", "--skip-if-larger", "--output", file, file], check=False)
    print(f"{file}: {file.stat().st_size} bytes")


def row(driver, title):
    rows = driver.find_elements(By.CSS_SELECTOR, "table.members tbody tr:not(.open)")
    return next(one for one in rows if one.find_element(By.TAG_NAME, "a").text == title)


def state(driver, title):
    return row(driver, title).find_element(By.CSS_SELECTOR, ".state").text


def orders(driver, title):
    """Opens a member's orders, and returns the buttons."""
    menu = row(driver, title).find_element(By.CSS_SELECTOR, "details.menu")
    if menu.get_attribute("open") is None:
        menu.find_element(By.TAG_NAME, "summary").click()
    return menu.find_elements(By.TAG_NAME, "button")


def order(driver, title, word):
    next(button for button in orders(driver, title) if button.text == word).click()


def confirm(driver):
    driver.find_element(By.CSS_SELECTOR, "form.confirm button").click()


def check(what, find, wanted):
    """Waits until the page shows what is wanted: it may still be loading."""
    found, end = None, time.monotonic() + 20
    while time.monotonic() < end:
        try:
            found = find()
            if wanted in found:
                print(f"{what}: {wanted}")
                return
        except (StopIteration, WebDriverException):
            pass
        time.sleep(0.1)
    raise SystemExit(f"{what}: {found!r} instead of {wanted!r}")
