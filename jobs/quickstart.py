"""Build a corpus and a retrieval set from text that is at hand: the docstrings of the installed Python packages, or a
folder of yours.

python -m jobs.quickstart experiment=quickstart
python -m jobs.quickstart experiment=quickstart name=own quickstart.folder=my/texts
"""

from conf.schema import Config
from data_prep.quickstart.build import build_quickstart
from jobs.cli import main


def run(config: Config) -> None:
    """Fill `quickstart.output` and `data.retrieval`."""
    build_quickstart(config)


if __name__ == "__main__":
    main("quickstart", run)
