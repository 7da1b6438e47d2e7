"""Pictures of every page, of a run that this trains: docs/screenshots/*.png.

    make screenshots

The run is nano's, of some minutes, and kept in runs/screenshots. The group that is shown is found by rule: one whose
responses are partly right, each of another text and worth, short enough to be read, and moved as the advantages asked.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests_peers.web.conftest import ARGUMENTS
from tests_peers.web.places import link
from tests_peers.web.viewing import Visitor, viewed

REPOSITORY = Path(__file__).resolve().parent.parent
RUNS = REPOSITORY / "runs" / "screenshots"
NAME = "nano"
SETTINGS = (
    *("steps=80", "task.problems_per_step=16", "task.pool=96", "rollout.group_size=5", "policy.traced_groups=16"),
    *("checkpoint_every=20", "evaluate.every=10", "evaluate.problems=100"),
)
WIDTH = 1280
HEIGHTS = {"group": 880, "run": 1000, "chat": 1000, "seed": 1000}
HEIGHT = 800
LARGEST = 200_000
"""Bytes of a picture."""

LIKED = (40, 90)
"""Tokens of the responses of the group that is shown: enough to be a chain, few enough to be read."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "screenshots")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    train()
    place = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with viewed(RUNS, RUNS / ".cache") as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=ARGUMENTS)
        take(browser, f"{base}/", options.out)
        browser.close()


def train() -> None:
    """The run, unless it is there."""
    run = RUNS / NAME
    if (run / "summary.json").exists():
        return
    command = [sys.executable, "-m", "groupthink.cli", "train", "--run", str(run), *SETTINGS]
    subprocess.run([*command, *(["--resume"] if run.exists() else [])], cwd=REPOSITORY, check=True)


def take(browser: Browser, base: str, out: Path) -> None:
    """A picture of each page."""
    visitor = Visitor(browser, base, device_scale_factor=2)
    step, group, data = find_group(visitor)
    of = {"run": NAME, "step": step, "group": group}
    response = data["responses"][0]["response"]
    where = {"step": step, "group": group, "response": response}
    logprobs = ask(visitor, "response", run=NAME, **where)["tokens"]["logprob"]
    token = min(range(len(logprobs)), key=lambda at: logprobs[at] or 0.0)  # the one that surprised most
    note(visitor, {**where, "label": "odd", "text": f"right, though token {token} is a surprise"})
    pages = {
        "runs": link("runs"),
        "run": link("run", run=NAME),
        "step": link("step", run=NAME, step=step, sort="-spread"),
        "group": link("group", **of),
        "response": link("response", **of, response=response, token=token),
        "problems": link("problems", run=NAME, sort="gain"),
        "problem": link("problem", run=NAME, problem=data["problem"]),
        "search": link("search", run=NAME, preset="reflection"),
        "chat": link("chat", run=NAME, n=8, seed=1),
        "notes": link("notes", run=NAME),
        "seed": link("seed"),
    }
    for name, address in pages.items():
        visitor.page.set_viewport_size({"width": WIDTH, "height": HEIGHTS.get(name, HEIGHT)})
        page = visitor.to(address)
        if name == "chat":
            page.locator(".suggestions button").first.click()
            page.get_by_role("button", name="Ask").click()
            page.locator(".turns[aria-busy='false'] .turn-sum").last.wait_for(timeout=60_000)
            for column in page.locator(".turn-column").all():
                column.locator("summary").first.click()
            page.evaluate("scrollTo(0, 0)")
        if name == "search":
            page.locator(".search-rate canvas").wait_for()
        for scheme in ("light", "dark") if name == "group" else ("light",):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(300)
            keep(page.screenshot(), out / f"{name}{'-dark' if scheme == 'dark' else ''}.png")
    visitor.leave()


def find_group(visitor: Visitor) -> tuple[int, int, dict[str, Any]]:
    """Step, group and its data: of those that will do, the one that tells most."""
    steps = ask(visitor, "run", run=NAME)["steps_axis"]
    best: tuple[float, int, int, dict[str, Any]] | None = None
    for step in steps[: len(steps) // 2]:
        for group in ask(visitor, "step", run=NAME, step=step)["groups"]:
            worth = worth_of(group["responses"])
            if group["kind"] == "mixed" and (best is None or worth > best[0]):
                data = ask(visitor, "group", run=NAME, step=step, group=group["group"])
                if len({one["text"] for one in data["responses"]}) == len(data["responses"]):
                    best = worth, step, group["group"], data
    assert best is not None, "no group has both right and wrong responses"
    return best[1:]


def worth_of(responses: list[dict[str, Any]]) -> float:
    """How well a group shows what is done: all moved as asked, by distances that can be seen beside each other, for
    different rewards, and responses that can be read."""
    asked = [one for one in responses if one["advantage"] and one["change"] is not None]
    obeyed = sum(one["advantage"] * one["change"] > 0 for one in asked) / max(1, len(responses))
    moves = [abs(one["change"]) for one in asked]
    visible = min(moves) / max(moves) if moves and max(moves) else 0.0
    rewards = len({round(one["reward"], 2) for one in responses}) / len(responses)
    readable = sum(LIKED[0] <= one["length"] <= LIKED[1] for one in responses) / len(responses)
    right = sum(one["right"] is True for one in responses) / len(responses)
    return 2 * obeyed + 3 * visible + rewards + readable - abs(right - 0.5)


def ask(visitor: Visitor, what: str, **params: object) -> Any:
    """What the server answers."""
    return visitor.page.request.get(f"{visitor.base}api/{what}", params={k: str(v) for k, v in params.items()}).json()


def note(visitor: Visitor, said: dict[str, Any]) -> None:
    """Keep a note, unless there is one."""
    if ask(visitor, "notes", run=NAME)["notes"]:
        return
    headers = {"Origin": visitor.base.rstrip("/")}
    answer = visitor.page.request.post(f"{visitor.base}api/notes?run={NAME}", data=said, headers=headers)
    assert answer.ok, answer.text()


def keep(png: bytes, file: Path) -> None:
    """Write a picture with as many colours as there is room for."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32):
        picture.quantize(colours, dither=Image.Dither.NONE).save(file, optimize=True)
        if file.stat().st_size <= LARGEST:
            break
    print(f"{file.relative_to(REPOSITORY)}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
