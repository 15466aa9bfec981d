"""The small run with saves of `tests/model/evaluation/conftest.py`, for the jobs that read it."""

import importlib.util
from pathlib import Path

_FILE = Path(__file__).parents[1] / "model" / "evaluation" / "conftest.py"
_spec = importlib.util.spec_from_file_location("evaluation_fixtures", _FILE)
_shared = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_shared)

retrieval_folder, tokenizer_folder, encoders = _shared.retrieval_folder, _shared.tokenizer_folder, _shared.encoders
make_save, run_folder, sweep_config = _shared.make_save, _shared.run_folder, _shared.sweep_config
