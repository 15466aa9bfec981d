"""jobs.export: one checkpoint as a Hugging Face folder."""

import json
from pathlib import Path

from common.files import read_json
from jobs.records.following import Ended
from jobs.records.job import Job


def _following(ended: Ended) -> list[str]:
    """A line that loads the exported model and uses it."""
    output = ended.config.export.output
    kind = str(read_json(Path(output) / "config.json").get("architectures"))
    task, text = ("fill-mask", "net.tokenizer.mask_token") if "MaskedLM" in kind else ("text-generation", '"The"')
    return [
        "-c",
        f'from transformers import pipeline; net = pipeline("{task}", {json.dumps(output)}); print(net({text}))',
    ]


JOB = Job(
    "export",
    "export the best checkpoint",
    ("export", "sweep", "cluster"),
    home=lambda config: config.export.output,
    needs=lambda config: {"export.checkpoint": config.export.checkpoint},
    following=_following,
    takes_over=("export", "sweep", "parallel", "cluster"),
)
