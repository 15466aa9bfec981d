"""The recipes of docs/extending.md, done as the page shows them, one after the other in a copy of the project."""

import pytest

from tests.docs.pages import copy_project, execute, section

pytestmark = pytest.mark.long

EXECUTED = ["Schedule", "Callback", "Tokenizer pattern", "Job", "Cluster profile"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("project"))


@pytest.mark.long
@pytest.mark.parametrize("recipe", EXECUTED)
def test_the_code_of_a_recipe_works_as_the_page_shows_it(recipe, project):
    blocks = section("extending.md", recipe)
    assert any(block.language == "bash" for block in blocks)
    for block in blocks:
        execute(block, project)
