"""`groupthink view` in a process of its own, and a browser in front of it that notes what must not happen."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Request, expect

from tests_peers.web.training import ROOT, environment

WIDTH, HEIGHT = 1280, 900
PATIENCE = 60_000
"""Milliseconds that a page is waited for, on a machine that trains meanwhile."""

READY = {
    "runs": "main table, main .empty",
    "run": "dl.figures",
    "step": ".step-page",
    "group": ".group-page",
    "response": ".response-page",
    "problems": "main table, main .empty",
    "problem": ".problem-page",
    "search": ".search-form",
    "chat": "form.ask",
    "notes": "main .note-form, main .empty, main table",
    "seed": ".seed-steps",
}
"""What is there of each page once it has its data."""

OURS = re.compile(r"/(api/[a-z/.]+|[a-z_-]+\.(js|css|svg)|(parts|pages|vendor)/[A-Za-z0-9_.-]+\.(js|css))?")
"""The paths that the pages may ask for."""

DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
"""Until what an address asks for has begun to be drawn."""

REPORT = """
addEventListener("securitypolicyviolation", (event) =>
    __violated(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


@contextmanager
def viewed(runs: Path, cache: Path, port: int = 0) -> Iterator[str]:
    """The address of the pages of the runs in a folder. The server must not fail at anything meanwhile."""
    command = [sys.executable, "-m", "groupthink.cli", "view", runs, "--port", str(port), "--no-browser"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, env=environment(cache), **pipes)
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(process.stderr or []), daemon=True)
    reader.start()
    try:
        assert process.stdout is not None
        found = re.search(r"http://[0-9.]+:\d+", process.stdout.readline())
        assert found, "".join(said)
        yield found[0]
    finally:
        process.terminate()
        code = process.wait(20)
        reader.join(5)
    assert code == 0 and not any("Traceback" in line for line in said), "".join(said)


class Visitor:
    """A page in a browser, of a server or of a file, and what happened in it that must not: `seen`."""

    def __init__(self, browser: Browser, base: str, **settings: Any):
        self.base, self.seen = base, list[str]()
        self.asked: list[str] = []  # addresses of all requests
        settings = {"viewport": {"width": WIDTH, "height": HEIGHT}, "reduced_motion": "no-preference", **settings}
        self.context: BrowserContext = browser.new_context(**settings)
        self.context.set_default_timeout(PATIENCE)
        self.context.on("console", lambda said: said.type in ("error", "warning") and self._note("console", said.text))
        self.context.on("weberror", lambda error: self._note("error", str(error.error)))
        self.context.on("dialog", self._dismiss)
        self.context.on("request", self._request)
        self.context.expose_binding("__violated", lambda source, text: self._note("policy", text))
        self.context.add_init_script(REPORT)
        self.page: Page = self.context.new_page()
        self.context.on("page", lambda page: self._note("window", page.url))

    def to(self, address: str) -> Page:
        """Go to a page, such as "#/runs", and wait until it has its data."""
        self.page.goto(f"{self.base}{address}")
        return self.arrived()

    def arrived(self) -> Page:
        """Wait until the page that the address names is there, with its data."""
        page = self.page
        page.evaluate(DRAWN)
        name, params = route_of(page.evaluate("location.href"))  # page.url is told of it, and may be late
        expect(page).to_have_title(re.compile(title_of(name, params), re.I), timeout=PATIENCE)
        expect(page.locator(READY[name]).first).to_be_visible(timeout=PATIENCE * (4 if name == "seed" else 1))
        expect(page.locator("main .loading")).to_have_count(0, timeout=PATIENCE)
        expect(page.locator("main .failed")).to_have_count(0, timeout=PATIENCE)
        if name == "search" and {"text", "regex", "preset"} & params.keys():
            expect(page.locator(".search-state")).to_contain_text(" in ", timeout=PATIENCE)
        return page

    def reload(self) -> Page:
        """The same address anew: nothing but the address says what is shown."""
        self.page.reload()
        return self.arrived()

    def state(self) -> tuple[str, str]:
        """Where it is and all that it shows: names, roles, values, what is pressed, checked and open."""
        return self.page.url, timeless(self.page.locator("main").aria_snapshot())

    def barriers(self) -> list[str]:
        """What axe finds that is serious or critical."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']} ({one['impact']}): {[node['html'][:200] for node in one['nodes'][:3]]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    def sideways(self) -> list[str]:
        """The elements that make the page scroll sideways, where it does."""
        return self.page.evaluate(
            """() => {
                const root = document.scrollingElement;
                if (root.scrollWidth <= innerWidth) return [];
                return [...document.body.querySelectorAll("*")]
                    .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5)
                    .map((one) => `${one.tagName} ${one.getAttribute("class")} ${one.getBoundingClientRect().right}`)
                    .slice(0, 8).concat(`${root.scrollWidth} > ${innerWidth}`);
            }"""
        )

    def leave(self) -> None:
        """Close it. Nothing must have happened that must not."""
        self.context.close()
        assert not self.seen, "\n".join(self.seen)

    def close(self) -> None:
        """Close it, whatever happened."""
        self.context.close()

    def _note(self, kind: str, what: str) -> None:
        self.seen.append(f"{kind}: {what[:500]}")

    def _dismiss(self, dialog: Dialog) -> None:
        self._note("dialog", dialog.message)
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        url = request.url
        self.asked.append(url)
        if url.startswith(("data:", "blob:")):
            return
        rest = url.removeprefix(self.base).partition("#")[0]
        if not url.startswith(self.base) or not (rest == "" or OURS.fullmatch(f"/{urlsplit(rest).path}")):
            self._note("request", url)


def route_of(url: str) -> tuple[str, dict[str, str]]:
    """The page that an address names, and its parameters."""
    path, _, query = url.partition("#/")[2].partition("?")
    return path or "runs", dict(parse_qsl(query))


def title_of(name: str, params: dict[str, str]) -> str:
    """What the window's title says of a page: the page, then what that is in, from the inside outwards."""

    def within(*parts: str) -> str:
        return "".join(rf"(?=.*· {part} {re.escape(params[part])} ·)" for part in parts)

    match name:
        case "group":
            return within("group", "step")
        case "response":
            return "^" + within("group", "step") + rf"response {re.escape(params['response'])} ·"
        case "step":
            return rf"^step {re.escape(params['step'])} ·"
        case "run":
            return "^" + re.escape(params["run"].rpartition("/stages/")[2]) + " ·"
        case "problem":
            return "· problems ·"
        case "seed":
            return "^five steps, one group ·"
    return f"^{name} ·"


def timeless(snapshot: str) -> str:
    """Without what a moment changes: how long ago something was."""
    return re.sub(r"\b(now|[\d.]+ (s|min|h|days?)( ago| left)?)\b", "TIME", snapshot)
