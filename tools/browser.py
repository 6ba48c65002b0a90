"""Chromium through a pipe: pages opened, measured, printed and photographed by one process."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--hide-scrollbars",
)

# What is drawn after loading, as the fading edges of frames, is there two pictures later.
LOADED = """new Promise(done => {
  const drawn = () => requestAnimationFrame(() => requestAnimationFrame(done));
  if (document.readyState === "complete") drawn(); else addEventListener("load", drawn);
})"""


class Browser:
    """One tab, told what to do by the DevTools protocol.

    Attributes:
        heard: what the browser told unasked.
    """

    def __init__(self, asks: int, answers: int) -> None:
        self.asks, self.answers = os.fdopen(asks, "wb"), os.fdopen(answers, "rb")
        self.number, self.session, self.rest = 0, "", b""
        self.heard: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Network"):
            self.call(f"{domain}.enable")
        self.call("Performance.enable", timeDomain="threadTicks")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return what the browser answers to a method.

        Raises:
            RuntimeError: the browser refuses.
        """
        self.number += 1
        asked: dict[str, Any] = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            asked["sessionId"] = self.session
        self.asks.write(json.dumps(asked).encode() + b"\0")
        self.asks.flush()
        answer = self._next()
        while answer.get("id") != self.number:
            self.heard.append(answer)
            answer = self._next()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            read = self.answers.read1(1 << 20)
            if not read:
                raise RuntimeError("the browser has ended")
            self.rest += read
        message, _, self.rest = self.rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def open(self, file: Path, width: int = 1280, height: int = 800, scheme: str = "light") -> None:
        """Show a file in a window of a size, to a reader who prefers `light` or `dark`."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        preferred = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=preferred)
        self.call("Page.navigate", url=file.as_uri())
        self.evaluate(LOADED)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page, or of what it promises."""
        told = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in told:
            raise RuntimeError(str(told["exceptionDetails"]))
        return told["result"].get("value")

    @property
    def requests(self) -> list[str]:
        """The addresses that pages have asked for."""
        asked = (one for one in self.heard if one.get("method") == "Network.requestWillBeSent")
        return [one["params"]["request"]["url"] for one in asked]

    @property
    def cpu_seconds(self) -> float:
        """What the open page has cost so far."""
        found = self.call("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in found if one["name"] == "TaskDuration")

    def press(self, key: str) -> None:
        """Press a key, as `Tab` or `Enter`."""
        text = {"text": "\r"} if key == "Enter" else {}
        code = {"Tab": 9, "Enter": 13}[key]
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text
            )
            text = {}

    def photograph(self, whole: bool = False) -> bytes:
        """Return a PNG of what the window shows, or of the whole page."""
        told = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(told["data"])

    def print(self) -> bytes:
        """Return a PDF of the page, on A4."""
        told = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(told["data"])


@contextmanager
def browser(profile: Path, *options: str) -> Iterator[Browser]:
    """Yield a browser, which ends with the block.

    Args:
        profile: a folder for what the browser keeps.
    """
    if CHROMIUM is None:
        raise RuntimeError(f"none of {', '.join(NAMES)} is on the PATH")
    for_it, asks = os.pipe()
    answers, from_it = os.pipe()
    # The browser reads from 3 and writes to 4; the shell puts them there.
    pipes = f'exec "$@" 3<&{for_it} 4>&{from_it}'
    command = [CHROMIUM, *QUIET, "--remote-debugging-pipe", f"--user-data-dir={profile}", *options]
    process = subprocess.Popen(
        ["bash", "-c", pipes, "bash", *command],
        pass_fds=(for_it, from_it),
        stderr=subprocess.DEVNULL,
    )
    os.close(for_it)
    os.close(from_it)
    try:
        shown = Browser(asks, answers)
        yield shown
        with suppress(RuntimeError):
            shown.session = ""
            shown.call("Browser.close")
        process.wait(20)
    finally:
        process.kill()
        process.wait()
