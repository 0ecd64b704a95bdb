import pytest
import torch
from torch import nn

from course_lib.files import weights


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data folder that stands in for the bundled one."""
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(weights, "bundled", lambda name: tmp_path)
    return tmp_path / "weights"


@pytest.fixture
def layer(folder):
    layer = nn.Linear(3, 2)
    weights.save(layer.state_dict(), {"recipe": "none"}, "layer", folder)
    return layer


def test_what_was_saved_comes_back_in_float32_to_half_precision(layer):
    state = weights.load_state("layer")
    assert state["weight"].dtype == torch.float32
    torch.testing.assert_close(state["weight"], layer.weight.detach(), atol=1e-3, rtol=1e-3)
    other = weights.load_into(nn.Linear(3, 2), "layer")
    assert not other.training
    torch.testing.assert_close(other.bias, state["bias"])


def test_the_card_describes_the_file(layer, folder):
    card = weights.card("layer")
    assert card["recipe"] == "none"
    assert card["bytes"] == (folder / "layer.safetensors").stat().st_size
    assert weights.names() == ["layer"]


def test_an_unknown_name_lists_the_known_ones(layer):
    with pytest.raises(FileNotFoundError, match=r"called 'lair'; there are layer\."):
        weights.load_state("lair")


def test_a_missing_file_is_named_with_the_way_to_mend_it(layer, folder):
    (folder / "layer.safetensors").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"layer.safetensors is missing. (Repair|Install|Download)"
    ):
        weights.load_state("layer")


def test_a_damaged_file_is_refused(layer, folder):
    path = folder / "layer.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="damaged: its SHA-256"):
        weights.load_state("layer")


def test_every_bundled_weight_is_the_one_its_card_describes():
    wanted = {"name", "recipe", "seed", "steps", "licence", "sha256", "bytes"}
    for name in weights.names():
        assert weights.load_state(name), name
        assert wanted <= weights.card(name).keys(), name


def test_weights_that_do_not_fit_are_a_sentence(layer):
    with pytest.raises(ValueError, match="the weights 'layer' do not fit this Linear"):
        weights.load_into(nn.Linear(3, 4), "layer")
