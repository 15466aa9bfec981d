import numpy as np

from data_prep.dedup import report

FIRSTS = np.array([0, 1, 0, 3, 1, 0, 6, 0, 8, 8, 0])


def test_sizes():
    assert report.sizes(FIRSTS) == {"documents": 11, "clusters": 3, "repeats": 6, "histogram": {"2-3": 2, "4-7": 1}}
    assert report.sizes(np.arange(4)) == {"documents": 4, "clusters": 0, "repeats": 0, "histogram": {}}
    assert report.sizes(np.empty(0, np.int64))["clusters"] == 0


def test_the_largest_clusters_with_what_differs():
    text = "bir iki üç dört beş altı yedi"
    texts = {0: text, 5: text.replace("dört", "4"), 10: f"{text} sekiz", 1: "a b", 4: "a c"}
    asked = []
    clusters = report.samples(FIRSTS, lambda number: asked.append(number) or texts[number], clusters=2, members=2)
    assert [(cluster["size"], cluster["document"], cluster["text"]) for cluster in clusters] == [
        (5, 0, text),
        (2, 1, "a b"),
    ]
    assert [[other["document"] for other in cluster["others"]] for cluster in clusters] == [[5, 10], [4]]
    assert clusters[0]["others"][0]["differences"] == [
        {"first": "bir iki üç [ dört ] beş altı yedi", "second": "bir iki üç [ 4 ] beş altı yedi"}
    ]
    assert clusters[0]["others"][1]["differences"] == [
        {"first": "beş altı yedi [ ]", "second": "beş altı yedi [ sekiz ]"}
    ]
    assert sorted(asked) == [0, 1, 4, 5, 10] and report.samples(np.arange(3), texts.get) == []
