"""The table of docs/scaling.md."""

from pathlib import Path

from benchmarks import scaling


def test_the_documented_table_is_the_one_that_is_printed(capsys):
    scaling.main()
    printed = capsys.readouterr().out.strip()
    assert printed in (Path(__file__).parents[2] / "docs" / "scaling.md").read_text(encoding="utf-8")
