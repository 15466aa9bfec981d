"""Read scanned pages by a vision model behind any OpenAI-compatible server (DotsOCR on vLLM, say).

  python -m jobs.ocr name=theses 'ocr.inputs=[scans]' ocr.endpoint.url=http://node7:8000/v1   to data/theses/ocr
  python -m jobs.ocr name=theses 'ocr.inputs=[scans]' dry_run=true                 count pages without text; asks nobody

Pages with a text layer keep it; the others are drawn and read. Each PDF becomes one .pages.json with all of its pages:
give the folder to `jobs.corpus` in place of the PDFs. Pages that are still without text are listed in
without_text.json. Every answer is kept on disk, so the same command goes on where it was cut off and asks nothing
twice; pages that failed are tried again."""

from pathlib import Path
from typing import Any

from common.files import make_folder, nothing_left
from common.progress import Bar, say
from common.remove import sweep_asides
from common.screen import screen
from conf.schema import Config
from jobs.cli import main


def run(config: Config) -> dict[str, Any] | None:
    """Fill `ocr.output`; returns the counts of pages (None for a dry run)."""
    from data_prep.endpoint.client import Endpoint
    from data_prep.ocr.read import LISTED, Reader, scans

    ocr = config.ocr
    if config.dry_run:
        return _show(config)
    scans(ocr, ocr.endpoint.model)  # before the server is asked for anything
    folder = make_folder(ocr.output)
    sweep_asides(folder)
    with nothing_left(folder / "answers"), Endpoint(ocr.endpoint, folder / "answers", "ocr") as endpoint:
        model = endpoint.model()
        todo = scans(ocr, model)
        with Bar(f"read by {model}", sum(_pages(scan.path) for scan in todo), "pages") as bar:
            counts = Reader(ocr, endpoint, model, bar.advance).read(todo)
        counts["asked"] = endpoint.asked
    say(
        f"{folder}: {counts['documents']:,} documents, {counts['pages']:,} pages: {counts['text_layer']:,} with a text"
        f" layer, {counts['model']:,} by the model ({counts['asked']:,} asked now), {counts['without_text']:,} without"
        f" text, {counts['unreadable']:,} unreadable files ({folder / LISTED})"
    )
    return counts


def _pages(path: Path) -> int:
    from data_prep.sources.pdf import UnreadablePdf, open_pdf

    try:
        with open_pdf(path) as document:
            return len(document)
    except UnreadablePdf:
        return 0


def _show(config: Config) -> None:
    """Print how many pages of each PDF would be read."""
    from rich.table import Table

    from data_prep.ocr.read import scans
    from data_prep.sources.pdf import UnreadablePdf, open_pdf, page_text

    table = Table("document", "pages", "with text", "to read", "", title=f"becomes .pages.json in {config.ocr.output}")
    for scan in scans(config.ocr, config.ocr.endpoint.model):
        try:
            with open_pdf(scan.path) as document:
                pages = len(document)
                text = sum(bool(page_text(document, number)) for number in range(pages))
        except UnreadablePdf as error:
            table.add_row(scan.id, "", "", "", str(error))
            continue
        asked = pages - text if config.ocr.only_without_text else pages
        table.add_row(scan.id, str(pages), str(text), str(asked), "")
    screen().print(table)


if __name__ == "__main__":
    main("ocr", run)
