"""A stranger's checkpoint runs no code, and is refused in one sentence."""

import pickle
import resource
import shutil

import pytest
import torch
from torch.distributed.checkpoint.metadata import BytesStorageMetadata, TensorStorageMetadata

from common.errors import UserError
from model.megatron import checkpoint
from model.megatron.metadata import read_metadata
from tests.model.megatron import attacks


@pytest.fixture(scope="module")
def saved(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stranger") / "checkpoint"
    run = tiny.Run("adamw")
    run.steps(0, 1)
    checkpoint.save(folder, run.model, run.optimizer, {"step": 1})
    return folder


@pytest.fixture
def stranger(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "checkpoint")


def test_the_description_is_the_one_that_was_written(saved):
    theirs = pickle.loads((saved / ".metadata").read_bytes())  # noqa: S301 - written above
    ours = read_metadata(saved)
    assert {type(entry) for entry in ours.state_dict_metadata.values()} == {TensorStorageMetadata}
    assert ours.state_dict_metadata == theirs.state_dict_metadata
    assert {index: (place.relative_path, place.offset, place.length) for index, place in ours.storage_data.items()} == {
        index: (place.relative_path, place.offset, place.length) for index, place in theirs.storage_data.items()
    }


@pytest.mark.parametrize("attack", attacks.ALL, ids=lambda attack: attack.__name__)
def test_no_code_runs(tiny, stranger, tmp_path, attack, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # which many set for the sake of other programs
    attack(stranger, tmp_path / "hurt")
    run = tiny.Run("adamw", seed=3)
    loads = [
        lambda: checkpoint.load(stranger, run.model, run.optimizer),
        lambda: checkpoint.load_model_only(stranger, run.model),
    ]
    loads += [lambda: checkpoint.read_state(stranger)] if attack.__name__.startswith("common") else []
    for load in [*loads, *[lambda: read_metadata(stranger)] * (attack in attacks.READ)]:
        with pytest.raises(UserError, match="choose another checkpoint") as told:
            load()
        assert "\n" not in str(told.value) and str(stranger) in str(told.value)
        assert not (tmp_path / "hurt").exists()


def test_the_attacks_are_real(stranger, tmp_path):
    """Trusted, the same bytes run."""
    ran = []
    for number, attack in enumerate((attacks.dotted, attacks.bomb, attacks.bomb_within, attacks.by_psutil)):
        folder, hurt = shutil.copytree(stranger, tmp_path / str(number)), tmp_path / f"hurt_{number}"
        attack(folder, hurt)
        found = pickle.loads((folder / ".metadata").read_bytes())  # noqa: S301 - that is the point
        if hasattr(found, "wait"):
            found.wait()
        ran.append(hurt.exists())
    assert all(ran)


def test_the_description_is_read_once(tiny, stranger, tmp_path, monkeypatch):
    """What takes its place between the look and the loading is not opened."""
    from model.megatron import checkpoint_io

    former = checkpoint_io.load_tensors

    def swapped(*arguments):
        attacks.bomb(stranger, tmp_path / "hurt")
        (stranger / "common.pt").write_bytes(pickle.dumps(attacks.Bomb(tmp_path / "hurt")))
        return former(*arguments)

    monkeypatch.setattr(checkpoint, "load_tensors", swapped)
    run = tiny.Run("adamw", seed=3)
    assert checkpoint.load(stranger, run.model, run.optimizer) == {"step": 1}
    assert not (tmp_path / "hurt").exists()


NAME = "embedding.word_embeddings.weight"


def lose_a_place(metadata):
    metadata.storage_data = {index: place for index, place in metadata.storage_data.items() if index.fqn != NAME}


def lose_a_piece(metadata):
    metadata.state_dict_metadata[NAME].chunks.clear()


def move_a_piece(metadata):
    metadata.state_dict_metadata[NAME].chunks[0].offsets = torch.Size((1, 0))


def number_with_a_point(metadata):
    metadata.state_dict_metadata[NAME].size = (64.0, 32)


def below_zero(metadata):
    next(iter(metadata.storage_data.values())).offset = -1


def no_tensor(metadata):
    metadata.state_dict_metadata[NAME] = metadata.state_dict_metadata[NAME].chunks[0]


def packed(metadata):
    next(iter(metadata.storage_data.values())).transform_descriptors = ["zstd"]


@pytest.mark.parametrize(
    "harm", [lose_a_place, lose_a_piece, move_a_piece, number_with_a_point, below_zero, no_tensor, packed]
)
def test_a_description_that_does_not_fit_is_refused(stranger, harm):
    attacks.edit(stranger, harm)
    with pytest.raises(UserError, match=r"\.metadata is damaged or not ours"):
        read_metadata(stranger)


@pytest.mark.parametrize(
    "harm", [lambda data: data[:100], lambda data: b"", lambda data: b"\x80\x04N.", lambda data: data[:-1]]
)
def test_a_damaged_description_is_one_sentence(stranger, harm):
    (stranger / ".metadata").write_bytes(harm((stranger / ".metadata").read_bytes()))
    with pytest.raises(UserError, match=r"\.metadata is damaged or not ours"):
        read_metadata(stranger)


def test_a_number_in_a_description_asks_for_no_memory(stranger):
    (stranger / ".metadata").write_bytes(
        b"\x80\x04K\x01r" + (1 << 27).to_bytes(4, "little") + b"."
    )  # remember 1 as value 2^27
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=r"\.metadata is damaged or not ours"):
        read_metadata(stranger)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 100_000  # KB; it was 2,000,000


@pytest.mark.parametrize(
    "config", ["", "[]", "{}", '{"sharded_backend": "torch_dist", "more": 1}', '{"sharded_backend": "zarr"}']
)
def test_another_format_is_refused(stranger, config):
    (stranger / "metadata.json").write_text(config)
    with pytest.raises(UserError, match=r"metadata\.json is damaged or not ours"):
        read_metadata(stranger)


def test_objects_of_megatron_lm_are_left_out(stranger):
    attacks.edit(stranger, lambda metadata: metadata.state_dict_metadata.update(rng_state=BytesStorageMetadata()))
    with pytest.raises(UserError, match="rng_state is a pickled object"):
        read_metadata(stranger)
    assert "rng_state" not in read_metadata(stranger, objects=True).state_dict_metadata


@pytest.mark.parametrize("harm", ["cut", "gone", "other"])
def test_a_damaged_file_of_tensors_is_one_sentence(tiny, stranger, harm):
    file = next(stranger.glob("*.distcp"))
    file.write_bytes(b"x" * file.stat().st_size if harm == "other" else file.read_bytes()[:1000])
    if harm == "gone":
        file.unlink()
    with pytest.raises(UserError, match="has tensors that cannot be read"):
        checkpoint.load_model_only(stranger, tiny.Run("adamw").model)


def test_generators_that_cannot_be_read_are_one_sentence(tiny, stranger):
    def lose(metadata):
        del metadata.state_dict_metadata[attacks.RNG]

    attacks.edit(stranger, lose)
    run = tiny.Run("adamw")
    with pytest.raises(UserError, match="states of the random generators"):
        checkpoint.load(stranger, run.model, run.optimizer)
