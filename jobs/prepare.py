"""Tokenise text into Megatron-Core's .bin/.idx, shard by shard, resumable; or adopt a pair that exists.

  python -m jobs.prepare name=mine 'data.inputs=[my/folder]'                  tokens in data/mine/tokens
  python -m jobs.prepare name=mine 'data.inputs=[my/folder]' dry_run=true     only show the shard plan
  python -m jobs.prepare name=mine prepare.adopt=old/corpus_text_document   take over old/corpus_text_document.{bin,idx}

The same command goes on where it was cut off, and does again only shards whose input has changed or whose tokens are
damaged. Files may come and go; other settings (another tokenizer, say), and files of which none was there before, are
refused: choose another name."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import manifest
from common.files import make_folder, nothing_left
from common.layout import TOKENS
from common.progress import Bar, say
from common.reading.unread import Unread
from common.remove import sweep_asides
from common.screen import screen
from conf.schema import Config
from data_prep.sources.inputs import search
from data_prep.sources.shards import Shard, groups, plan_shards
from data_prep.tokens.settings import refuse_other_files, settings_of, tell_changes
from data_prep.tokens.state import SETTINGS, begin, finished, read_manifest, refuse_others
from jobs.cli import main

if TYPE_CHECKING:
    from data_prep.tokens.tokenise import TokeniseWork


def run(config: Config) -> dict[str, Any] | None:
    """Fill `data.tokens`; returns its manifest (None for a dry run)."""
    folder, adopting = Path(config.data.tokens), config.prepare.adopt
    settings = settings_of(config)
    refuse_others(folder, settings)
    paths, unread = ([], []) if adopting else search(config.data.inputs, "data.inputs")
    known = read_manifest(folder)
    if known and not adopting:
        refuse_other_files(folder, known, paths)
    if config.prepare.array_task is None:  # beside others, each would say the same
        Unread.of(unread).tell("data.inputs")
    done, whole = finished(folder, known, paths, config.prepare, config.data.max_document_bytes)
    if done:
        say(f"{folder} is there: {known['documents']:,} documents, {known['tokens']:,} tokens")
        return known
    if adopting:
        _check_pair(adopting)
    if known and config.prepare.array_task is None:
        tell_changes(folder, known, paths)
    shards = plan_shards(paths, config.prepare.shard_bytes)
    if config.dry_run:
        return _show(config, shards)
    if config.prepare.array_task is not None:  # beside others, who may have begun already
        return _fill(config, settings, shards, known, whole)
    with nothing_left(folder, SETTINGS):
        return _fill(config, settings, shards, known, whole)


def _fill(
    config: Config, settings: dict[str, Any], shards: list[Shard], known: dict | None, whole: bool
) -> dict[str, Any]:
    """Do what is left."""
    folder = Path(config.data.tokens)
    begin(make_folder(folder), settings)
    for place in (folder, make_folder(folder / "shards")):
        if config.prepare.array_task is None:  # otherwise another array task may be writing there
            sweep_asides(place)
    if config.prepare.array_task is not None:
        return _array_task(config, settings, shards, known)
    made = (
        _adopt(config, folder, settings) if config.prepare.adopt else _tokenise(config, settings, shards, known, whole)
    )
    say(
        f"{folder}: {made['documents']:,} documents, {made['tokens']:,} tokens, bad documents:"
        f" {made['bad_documents'] or 'none'}"
    )
    return made


def _tokenise(
    config: Config, settings: dict[str, Any], shards: list[Shard], known: dict | None, whole: bool
) -> dict[str, Any]:
    """Make the shards that are missing or broken, then merge, unless the merged files hold exactly these already."""
    from data_prep.tokens.publish import publish
    from data_prep.tokens.tokenise import MB

    work = _work(config, settings, known)
    dealt = groups(shards, config.prepare.array_size)
    results = _run(config, work, dealt)
    made = {
        shard.key: one
        for group, result in zip(dealt, results, strict=True)
        for shard, one in zip(group, result, strict=True)
    }
    keys = [shard.key for shard in shards]
    inside = (
        whole
        and keys == list(work.merged.places)
        and not any((work.folder / "shards" / key / TOKENS).exists() for key in keys)
    )
    tokens = sum(one["tokens"] for one in made.values())
    with Bar("merge", 0 if inside else tokens * (2 if work.vocab_size < 65500 else 4) * MB, "MB") as bar:
        return publish(work, keys, [made[key] for key in keys], not inside, bar.advance)


def _array_task(config: Config, settings: dict[str, Any], shards: list[Shard], known: dict | None) -> dict[str, Any]:
    """Make the shards of one array task; how many documents and tokens they hold."""
    dealt = groups(shards, config.prepare.array_size)[config.prepare.array_task :][:1]
    made = [shard for group in _run(config, _work(config, settings, known), dealt) for shard in group]
    return {"shards": len(made), **{name: sum(shard[name] for shard in made) for name in ("documents", "tokens")}}


def _work(config: Config, settings: dict[str, Any], known: dict | None) -> "TokeniseWork":
    from data_prep.tokenizer.bulk import identity
    from data_prep.tokens.merge import Merged
    from data_prep.tokens.tokenise import TokeniseWork

    folder = Path(config.data.tokens)
    vocabulary = identity(config.data.tokenizer, config.prepare.add_special_tokens)
    return TokeniseWork(folder, config.data, config.prepare, settings, *vocabulary, Merged(folder, known))


def _run(config: Config, work: "TokeniseWork", dealt: list[list[Shard]]) -> list[list[dict[str, Any]]]:
    from data_prep.tokens.tokenise import MB, ShardGroup, run_shard_group
    from slurm.local import run_array_tasks

    size = sum(shard.bytes for group in dealt for shard in group) * MB
    return run_array_tasks(
        run_shard_group, [ShardGroup(work, group) for group in dealt], config.cluster.workers, "tokenise", size, "MB"
    )


def _check_pair(prefix: str) -> None:
    """Raise UserError, before anything is written, for a pair whose index says that it cannot be adopted."""
    from data_prep.tokens.adopt import check_index, pair
    from data_prep.tokens.indexed import read_index

    tokens, index = pair(prefix)
    check_index(index, read_index(index), tokens.stat().st_size)


def _adopt(config: Config, folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    from data_prep.tokenizer.backends import load_reference, vocabulary_size
    from data_prep.tokens.adopt import MB, adopt, pair
    from data_prep.tokens.publish import adopted_manifest

    vocab_size = vocabulary_size(load_reference(config.data.tokenizer))
    with Bar("check", pair(config.prepare.adopt)[0].stat().st_size * MB, "MB") as bar:
        found = adopt(config.prepare.adopt, folder, vocab_size, bar.advance)
    return adopted_manifest(folder, settings, vocab_size, found)


def _show(config: Config, shards: list[Shard]) -> None:
    """Print the shard plan."""
    from rich.table import Table

    if config.prepare.adopt:
        from data_prep.tokens.adopt import pair

        print(f"adopt {' and '.join(map(str, pair(config.prepare.adopt)))} as {config.data.tokens}")
        return
    table = Table("array_task", "shard", "MB", "input", "state", title=f"{len(shards)} shards for {config.data.tokens}")
    array_tasks = {
        shard.key: number
        for number, group in enumerate(groups(shards, config.prepare.array_size), 1)
        for shard in group
    }
    for shard in shards:
        there = (Path(config.data.tokens) / "shards" / shard.key / manifest.NAME).exists()
        table.add_row(
            str(array_tasks[shard.key]),
            shard.key,
            f"{shard.bytes / 1e6:.1f}",
            shard.title,
            "there" if there else "to do",
        )
    screen().print(table)


if __name__ == "__main__":
    main("prepare", run)
