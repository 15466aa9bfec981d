"""Learn to tell bad text from good, from labelled documents or by degrading good text, and report how well.

  python -m jobs.quality name=mine 'quality.good=[my/good.jsonl]'        classifier and report.html in data/mine/quality
  python -m jobs.quality name=mine 'quality.labelled=[my/labelled.jsonl]'   from documents labelled LOW, MEDIUM, HIGH
  python -m jobs.quality name=mine 'quality.good=[my/good.jsonl]' 'quality.measured=[by_hand.jsonl]'

Good text had better be what `jobs.corpus` kept. Given again with the same settings and text, the command does nothing.
"""

from dataclasses import asdict
from typing import Any

from common import manifest
from common.progress import say
from conf.schema import Config
from jobs.cli import main

USED_LATER = ("model", "min_label", "min_probability")
"""Keys that do not change what is learnt."""


def run(config: Config) -> dict[str, Any] | None:
    """Fill `quality.model`; returns its manifest (None for a dry run)."""
    from data_prep.quality import build, learn, report
    from data_prep.quality.classifier import PROFILE_KEYS
    from data_prep.quality.features import stylometric
    from data_prep.reuse import digests_of, find_reusable
    from data_prep.sources import version
    from data_prep.text.language import load_language

    quality = config.quality
    profile = load_language(quality.language, config.corpus.languages.get(quality.language))
    settings = {key: value for key, value in asdict(quality).items() if key not in USED_LATER}
    settings |= {"seed": config.seed, "text_field": config.data.text_field, "id_field": config.data.id_field}
    settings["profile"] = {key: asdict(profile)[key] for key in PROFILE_KEYS}
    learnt = digests_of(quality.labelled or quality.good, "quality.labelled" if quality.labelled else "quality.good")
    inputs = learnt | digests_of(quality.measured, "quality.measured")
    made_by = {
        "quality training": learn.VERSION, "quality features": stylometric.VERSION, "reader": version.VERSION,
    }  # fmt: skip
    known = {"settings": settings, manifest.MADE_BY: made_by, "inputs": dict(sorted(inputs.items()))}
    there = find_reusable(quality.model, "quality", known, "quality.model")
    if there:
        say(f"{quality.model} is there")
        return there
    if config.dry_run:
        print(f"learn the quality of {quality.language} text from {len(known['inputs'])} files into {quality.model}")
        return None
    found = build.build(quality, config.data, profile, config.seed, known)
    print(*report.lines(found), sep="\n")
    return manifest.read(quality.model)


if __name__ == "__main__":
    main("quality", run)
