"""Section `status`: what `jobs.status` shows and does."""

from dataclasses import dataclass, field
from typing import Annotated

from conf.schema.ranges import Range


@dataclass
class StatusConfig:
    """What is shown, and what is done to what is shown."""

    runs: list[str] = field(default_factory=lambda: ["${runs_dir}/*/*", "${runs_dir}/*/*/*"])
    """Run folders to show, globs allowed, beside everything that was submitted from `runs_dir`."""
    watch: Annotated[float, Range(0, 86_400)] = 0.0
    """Show the table again every so many seconds until Ctrl-C; 0 shows it once. `--watch` is short for
    status.watch=5."""
    artefact: str | None = None
    """Show what this folder (an export, save, run, tokens or tokenizer) was made of, down to the text, and whether it
    still fits."""
    document: str | None = None
    """Show where a document of data.tokens (prepared, or a phase of a mixture) came from, through the corpus to the
    line of its source, and which tokens it became: its number in tokens.bin, its id (`id:4711` where that is a number
    too), or `file:line` of the source. Of what a corpus dropped it shows the stage, the reason, and what it repeats."""
    run: str | None = None
    """With status.document: a run folder; shows in which samples and steps that run trains on the document."""
    cancel: str | None = None
    """Cancel what is queued or runs: a job id (12, 12_3), a run folder, or a submission (folder or its name)."""
    goodput: str | None = None
    """Show how much of the time that SLURM charged for the array tasks of a job id, run folder or submission went into
    steps that count."""
    retry: str | None = None
    """Queue again what failed, was cancelled or never finished of a submission (folder or its name) or in a run folder,
    with the configuration and the code that were frozen then."""
