"""The jobs that there are: a record each (`jobs/records/`), in the order in which text becomes a model."""

from jobs.records import (
    corpus,
    doctor,
    embedder,
    export,
    fetch,
    merge,
    mix,
    ocr,
    pipeline,
    prepare,
    quality,
    quickstart,
    recycle,
    split,
    status,
    sweep,
    tokenizer,
    topics,
    train,
)
from jobs.records.job import Job

JOBS: dict[str, Job] = {
    record.JOB.name: record.JOB
    for record in (
        quickstart, corpus, quality, topics, embedder, ocr, recycle, split, tokenizer, prepare, mix, train, sweep,
        merge, export,
        pipeline, fetch, doctor, status,
    )
}  # fmt: skip
STEPS = {name: job for name, job in JOBS.items() if job.home is not None}
"""Those with a result of their own: they can be steps of a pipeline, and be queued."""


def is_training(job: str) -> bool:
    """Whether the job of that name makes steps; one that there is no longer, as an old submission may have, does
    not."""
    return job in JOBS and JOBS[job].is_training
