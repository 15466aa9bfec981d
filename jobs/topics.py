"""Learn to tell topics apart from labelled documents, and report how well.

  python -m jobs.topics name=mine 'topics.labelled=[my/labelled.jsonl]'   classifier and report.html in data/mine/topics

The name topics in `corpus.rules` then writes the topic of each document into its notes, and `mixture.topic_caps` caps
them. Given again with the same settings and text, the command does nothing."""

from dataclasses import asdict
from typing import Any

from common import manifest
from common.progress import say
from conf.schema import Config
from jobs.cli import main

USED_LATER = ("model", "min_probability")
"""Keys that do not change what is learnt."""


def run(config: Config) -> dict[str, Any] | None:
    """Fill `topics.model`; returns its manifest (None for a dry run)."""
    from data_prep.reuse import digests_of, find_reusable
    from data_prep.sources import version
    from data_prep.text.language import load_language
    from data_prep.topics import classifier, learn

    topics = config.topics
    profile = load_language(topics.language, config.corpus.languages.get(topics.language))
    settings = {key: value for key, value in asdict(topics).items() if key not in USED_LATER}
    settings |= {
        "seed": config.seed,
        "text_field": config.data.text_field,
        "id_field": config.data.id_field,
        "casing": profile.casing,
    }
    made_by = {
        "topic training": learn.VERSION, "topic classifier": classifier.VERSION, "reader": version.VERSION,
    }  # fmt: skip
    known = {"settings": settings, manifest.MADE_BY: made_by, "inputs": digests_of(topics.labelled, "topics.labelled")}
    there = find_reusable(topics.model, "topics", known, "topics.model")
    if there:
        say(f"{topics.model} is there")
        return there
    if config.dry_run:
        print(f"learn the topics of {topics.language} text from {len(known['inputs'])} files into {topics.model}")
        return None
    found = learn.build(topics, config.data, profile, config.seed, known)["held_out"]
    print(f"{len(found['classes'])} topics, {found['examples']:,} held-out documents")
    print(f"accuracy {found['accuracy']:.3f}, macro-F1 {found['macro_f1']:.3f}")
    return manifest.read(topics.model)


if __name__ == "__main__":
    main("topics", run)
