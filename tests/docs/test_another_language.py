"""docs/another_language.md, done as it says, for a made-up language."""

import json
import random

import pytest

from common.errors import UserError
from data_prep.text.language import load_language
from tests.docs.pages import copy_project, execute, section

TEMPLATE = "conf/data/language/template.yaml"
STOP_WORDS = [
    "ka",
    "lo",
    "meš",
    "tu",
    "ži",
    "en",
    "po",
    "da",
    "ru",
    "sa",
    "vi",
    "no",
    "mi",
    "te",
    "ok",
    "ub",
    "il",
    "ar",
    "em",
    "zo",
]


def documents(number: int = 40) -> list[str]:
    """Sentences of a language that nobody speaks: every third word is a stop word."""
    rng = random.Random(7)
    sounds = [c + v for c in "bdgklmnprstvzžš" for v in "aeiouå"]
    words = ["".join(rng.choices(sounds, k=rng.randint(2, 4))) for _ in range(800)]

    def sentence() -> str:
        chosen = [rng.choice(STOP_WORDS if place % 3 == 0 else words) for place in range(rng.randint(8, 18))]
        return " ".join(chosen).capitalize() + "."

    return ["\n\n".join(" ".join(sentence() for _ in range(4)) for _ in range(5)) for _ in range(number)]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project, and a folder of clean text in it."""
    folder = copy_project(tmp_path_factory.mktemp("project"))
    (folder / "clean").mkdir()
    for number, text in enumerate(documents()):
        (folder / "clean" / f"{number:02}.txt").write_text(text, encoding="utf-8")
    return folder


def test_a_profile_made_as_the_page_says_runs(project):
    copied, script, proposed, dry, real = section("another_language.md")
    execute(copied, project)
    execute(script, project)
    profile = project / "conf/data/language/xx.yaml"
    lines = profile.read_text(encoding="utf-8").splitlines()
    proposals = execute(proposed, project).splitlines()
    for proposal in proposals:
        key = proposal.partition(":")[0]
        (place,) = (number for number, line in enumerate(lines) if line.startswith(f"{key}:"))
        lines[place] = proposal
    profile.write_text("\n".join(lines) + "\n", encoding="utf-8")
    known = dict(line.split(": ", 1) for line in proposals)
    assert set(STOP_WORDS) <= set(json.loads(known["stop_words"])) and json.loads(known["diacritics"]) == "åšž"
    execute(dry, project)
    assert not (project / "data").exists()
    assert "40 of 40 documents kept" in execute(real, project)
    bad = project / "clean" / "bad.txt"
    bad.write_text("\n".join(f"# {number} [...] >> {number * 7}" for number in range(200)))
    assert "40 of 41 documents kept" in execute(real, project)


def test_the_template_is_no_language():
    with pytest.raises(UserError, match=f"cp {TEMPLATE} conf/data/language/xy.yaml") as error:
        load_language("xy")
    assert "there are: en, pl, tr;" in str(error.value)
    with pytest.raises(UserError, match="there is no profile"):
        load_language("template")
