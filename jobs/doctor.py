"""Say what this machine has and what training will use of it, one line a thing: ok, note, or missing, and what to do
about it.

Run it where training will run: a login node has other GPUs, memory and limits than a compute node. Exit status 0 where
training can run, 1 where something that it needs is missing or broken.

  python -m jobs.doctor
  python -m jobs.doctor experiment=mecellem/mursit_base
  python -m jobs.doctor cluster=slurm cluster.partition=gpu cluster.gpus_per_node=4    would SLURM run this?
  srun --gpus=1 python -m jobs.doctor parallel=data_bf16 parallel.attention=flash
"""

import sys

from rich.table import Table
from rich.text import Text

from common.screen import screen
from conf.schema import Config
from jobs.checks import disk, hub, machine, packages, scheduler, training
from jobs.checks.finding import MISSING, NOTE, OK, Check, Finding, look
from jobs.cli import main

CHECKS: list[Check] = [
    packages.python,
    packages.requirements,
    packages.torch,
    packages.megatron_core,
    packages.transformers,
    packages.tokenizer,
    machine.gpus,
    packages.flash_attn,
    packages.transformer_engine,
    packages.apex,
    training.model,
    training.attention("fp32"),
    training.attention("bf16"),
    training.optimizer,
    machine.cores,
    machine.memory,
    disk.runs,
    hub.hub,
    hub.mirror,
    machine.data,
]
STYLES = {OK: "green", NOTE: "yellow", MISSING: "bold red"}


def run(config: Config) -> list[Finding]:
    """Print what every check finds, and return it. Raises SystemExit(1), after the table, where something needed is
    missing or broken."""
    findings = [*(look(check, config) for check in CHECKS), *scheduler.findings(config)]
    table = Table(box=None, pad_edge=False)
    for column in ("", "state", "found", "what to do"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        table.add_row(finding.name, Text(finding.state, STYLES[finding.state]), Text(finding.found), Text(finding.mend))
    console = screen()  # a log is read wider than 80 columns
    console.print(table)
    missing = [finding.name for finding in findings if finding.state == MISSING]
    console.print(f"\nTraining cannot run here: {', '.join(missing)}." if missing else "\nTraining can run here.")
    if missing:
        sys.exit(1)
    return findings


if __name__ == "__main__":
    main("doctor", run)
