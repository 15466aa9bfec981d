"""All stages of a corpus in their order, and the share of one array task."""

import dataclasses
import gc
import os
from dataclasses import dataclass

from common.progress import ProgressReport
from conf.schema import Config
from data_prep.corpus.stages.compare import Buckets, Cells, Clusters, Paragraphs, Semantic
from data_prep.corpus.stages.curate import Curate
from data_prep.corpus.stages.plan import CorpusPlan
from data_prep.corpus.stages.stage import CorpusWork, Stage, Task
from data_prep.corpus.stages.write import Write

SHARED = ("curate", "buckets", "cells", "semantic", "paragraphs", "write")
"""Stages whose units array tasks share; the others are one unit of work."""


def stage_names(config: Config) -> list[str]:
    """Names of the stages that a configuration has, in order; known without reading anything."""
    corpus = config.corpus
    middle = ["cells", "semantic"] if corpus.semantic.enabled else []
    return ["curate", "buckets", "clusters", *middle, *(["paragraphs"] if corpus.paragraphs.enabled else []), "write"]


def stages(config: Config) -> list[Stage]:
    """The stages. Raises UserError for sources or profiles that cannot be meant."""
    work = CorpusWork(config)
    curate = Curate(work)
    buckets = Buckets(work, curate)
    clusters = Clusters(work, buckets)
    line: list[Stage] = [curate, buckets, clusters]
    semantic = None
    if config.corpus.semantic.enabled:
        cells = Cells(work, clusters)
        semantic = Semantic(work, cells)
        line += [cells, semantic]
    paragraphs = None
    if config.corpus.paragraphs.enabled:
        paragraphs = Paragraphs(work, line[-1], clusters, semantic)
        line.append(paragraphs)
    return [*line, Write(work, line[-1], clusters, semantic, paragraphs)]


def freeze_corpus(config: Config) -> Config:
    """The configuration with the profiles of its languages written out, so that a YAML edited meanwhile changes
    nothing."""
    profiles = {code: dataclasses.asdict(profile) for code, profile in CorpusPlan(config.corpus).languages.items()}
    return dataclasses.replace(config, corpus=dataclasses.replace(config.corpus, languages=profiles))


def stage_share(stage: Stage, array_size: int, array_task: int) -> list[Task]:
    """The units of work of one of ``array tasks`` array tasks."""
    return stage.tasks()[array_task::array_size]


@dataclass(frozen=True)
class StageShare:
    """The share of one array task in one stage; it can be sent to another process."""

    config: Config
    stage: str
    array_size: int
    array_task: int


def run_stage_share(point: StageShare, report: ProgressReport) -> None:
    """Do the units of work of an array task that are not done."""
    os.environ.setdefault(
        "RAYON_NUM_THREADS", "1"
    )  # array tasks share the cores; libraries in Rust would take all of them
    gc.set_threshold(100_000, 50, 50)  # documents and words are many objects without cycles
    stage = next(stage for stage in stages(point.config) if stage.name == point.stage)
    for task in stage_share(stage, point.array_size, point.array_task):
        stage.run(task, report)
