"""`plan=true`: memory and time of a run on GPUs that need not be here, and the layout to take. Reads the configuration
alone."""

from common.screen import Screen, screen
from conf.schema import Config
from model.training.cost.layouts import estimate
from model.training.cost.show import render

__all__ = ["estimate", "plan_layout"]


def plan_layout(config: Config, width: int | None = None) -> str:
    """The plan as text, for a terminal of ``width`` columns (that of this one by default; 160 where there is none).

    Raises UserError where there is nothing to plan for or nothing fits, see `estimate`.
    """
    console = screen(160) if width is None else Screen(width=width)
    with console.capture() as captured:
        console.print(render(config, estimate(config)))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
