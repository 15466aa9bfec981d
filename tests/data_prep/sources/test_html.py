import pytest

from common.reading.bad import BadDocuments
from conf.schema.corpus import SourceConfig
from data_prep.sources.html import extract
from data_prep.sources.readers import read_documents

PAGE = """<!doctype html><html lang=tr><head><title>Karar
 özeti</title><link rel=canonical href="https://a.tr/karar"><style>p {color: red}</style></head>
<body><header><h1>Site adı</h1></header><nav><a href=/>Ana sayfa</a></nav>
<div class=menu><ul><li><a href=1>Kararlar</a></li><li><a href=2>Yasalar</a></li></ul></div>
<div id=text><h2>Daire: <b>3. Ceza</b></h2><p>Davacı vekili,&nbsp;kararı
temyiz <a href=3>etmiştir</a>, dosya incelendi.<br>Gereği düşünüldü.</p>
<script>var x = 1;</script><table><tr><td>Esas</td><td>2019/12</td></tr></table>
<pre>birinci satır
ikinci satır</pre><p>Bağlantı: <a href=4>başka bir kararın çok uzun adı</a></p>
<form><input value=x><button>Ara</button></form></div>
<aside>Reklam</aside><footer>Telif hakkı</footer></body></html>"""


def test_the_main_text_a_line_a_paragraph():
    page = extract(PAGE)
    assert page.text.split("\n") == [
        "Daire: 3. Ceza",
        "Davacı vekili, kararı temyiz etmiştir, dosya incelendi.",
        "Gereği düşünüldü.",
        "Esas 2019/12",
        "birinci satır",
        "ikinci satır",
    ]
    assert (page.title, page.url) == ("Karar özeti", "https://a.tr/karar")


def test_main_and_the_longest_article_come_before_the_body():
    assert extract("<p>dışarı</p><main><header><h1>Başlık</h1></header><p>içeri</p></main>").text == "Başlık\niçeri"
    assert (
        extract(f"<p>dışarı</p><article>{'içeri ' * 9}</article><article>başka</article>").text
        == ("içeri " * 9).strip()
    )
    assert extract("<p>uzun bir metin burada</p><article>kısa</article>").text == "uzun bir metin burada\nkısa"


def test_a_heading_that_is_its_own_address_is_no_link():
    own = '<h2><a id=x href="#x">Gerekçe</a> <a href="#x">¶</a></h2><p><a name=y>Çapa</a></p>'
    other = '<h2><a href="/baska">Başka haber</a></h2><li><a href="#x">1</a></li>'
    assert extract(own + other).text == "Gerekçe\nÇapa"


def test_pages_may_nest_as_deep_as_they_like():
    assert extract("<div>" * 5_000 + "derin" + "</div>" * 5_000).text == "derin"


def test_broken_html_is_read_as_browsers_do():
    assert extract("<p>bir<p>iki<div>üç</p>dört").text == "bir\niki\nüç\ndört"
    assert extract("").text == extract("<nav>x</nav>").text == ""


def test_files(tmp_path):
    (tmp_path / "a.html").write_text(PAGE)
    (document,) = read_documents(tmp_path / "a.html", SourceConfig())
    assert document.text.startswith("Daire") and document.fields == {
        "title": "Karar özeti",
        "url": "https://a.tr/karar",
    }
    (tmp_path / "b.htm").write_bytes('<meta charset="windows-1254"><p>ığşİ'.encode("cp1254"))
    assert [d.text for d in read_documents(tmp_path / "b.htm", SourceConfig())] == ["ığşİ"], (
        "a page names its encoding itself"
    )
    bad = BadDocuments("skip")
    (tmp_path / "c.html").write_bytes("<p>ığşİ".encode("cp1254"))
    (tmp_path / "d.html").write_text("<nav><a href=x>x</a></nav>")
    for name in "cd":
        assert not list(read_documents(tmp_path / f"{name}.html", SourceConfig(), bad))
    assert bad.counts == {"not_utf8": 1, "no_text": 1}


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_a_block_goes_where_links_are_more_than_a_third(share):
    linked = "a" * int(100 * share)
    text = extract(f"<p>{'b' * (100 - len(linked))}<a href=x>{linked}</a></p><p>kalan</p>").text
    assert ("b" in text) == (share < 1 / 3)


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 200_000 + "text",
        "<object><div></object>" * 20_000 + "<ul><li>" * 20_000,
        '<div a="</div>">' * 20_000,
        "<div><svg><desc></div></desc></svg>" * 20_000,
        "<div><textarea></div></textarea>" * 20_000,
        "<!--><div><!-->" * 20_000,
        "<svg><g a='/>'>" * 20_000,
        "<b><div></b>" * 20_000,
    ],
)
def test_a_page_that_nests_without_end_is_bad_and_never_parsed(page, tmp_path):
    (tmp_path / "deep.html").write_text(page)
    bad = BadDocuments("skip")
    assert list(read_documents(tmp_path / "deep.html", SourceConfig(), bad)) == []
    assert bad.counts == {"too_deep": 1} and "nests more than 256 elements" in bad.examples[0]


def test_formatting_that_is_never_closed_costs_no_text():
    page = extract("<p>" + "".join(f"<div><b title={number}>word {number}</div>" for number in range(20_000)))
    assert page.text.split("\n") == [f"word {number}" for number in range(20_000)]


def test_a_long_page_of_plain_markup_is_read(tmp_path):
    rows = "".join(
        f"<tr><td><font size={n % 5}>Row {n}</font><td><svg><path d='M0'/></svg><p>has a cell<br></tr>"
        for n in range(5000)
    )
    script = (
        "<script>" + "document.write('<div>');" * 500 + "</script><style>i > b {}</style><!-- " + "<div>" * 500 + " -->"
    )
    page = extract(f"<body>{script}<table>{rows}</table><p>The end.")
    assert page.text.startswith("Row 0") and page.text.count("has a cell") == 5000 and page.text.endswith("The end.")
