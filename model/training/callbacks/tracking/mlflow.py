"""MLflow: the metrics of a run as one run there, in a file of its own by default."""

import os
import re
import time
from pathlib import Path

from conf.schema.tracking import MlflowConfig
from model.training.callbacks.hparams import SECTIONS, flatten
from model.training.callbacks.tracking.tracker import FAILED, FINISHED, INTERRUPTED, Tracker, identity
from model.training.run.folder import Run

TAG = "terzi.run"
"""Tag that holds the identity of a run."""
STATUS = {FINISHED: "FINISHED", INTERRUPTED: "SCHEDULED", FAILED: "FAILED"}
PARAMS_AT_ONCE = 100
"""Parameters that MLflow takes in one call."""


class Mlflow(Tracker):
    """Writes a run of MLflow, found again by its tag in later attempts."""

    def __init__(self, config: MlflowConfig, run: Run, metrics: Path):
        """``config``: section `tracking.mlflow`."""
        super().__init__(run, metrics)
        self.config = config
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

    def open(self) -> int:
        """Find the run by its tag, or create it with the frozen configuration as parameters."""
        from mlflow import MlflowClient

        own = self.run.folder.resolve()
        self.client = MlflowClient(tracking_uri=self.config.uri or f"sqlite:///{own}/mlflow.db")
        experiment = self.client.get_experiment_by_name(self.config.experiment)
        if experiment is None:
            artifacts = None if self.config.uri else (own / "mlflow").as_uri()
            number = self.client.create_experiment(self.config.experiment, artifact_location=artifacts)
        else:
            number = experiment.experiment_id
        known = self.client.search_runs([number], filter_string=f"tags.`{TAG}` = '{identity(self.run)}'")
        self.run_id = known[0].info.run_id if known else self._create(number)
        self.client.update_run(self.run_id, status="RUNNING")
        return int(known[0].data.metrics.get("step", -1)) if known else -1

    def _create(self, experiment: str) -> str:
        from mlflow.entities import Param

        name = f"{self.run.config['name']}/{self.run.folder.name}"
        run_id = self.client.create_run(experiment, run_name=name, tags={TAG: identity(self.run)}).info.run_id
        values = flatten({section: self.run.config[section] for section in SECTIONS})
        params = [Param(key, str(value)[:500]) for key, value in values.items()]
        for start in range(0, len(params), PARAMS_AT_ONCE):
            self.client.log_batch(run_id, params=params[start : start + PARAMS_AT_ONCE])
        return run_id

    def send(self, step: int, values: dict[str, float]) -> None:
        """Log one step in one call."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(re.sub(r"[^\w./ -]", "_", name), value, now, step) for name, value in values.items()]
        self.client.log_batch(self.run_id, metrics=metrics)

    def finish(self) -> None:
        """Say how the attempt ended."""
        self.client.set_terminated(self.run_id, STATUS[self.status])
