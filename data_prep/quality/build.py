"""Building of a quality classifier, from examples to a folder: booster, vocabulary, profile, report, manifest."""

from pathlib import Path
from typing import Any

import numpy as np

from common import manifest
from common.files import atomic_folder, write_json
from common.layout import REPORT
from common.progress import say
from conf.schema.data import DataConfig
from conf.schema.language import LanguageConfig
from conf.schema.quality import QualityConfig
from data_prep.quality import measures, report
from data_prep.quality.classifier import Classifier
from data_prep.quality.examples import LABELS, Examples, collect_examples
from data_prep.quality.features.stylometric import NAMES, VERSION
from data_prep.quality.learn import ROUNDS, Vocabularies, features_of, fit, fit_peers, labels_of, training_features


def build(
    config: QualityConfig,
    data: DataConfig,
    profile: LanguageConfig,
    seed: int,
    made_from: dict[str, Any],
    rounds: int = ROUNDS,
) -> dict[str, Any]:
    """Learn, measure and write `quality.model`; returns the report. ``made_from`` goes into the manifest (settings,
    inputs)."""
    folder = Path(config.model)
    examples = collect_examples(config, data, seed)
    held_out = ", ".join(f"{name} {len(some):,}" for name, some in examples.held_out.items())
    say(f"{len(examples.train):,} training examples; held out: {held_out}")
    vocabularies = Vocabularies(examples, profile)
    values, labels = training_features(examples.train, profile, vocabularies), labels_of(examples.train)
    classifier = Classifier(fit(values, labels, seed, rounds), vocabularies.whole, profile)
    models = {report.OURS: classifier.predict} | {
        name: model.predict_proba for name, model in fit_peers(values, labels, seed).items()
    }
    figures = {
        "name": folder.name,
        "train": len(labels),
        **measure(examples, models, classifier),
        "importances": importances(classifier),
    }
    with atomic_folder(folder, "quality") as aside:
        classifier.save(aside)
        write_json(aside / "report.json", figures)
        (aside / REPORT).write_text(report.render(figures), encoding="utf-8")
        fields = made_from | {
            "seed": seed,
            "features": list(NAMES),
            "features_version": VERSION,
            "examples": len(labels),
            "files": manifest.digests(aside),
        }
        manifest.write(aside, manifest.describe("quality", **fields))
    return figures


def measure(examples: Examples, models: dict[str, Any], classifier: Classifier) -> dict[str, Any]:
    """Figures of every model on every held-out set, and those of ours by kind."""
    sets: dict[str, Any] = {}
    kinds: dict[str, Any] = {}
    for name, some in examples.held_out.items():
        if not some:
            continue
        values, truth = (
            features_of([example.text for example in some], classifier.profile, classifier.vocabulary),
            labels_of(some),
        )
        sets[name] = {
            model: measures.figures(np.asarray(predict(values)), truth, LABELS) for model, predict in models.items()
        }
        probabilities = classifier.predict(values)
        kinds[name] = measures.by_kind(
            probabilities, [labelled.label for labelled in some], [labelled.kind for labelled in some], LABELS
        )
    return {"sets": sets, "kinds": kinds}


def importances(classifier: Classifier) -> dict[str, float]:
    """Feature -> sum of what its splits gained, largest first."""
    gains = classifier.booster.get_score(importance_type="total_gain")
    return {name: round(gains[name], 3) for name in sorted(gains, key=lambda name: (-gains[name], name))}
