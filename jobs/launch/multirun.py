"""The launcher of Hydra multiruns: every point is composed here, once, and then run in turn or queued as one array."""

import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write


class TerziLauncher(BasicLauncher):
    """Runs the points of a multirun one after another with cluster=local; with cluster=slurm queues them all and
    returns.

    Hydra's sweeper reads the return value of every point. That of a queued point is the `Receipt`, the same for all,
    and says nothing of its result; with cluster.wait=true it is what the job returned. A sweeper that optimises needs
    the latter and is refused otherwise."""

    __module__ = (
        "hydra_plugins.terzi"  # Hydra takes plugins from that package alone, and ours is not to be a second top level
    )

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's sweeper composes every point to check it and throws it away; what it composed is kept for
        `launch`."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        composed: dict[tuple[str, ...], DictConfig] = {}
        compose = hydra_context.config_loader.load_sweep_config

        def remember(master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
            key = tuple(sweep_overrides)
            if key not in composed:
                composed[key] = task_function.read(lambda: compose(master_config, sweep_overrides))
            return composed[key].copy()

        hydra_context.config_loader.load_sweep_config = remember

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compose and run or queue."""
        composed = [self._compose(overrides) for overrides in job_overrides]
        if not any(point.cluster.kind == "slurm" for point in composed):
            self.task_function.check(composed, job_overrides)  # all of them, before the first takes hours
            return super().launch(job_overrides, initial_job_idx)
        values = self.task_function.queue(
            composed, [list(overrides) for overrides in job_overrides], self.config.hydra.sweeper._target_
        )
        returns = []
        for number, (point, overrides) in enumerate(zip(composed, job_overrides, strict=True)):
            found = JobReturn(overrides=list(overrides), cfg=point, status=JobStatus.COMPLETED)
            found.return_value = values[number] if isinstance(values, list) else values
            returns.append(found)
        return returns

    def _compose(self, overrides: Sequence[str]) -> DictConfig:
        point = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with read_write(point), open_dict(point):
            del point["hydra"]
        return point


def register() -> None:
    """Make the launcher known to Hydra, which imports it by the name that it has there."""
    if "hydra_plugins" not in sys.modules and importlib.util.find_spec("hydra_plugins") is None:
        sys.modules["hydra_plugins"] = ModuleType("hydra_plugins")
        sys.modules["hydra_plugins"].__path__ = []  # a package, with nothing on disk for Hydra to scan
    sys.modules["hydra_plugins.terzi"] = sys.modules[__name__]
    Plugins.instance().register(TerziLauncher)
