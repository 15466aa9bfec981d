"""PDFs to page-wise JSON: text layers as they are, the other pages by a vision model."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json, write_json
from common.remove import remove_file
from conf.schema.endpoint import OcrConfig
from data_prep.endpoint.client import Answer, Endpoint, Failure
from data_prep.ocr.answers import page_of
from data_prep.ocr.drawing import page_png, question
from data_prep.sources.inputs import kind_of, list_inputs, stamp
from data_prep.sources.pages import page_texts
from data_prep.sources.pdf import UnreadablePdf, open_pdf, page_text

SUFFIX = ".pages.json"
LISTED = "without_text.json"


@dataclass
class Scan:
    """A PDF, and the document that it becomes."""

    path: Path
    id: str
    """Its path below the folder that was named, without the suffix."""
    target: Path
    settings: dict[str, Any]
    """What the pages depend on beside the PDF."""
    pages: list[dict[str, Any] | None] = field(default_factory=list)
    waiting: int = 0
    """Pages whose answer is still to come."""

    def former(self) -> dict[str, Any] | None:
        """The document as an earlier run left it; None where it, the PDF or the settings are others now, or pages have
        failed."""
        pages = self.written()
        if not pages:
            return None
        same = pages["settings"] == self.settings and pages["stamp"] == stamp(self.path)
        return pages if same and not any("failed" in page for page in pages["pages"]) else None

    def written(self) -> dict[str, Any] | None:
        """The document of an earlier run, whatever it was made of. Raises UserError for a file that is none."""
        if not self.target.exists():
            return None
        pages = read_json(self.target)
        if (
            not isinstance(pages, dict)
            or pages.get("id") != self.id
            or not {"stamp", "settings", "pages"} <= pages.keys()
        ):
            raise UserError(f"{self.target} was not written by jobs.ocr; move it, or choose another ocr.output")
        return pages

    def finish(self) -> dict[str, Any]:
        """Write the document."""
        written = {
            "id": self.id, "file": str(self.path), "stamp": stamp(self.path), "settings": self.settings,
            "pages": self.pages,
        }  # fmt: skip
        write_json(self.target, written)
        self.pages = []
        return written


def scans(config: OcrConfig, model: str) -> list[Scan]:
    """The PDFs that ``ocr.inputs`` names. Raises UserError where there are none, two would be written to one place, or
    where somebody else's file is."""
    folders = [Path(pattern).expanduser() for pattern in config.inputs if Path(pattern).expanduser().is_dir()]
    settings = {
        "model": model,
        "prompt": config.prompt,
        "dpi": config.dpi,
        "only_without_text": config.only_without_text,
    }
    settings |= {"temperature": config.endpoint.temperature, "max_tokens": config.endpoint.max_tokens}
    by_path: dict[str, Scan] = {}
    for path in list_inputs(config.inputs, "ocr.inputs"):
        name, compression = kind_of(path) or ("", "")
        if name != "pdf":
            continue
        if compression:
            raise UserError(f"ocr.inputs: {path} is packed; unpack it first")
        home = next((folder for folder in folders if path.is_relative_to(folder)), path.parent)
        name = str(path.relative_to(home).with_suffix(""))
        if name in by_path:
            raise UserError(
                f"ocr.inputs: {by_path[name].path} and {path} would both be written to {name}{SUFFIX}; read them "
                "into two"
                " outputs"
            )
        by_path[name] = Scan(path, name, Path(config.output, f"{name}{SUFFIX}"), settings)
        by_path[name].written()
    if not by_path:
        raise UserError(f"ocr.inputs: {', '.join(config.inputs)} holds no .pdf; other files need no OCR")
    return list(by_path.values())


class Reader:
    """Reads scans. ``told`` is called with how many pages are done."""

    def __init__(self, config: OcrConfig, endpoint: Endpoint, model: str, told: Callable[[int], Any]):
        self.config, self.endpoint, self.model, self.told = config, endpoint, model, told
        self.without: list[dict[str, Any]] = []
        self.counts = dict.fromkeys(("documents", "unreadable", "pages", "text_layer", "model", "without_text"), 0)

    def read(self, todo: Sequence[Scan]) -> dict[str, Any]:
        """Write a document for each scan, and the list of pages that are without text. Returns the counts."""
        for (scan, number), answer in self.endpoint.ask_all(self._requests(todo)):
            self._take(scan, number, answer)
        self.without.sort(key=lambda page: (page["document"], page["page"] or 0))
        write_json(Path(self.config.output, LISTED), {"counts": self.counts, "pages": self.without})
        return self.counts

    def _requests(self, todo: Sequence[Scan]) -> Iterator[tuple[tuple[Scan, int], dict[str, Any]]]:
        """Yield what is to be asked, in order; a scan that needs no model is done on the way."""
        for scan in todo:
            former = scan.former()
            if former:
                self.told(len(former["pages"]))
                self._count(former)
                continue
            try:
                with open_pdf(scan.path) as document:
                    yield from self._requests_of(scan, document)
            except UnreadablePdf as error:
                if scan.written():
                    remove_file(scan.target)
                self.counts["unreadable"] += 1
                self.without.append({"document": scan.id, "page": None, "why": f"{scan.path} {error}"})

    def _requests_of(self, scan: Scan, document: Any) -> Iterator[tuple[tuple[Scan, int], dict[str, Any]]]:
        texts = [
            page_text(document, number) if self.config.only_without_text else "" for number in range(len(document))
        ]
        scan.pages = [
            {"page": number, "text": text, "layer": True} if text else None for number, text in enumerate(texts, 1)
        ]
        scan.waiting = scan.pages.count(None)
        self.told(len(texts) - scan.waiting)
        if not scan.waiting:
            self._count(scan.finish())
            return
        for number, text in enumerate(texts, 1):
            if not text:
                try:
                    png = page_png(document, number - 1, self.config.dpi)
                except UnreadablePdf as error:
                    self._take(scan, number, Failure(str(error)))
                else:
                    yield (scan, number), self.endpoint.request(self.model, question(png, self.config.prompt))

    def _take(self, scan: Scan, number: int, answer: Answer | Failure) -> None:
        """Put an answer into its place; the last one finishes the document."""
        scan.pages[number - 1] = page_of(number, answer, self.config.endpoint.max_tokens)
        scan.waiting -= 1
        self.told(1)
        if not scan.waiting:
            self._count(scan.finish())

    def _count(self, written: dict[str, Any]) -> None:
        """Count a document that is written."""
        self.counts["documents"] += 1
        for page, (number, text) in zip(written["pages"], page_texts(written["pages"]), strict=True):
            self.counts["pages"] += 1
            self.counts["text_layer" if page.get("layer") else "model" if text else "without_text"] += 1
            if not text:
                why = page.get("failed", "the model found no text")
                self.without.append({"document": written["id"], "page": number, "why": why})
