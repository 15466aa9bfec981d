"""The reports of jobs.sweep in headless Chromium: no script error, no request, every plot drawn, nothing wider than a
phone."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.report.html import figure, page
from common.report.plot import to_svg
from jobs.sweep import run
from tests.jobs.test_sweep import decoders as decoders

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
PHONE = 390
WIDTHS = (PHONE, 768, 1440)

DRAWN = """
[...document.querySelectorAll("svg")].map(svg => {
  const visible = element => { const box = element.getBoundingClientRect(); return box.width > 0 || box.height > 0; };
  const box = svg.getBoundingClientRect();
  const paths = [...svg.querySelectorAll("path[d]")].filter(path => !path.closest("defs"));
  const named = element => element.getAttribute("xlink:href") || /#[^)"']+/.exec(element.getAttribute("clip-path"))[0];
  const wanted = [...svg.querySelectorAll("[clip-path], use")].map(named);
  const inside = element => { const own = element.getBoundingClientRect();
    return own.left >= box.left - 1 && own.right <= box.right + 1 && own.top >= box.top - 1 && own.bottom <= box.bottom + 1; };
  const outside = element => { const own = element.getBoundingClientRect(); return own.left < 0 || own.right > innerWidth; };
  const texts = [...svg.querySelectorAll("text")];
  const over = (one, other) => { const a = one.getBoundingClientRect(), b = other.getBoundingClientRect();
    return a.left < b.right && b.left < a.right && a.top < b.bottom - 3 && b.top < a.bottom - 3; };
  return {
    label: svg.getAttribute("aria-label"), width: box.width, height: box.height,
    lines: paths.filter(path => path.getTotalLength() > 0 && visible(path)).length,
    marks: [...svg.querySelectorAll("use")].filter(visible).length,
    texts: [...svg.querySelectorAll("text")].map(text => text.textContent.trim()),
    cut: [...svg.querySelectorAll("text")].filter(text => !inside(text)).map(text => text.textContent.trim()),
    hidden: [...svg.querySelectorAll("text")].filter(text => outside(text)).map(text => text.textContent.trim()),
    covered: texts.filter((one, place) => texts.slice(0, place).some(other => over(one, other))).map(text => text.textContent.trim()),
    dangling: wanted.filter(name => !svg.querySelector(name)),
  };
})
"""  # noqa: E501

TABLES = """
[...document.querySelectorAll("table")].map(table => {
  const scroller = table.parentElement, first = table.querySelector("tr:last-child > :first-child");
  scroller.scrollLeft = 1e6;
  const row = [...first.parentElement.children], last = row[row.length - 1].getBoundingClientRect();
  const seen = row.length < 2 || last.right <= innerWidth && last.left >= first.getBoundingClientRect().right - 1;
  scroller.scrollLeft = 0;
  return seen ? null : first.textContent;
}).filter(name => name !== null)
"""
"""First cells, which stay in place, of tables whose last column cannot be scrolled to beside them."""


class Browser:
    """Chromium over the pipe of its DevTools protocol: JSON messages that end with a zero byte."""

    def __init__(self, profile: Path):
        to_browser, self.ours_out = os.pipe()
        self.ours_in, from_browser = os.pipe()
        flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--remote-debugging-pipe",
        ]
        command = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        self.process = subprocess.Popen(
            ["bash", "-c", command, "bash", CHROMIUM, *flags, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser), os.close(from_browser)
        self.reader, self.number, self.events, self.rest = os.fdopen(self.ours_in, "rb", buffering=0), 0, [], b""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours_out)
        self.reader.close()

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            chunk = self.reader.read(1 << 16)
            assert chunk, "Chromium has ended"
            self.rest += chunk
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one command; what happens in between is kept as events."""
        self.number += 1
        session = {"sessionId": self.session} if hasattr(self, "session") else {}
        os.write(
            self.ours_out,
            json.dumps({"id": self.number, "method": method, "params": parameters, **session}).encode() + b"\0",
        )
        while True:
            message = self._message()
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def open(self, file: Path, width: int) -> dict[str, Any]:
        """Open ``file`` at ``width`` pixels: its plots, its width, script and console errors, and every address it
        asked for."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width == PHONE
        )
        self.events = []
        self.ask("Page.navigate", url=file.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._message())
        plots = self.value(DRAWN)
        asked = [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]
        return {
            "plots": plots,
            "uncovered": self.value(TABLES),
            "overflow": self.value("document.documentElement.scrollWidth - document.documentElement.clientWidth"),
            "width": self.value("window.innerWidth"),
            "errors": [
                event["params"]
                for event in self.events
                if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")
            ],
            "asked": [url for url in asked if url != file.as_uri() and not url.startswith("data:")],
        }

    def value(self, expression: str) -> Any:
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"]["value"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        opened = Browser(Path(profile))
        yield opened
        opened.close()


@pytest.fixture
def reports(sweep_config, run_folder) -> dict[str, Path]:
    """The page of a run with budgets, and that of three runs, two of them seeds of one configuration."""
    for name, seed, lr in (("seed_1", 1, 1e-3), ("other", 0, 5e-3)):
        copy = Path(shutil.copytree(run_folder, run_folder.with_name(name), symlinks=True))
        config = yaml.safe_load((copy / "config.yaml").read_text())
        config["seed"], config["optim"]["lr"] = seed, lr
        (copy / "config.yaml").write_text(yaml.safe_dump(config))
    config = yaml.safe_load((run_folder / "config.yaml").read_text())
    config["optim"]["lr"] = 1e-3
    (run_folder / "config.yaml").write_text(yaml.safe_dump(config))
    sweep_config.sweep.runs = [str(run_folder.parent / "*")]
    sweep_config.sweep.budgets, sweep_config.sweep.bootstrap = [2, 8], 100
    sweep_config.probe.beside = ["emb"]
    run(sweep_config)
    return {"run": run_folder / "report.html", "runs": run_folder.parent / "comparison" / "report.html"}


def problems(found: dict[str, Any], width: int) -> list[str]:
    """Everything that must not be."""
    told = [f"error: {error}" for error in found["errors"]] + [f"request: {url}" for url in found["asked"]]
    told += [f"table {name}: its last column does not come into sight" for name in found["uncovered"]]
    if found["overflow"] > 0 or found["width"] != width:
        told.append(f"page is {found['overflow']} px too wide for {found['width']}")
    for plot in found["plots"]:
        told += [f"{plot['label']}: {name} {plot[name]}" for name in ("cut", "hidden", "dangling") if plot[name]]
        if (
            plot["width"] < 250
            or plot["height"] < 150
            or plot["lines"] < 4
            or plot["marks"] < 4
            or len(plot["texts"]) < 8
        ):
            told.append(f"{plot['label']} is not drawn: {plot}")
    return told


def test_reports_are_drawn_whole_without_error_or_request(browser, reports):
    for name, file in reports.items():
        for width in WIDTHS:
            found = browser.open(file, width)
            assert [plot["label"] for plot in found["plots"]] == [
                (
                    "MLM loss and retrieval of all runs over tokens"
                    if name == "runs"
                    else "MLM loss and retrieval over the steps of the run"
                ),
                "Loss against retrieval, a point a checkpoint",
                "Agreement and regret by steps of the probe",
            ]
            assert problems(found, width) == []
            if folder := os.environ.get("TERZI_SCREENSHOTS"):  # to look at them
                import base64

                picture = browser.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
                (Path(folder) / f"{name}_{width}.png").write_bytes(base64.b64decode(picture))


def test_reports_of_decoders_are_drawn_whole(browser, decoders, tmp_path):
    decoders.sweep.runs = [str(tmp_path / "cpt" / "seed_*")]
    run(decoders)
    wanted = ["Forgetting against gain, a point a checkpoint", "Loss and bits per byte over the steps of the run"]
    for name, labels in (("seed_0", wanted), ("comparison", wanted[:1])):
        for width in WIDTHS:
            found = browser.open(tmp_path / "cpt" / name / "report.html", width)
            assert [plot["label"] for plot in found["plots"]] == labels and problems(found, width) == []


def test_a_broken_page_is_noticed(browser, tmp_path):
    def draw(figure: Any) -> None:
        figure.subplots().plot([1, 2, 3], [2, 1, 3], "o-")

    text = page("A report", figure(to_svg("small", "A plot", 3, draw), "One plot."))
    (tmp_path / "page.html").write_text(text)
    assert problems(browser.open(tmp_path / "page.html", PHONE), PHONE) == []
    broken = {
        "is not drawn": text.replace(' d="', ' e="'),
        "error: ": text.replace("</body>", "<script>undefined.plot()</script></body>"),
        "request: ": text.replace("</body>", '<img src="https://terzi.invalid/logo.png"></body>'),
        "too wide": text.replace("</body>", '<p style="width: 400px">wide</p></body>'),
        "dangling": text.replace('<clipPath id="', '<clipPath id="gone'),
    }
    for problem, changed in broken.items():
        assert changed != text
        (tmp_path / "page.html").write_text(changed)
        assert any(problem in told for told in problems(browser.open(tmp_path / "page.html", PHONE), PHONE)), problem
