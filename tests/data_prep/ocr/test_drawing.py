import io

from PIL import Image

from data_prep.ocr import drawing
from data_prep.ocr.drawing import page_png, question
from data_prep.sources.pdf import open_pdf
from tests.data_prep.sources.papers import scanned_pdf
from tests.model_server import image_of


def test_a_page_is_drawn_at_its_resolution_and_always_alike(monkeypatch):
    with open_pdf(scanned_pdf(["metin"])) as document:  # 300 x 100 points
        png = page_png(document, 0, 144)
        assert Image.open(io.BytesIO(png)).size == (600, 200)
        assert page_png(document, 0, 144) == png != page_png(document, 0, 145)
        monkeypatch.setattr(drawing, "MOST_PIXELS", 100_000)
        width, height = Image.open(io.BytesIO(page_png(document, 0, 20_000))).size
        assert 98_000 < width * height < 102_000
    assert image_of({"messages": [{"content": question(png, "oku")}]}) == png
