"""What is counted on fake tensors is what real ones do."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib import autoencoder, unet
from course_lib.metrics.flops import TRAINED, Cost, cost


def a_layer():
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh())


def three_rows():
    return (torch.zeros(3, 5),)


def test_a_linear_layer_costs_what_one_counts_by_hand():
    found = cost(a_layer, three_rows)
    assert found.parameters == 5 * 7 + 7
    assert found.flops == 2 * 3 * 5 * 7
    assert found.training_flops == found.flops + 2 * 3 * 5 * 7  # the way back: only to the weights
    assert found.activation_memory == 4 * (3 * 5 + 3 * 7)  # the layer's input, and tanh's output
    assert found.memory == TRAINED * 42 + found.activation_memory


def test_without_training_nothing_is_kept_and_nothing_goes_back():
    found = cost(a_layer, three_rows, trained=False)
    assert (found.flops, found.training_flops, found.activation_memory) == (2 * 3 * 5 * 7, 0, 0)


def test_a_unet_of_fake_tensors_costs_what_a_real_one_does():
    def inputs():
        return torch.zeros(3, 4, 8, 8), torch.zeros(3, dtype=torch.long), torch.zeros(3, 6, 128)

    found = cost(unet.emoji_latent, inputs)
    real, kept = unet.emoji_latent(), 0
    seen = {p.untyped_storage().data_ptr() for p in real.parameters()}

    def note(x):
        nonlocal kept
        if x.untyped_storage().data_ptr() not in seen:
            seen.add(x.untyped_storage().data_ptr())
            kept += x.untyped_storage().nbytes()
        return x

    with (
        FlopCounterMode(display=False) as counter,
        torch.autograd.graph.saved_tensors_hooks(note, lambda x: x),
    ):
        out = real(*inputs())
        assert found.flops == counter.get_total_flops()
        out.mean().backward()
    assert found.training_flops == counter.get_total_flops()
    assert found.activation_memory == kept
    assert found.parameters == sum(p.numel() for p in real.parameters())


def test_half_precision_keeps_less_and_works_as_much():
    def inputs():
        return (torch.zeros(2, 4, 8, 8),)

    whole, half = (cost(lambda: autoencoder.emoji().decoder, inputs, half=h) for h in (False, True))
    assert half.flops == whole.flops
    assert half.activation_memory < 0.8 * whole.activation_memory


def test_twice_the_speed_is_half_the_hours():
    c = Cost(parameters=1, flops=10, training_flops=36, activation_memory=0)
    assert c.hours(steps=1000, per_second=10.0) == pytest.approx(1.0)
    assert c.hours(steps=1000, per_second=20.0) == pytest.approx(0.5)
    with pytest.raises(ValueError, match=r"more than 0 operations a second, got 0\.0"):
        c.hours(steps=1, per_second=0.0)
