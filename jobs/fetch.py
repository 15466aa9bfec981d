"""Mirror what the configuration names on the Hugging Face hub, and packages, for compute nodes that see no internet.

Run it where there is internet, mostly on a login node. Any `hf://[datasets/]org/name[@revision][/path]` in data.inputs,
data.tokenizer, data.retrieval and tokenizer.compare is fetched, and what fetch.models and fetch.datasets list; the
other jobs then find it offline.

  python -m jobs.fetch experiment=mine                                   what this experiment names
  python -m jobs.fetch experiment=mine dry_run=true                      list the files with their sizes
  python -m jobs.fetch 'fetch.models=[answerdotai/ModernBERT-base]'      a model
  python -m jobs.fetch 'fetch.datasets=[mteb/scifact]'                   the data of a benchmark task
  python -m jobs.fetch fetch.wheelhouse=wheels                           the packages of requirements.lock as wheels

The same command goes on where it was cut off, and asks nobody where all is here. HF_TOKEN is taken from the
environment."""

from rich.table import Table

from common.artefacts import KEYS, SCHEME, Reference, cache_folder, parse, references
from common.files import make_folder
from common.progress import Bar, say
from common.screen import screen
from conf.schema import Config
from jobs.cli import main


def run(config: Config) -> dict[str, str]:
    """Fill the cache and the wheelhouse; returns the local folder of each reference (nothing for a dry run)."""
    wanted = collect(config)
    if not wanted and not config.fetch.wheelhouse:
        say("nothing to fetch: the configuration names local files only; see fetch.models and fetch.datasets")
    places = _mirror(config, wanted) if wanted else {}
    if config.fetch.wheelhouse:
        from jobs.mirror.wheelhouse import build

        build(config.fetch, config.dry_run)
    return places


def collect(config: Config) -> dict[Reference, list[str]]:
    """Repository (a reference without a path) -> globs of the files wanted of it."""
    asked = [(parse(text), KEYS[key]) for key, text in references(config)]
    for listed, prefix in ((config.fetch.models, SCHEME), (config.fetch.datasets, f"{SCHEME}datasets/")):
        asked += [(parse(text if text.startswith(SCHEME) else prefix + text), config.fetch.include) for text in listed]
    wanted: dict[Reference, list[str]] = {}
    for reference, files in asked:
        whole = Reference(reference.kind, reference.name, reference.revision)
        wanted[whole] = sorted({*wanted.get(whole, []), *reference.patterns(files)})
    return wanted


def _mirror(config: Config, wanted: dict[Reference, list[str]]) -> dict[str, str]:
    from jobs.mirror.hub import bring, check_room, plan

    cache = cache_folder(config.fetch.cache)
    plans = [plan(reference, patterns, cache, config.fetch) for reference, patterns in wanted.items()]
    _show(plans, config.dry_run)
    check_room(plans, cache)
    if config.dry_run:
        return {}
    make_folder(cache)
    lacking = [one for one in plans if one.files]
    if lacking:
        with Bar("fetch", round(sum(one.lacking_bytes for one in lacking) / 1e6, 3), "MB") as bar:
            for one in lacking:
                bring(one, cache, config.fetch, bar)
    say(f"{len(plans)} mirrored in {cache}; jobs find them offline")
    return {str(one.reference): str(one.reference.folder(cache) / "snapshots" / one.commit) for one in plans}


def _show(plans: list, every_file: bool) -> None:
    """One line a reference; each file too where that is asked for."""
    table = Table("reference", "commit", "files", "to fetch", "MB", box=None)
    for one in plans:
        count = str(len(one.files)) if one.files else "all here"
        table.add_row(
            str(one.reference), one.commit[:12], count, str(len(one.lacking)), f"{one.lacking_bytes / 1e6:.1f}"
        )
        for file in one.lacking if every_file else []:
            table.add_row(f"  {file.path}", "", "", "", f"{file.size / 1e6:.1f}")
    screen().print(table)


if __name__ == "__main__":
    main("fetch", run)
