"""Mix prepared sources into what a model reads, phase by phase: weights, budgets, caps on repeats and topics.

  python -m jobs.mix name=mine mixture.sources.web=data/web/tokens mixture.sources.law=data/law/tokens \\
      phases.main.tokens=1000000 phases.main.weights='{web: 0.7, law: 0.3}'
  python -m jobs.mix experiment=mine dry_run=true          only print_mixture what each phase would take
  python -m jobs.train name=mine data.tokens=data/mine/mixture/main

Each phase becomes a tokens folder below mixture.output, and mixture.html and mixture.json print_mixture exact counts,
repeats, lengths and text at random places. The same seed gives the same bytes; the same command goes on where it was
cut off. A source goes on through the phases where it stopped: no document comes again before all of it were read. All
sources must be prepared with data.tokenizer. """

from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import atomic_file, digest, make_folder, write_json
from common.layout import TOKENIZER
from common.progress import Bar, say
from common.remove import sweep_asides
from conf.schema import Config
from conf.schema.phase import scaled
from jobs.cli import main

JSON, HTML = "mixture.json", "mixture.html"


def run(config: Config) -> dict[str, Any] | None:
    """Fill `mixture.output`; returns the figures (None for a dry run)."""
    from data_prep.mixture.make import plan_mixture
    from data_prep.mixture.statistics import print_mixture, statistics
    from data_prep.mixture.write import MB, find_phase, settings_of, write_phase

    phases = scaled(config.phases, config.budget)
    tokenizer = _tokenizer(config)
    mixture = plan_mixture(config.mixture, phases, config.seed, digest(tokenizer))
    found = {
        "name": config.name,
        "seed": config.seed,
        **statistics(config.mixture, phases, mixture.sources, mixture.strata, mixture.shares),
    }
    if config.dry_run:
        print_mixture(found)
        return None
    output = make_folder(config.mixture.output)
    sweep_asides(output)
    settings = {
        name: settings_of(name, config.seed, mixture.sources, shares) for name, shares in mixture.shares.items()
    }
    manifests = {name: find_phase(output / name, one) for name, one in settings.items()}
    size = 2 if mixture.sources[0].manifest["vocab_size"] < 65500 else 4
    missing = {name: shares for name, shares in mixture.shares.items() if manifests[name] is None}
    with Bar("mix", sum(share.tokens for shares in missing.values() for share in shares) * size * MB, "MB") as bar:
        for name, shares in missing.items():
            manifests[name] = write_phase(output / name, settings[name], mixture.sources, shares, bar.advance)
    return _report(config, output, tokenizer, mixture.sources, found, manifests)


def _tokenizer(config: Config) -> Path:
    tokenizer = Path(config.data.tokenizer) / TOKENIZER
    if not tokenizer.is_file():
        raise UserError(
            f"there is no {tokenizer}; name with data.tokenizer the folder of the tokenizer that the sources were"
            " prepared with"
        )
    return tokenizer


def _report(
    config: Config, output: Path, tokenizer: Path, sources: list, found: dict[str, Any], manifests: dict[str, Any]
) -> dict[str, Any]:
    """Write mixture.json and mixture.html, and print_mixture the table."""
    from data_prep.mixture.preview import preview
    from data_prep.mixture.report import render
    from data_prep.mixture.statistics import add_written, print_mixture

    add_written(found, manifests)
    folders = {name: output / name for name in manifests}
    found["preview"] = preview(
        folders, sources, tokenizer, config.mixture.preview, config.mixture.preview_tokens, config.seed
    )
    write_json(output / JSON, found)
    with atomic_file(output / HTML, "w", encoding="utf-8") as file:
        file.write(render(found))
    print_mixture(found)
    say(f"written: {output / JSON}, {output / HTML} and the phases {', '.join(manifests)}")
    return found


if __name__ == "__main__":
    main("mix", run)
