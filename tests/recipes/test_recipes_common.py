"""What the recipes share: cycles of training, and the card's count of minutes."""

import torch
from torch import nn

from course_lib.recipes.common import card, cycles, seeded
from course_lib.training import long_run


def fresh():
    """A line to be fitted, and the loss that draws its own points."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1)

    def loss_of(generator):
        x = torch.randn(8, 3, generator=generator)
        return (model(x) - x.sum(dim=1, keepdim=True)).square().mean()

    return model, loss_of


def test_each_cycle_begins_with_the_averaged_weights_of_the_last(tmp_path):
    model, loss_of = fresh()
    first = long_run(model, loss_of, tmp_path / "a", steps=20, lr=0.1, seed=0)
    last = model.weight.clone()
    model.load_state_dict(first.state_dict())
    wanted = long_run(model, loss_of, tmp_path / "b", steps=10, lr=0.1, seed=1)

    model, loss_of = fresh()
    got = cycles(model, loss_of, tmp_path / "both", steps=(20, 10), lr=0.1)
    assert got is model
    assert not torch.equal(last, first.weight)  # the average is not the last step
    torch.testing.assert_close(got.state_dict(), wanted.state_dict(), rtol=0, atol=0)
    assert not got.training
    assert not any(p.requires_grad for p in got.parameters())


def test_the_ends_of_the_last_cycles_can_be_averaged(tmp_path):
    model, loss_of = fresh()
    ends = []
    for i, steps in enumerate((20, 10, 5)):
        ends.append(long_run(model, loss_of, tmp_path / str(i), steps=steps, lr=0.1, seed=i))
        model.load_state_dict(ends[-1].state_dict())
    model, loss_of = fresh()
    got = cycles(model, loss_of, tmp_path, steps=(20, 10, 5), lr=0.1, mean_of=2)
    torch.testing.assert_close(got.weight, (ends[1].weight + ends[2].weight) / 2)
    torch.testing.assert_close(got.bias, (ends[1].bias + ends[2].bias) / 2)


def test_a_run_of_one_cycle_can_be_added_to(tmp_path):
    model, loss_of = fresh()
    wanted = cycles(model, loss_of, tmp_path / "at once", steps=(20, 10), lr=0.1)
    model, loss_of = fresh()
    cycles(model, loss_of, tmp_path / "later", steps=(20,), lr=0.1)
    model, loss_of = fresh()
    got = cycles(model, loss_of, tmp_path / "later", steps=(20, 10), lr=0.1)
    torch.testing.assert_close(got.state_dict(), wanted.state_dict(), rtol=0, atol=0)


def test_each_cycle_may_have_a_loss_of_its_own_and_trains_what_was_frozen(tmp_path):
    model, loss_of = fresh()
    model.requires_grad_(False)
    asked = []

    def noted(i):
        return lambda generator: asked.append(i) or loss_of(generator)

    before = model.weight.clone()
    cycles(model, [noted(0), noted(1)], tmp_path, steps=(3, 2), lr=0.1)
    assert asked == [0, 0, 0, 1, 1]
    assert not torch.equal(model.weight, before)


def test_a_card_counts_the_minutes_of_all_cycles(tmp_path):
    for run, seconds in (("cycle_0", 60), ("cycle_1", 120)):
        (tmp_path / run).mkdir()
        (tmp_path / run / "log.csv").write_text(f"1,0.5,{seconds}\n2,0.4,{seconds}\n")
    assert card(tmp_path, "x", "emoji/")["minutes"] == 6.0
    (tmp_path / "log.csv").write_text("1,0.5,60\n")
    assert card(tmp_path, "x", "emoji/")["minutes"] == 7.0


def test_a_network_begins_as_its_seed_says_and_other_random_numbers_stay():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (seeded(lambda: nn.Linear(3, 1), seed).weight for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.rand(3), wanted)
