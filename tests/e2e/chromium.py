"""Real Chromium, driven by Selenium; one browser for all tests that ask for it."""

import json
import shutil
from contextlib import contextmanager

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)


class Browser:
    """What tests do with a page."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, url):
        self.driver.get(url)

    def js(self, script, *arguments):
        """Run the body of a function in the page; what it returns."""
        return self.driver.execute_script(script, *arguments)

    def later(self, script, *arguments):
        """The same for the body of an async function; where it throws, the test fails."""
        wrapped = "const done = arguments[arguments.length - 1]; const args = [...arguments];"
        wrapped += f"(async () => {{ {script} }})()"
        wrapped += ".then((value) => done([value]), (e) => done('failed: ' + e));"
        outcome = self.driver.execute_async_script(wrapped, *arguments)
        assert isinstance(outcome, list), outcome
        return outcome[0]

    def until(self, condition, seconds=30):
        """Wait until the expression `condition` is true in the page; its value."""
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.driver, seconds, poll_frequency=0.05)
        return wait.until(lambda _: self.js(f"return {condition}"), f"never true: {condition}")

    def find(self, selector):
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def choose(self, selector, value):
        """Choose an option of a list, or set a field, as a user does."""
        self.js(
            "const field = document.querySelector(arguments[0]); field.value = arguments[1];"
            "for (const kind of ['input', 'change'])"
            "  field.dispatchEvent(new Event(kind, { bubbles: true }));",
            selector,
            value,
        )

    def press(self, *keys):
        """Press keys, wherever the focus is."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def text(self, selector):
        return self.js("return document.querySelector(arguments[0])?.innerText", selector)

    def requests(self):
        """Addresses of all requests and sockets since this was asked last."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
            elif message["method"] == "Network.webSocketCreated":
                found.append(message["params"]["url"])
        return found

    def errors(self):
        """What the page wrote to the console as an error since this was asked last."""
        return [x["message"] for x in self.driver.get_log("browser") if x["level"] == "SEVERE"]


@contextmanager
def chromium(profile, *flags):
    """A browser with a profile of its own."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("no chromium and chromedriver: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={profile}", *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option("perfLoggingPrefs", {"enablePage": False})
    service = webdriver.ChromeService(executable_path=driver)
    opened = webdriver.Chrome(options=options, service=service)
    try:
        opened.set_script_timeout(60)
        yield Browser(opened)
    finally:
        opened.quit()


@contextmanager
def before_each_page(browser, source):
    """Run a script before those of the pages that are opened."""
    cdp = browser.driver.execute_cdp_cmd
    script = cdp("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    yield
    cdp("Page.removeScriptToEvaluateOnNewDocument", script)
