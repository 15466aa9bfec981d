"""jobs.ocr: documents out of scanned pages."""

from jobs.records.following import to_corpus
from jobs.records.inputs import paths
from jobs.records.job import Job

JOB = Job(
    "ocr",
    "read scanned pages",
    ("ocr",),
    home=lambda config: config.ocr.output,
    needs=lambda config: paths("ocr.inputs", config.ocr.inputs),
    text_key="ocr.inputs",
    following=lambda ended: to_corpus(ended.config, {}, [ended.config.ocr.output]),
)
