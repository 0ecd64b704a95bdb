"""One training step of our UNet and of diffusers', same configuration, by turns in one run.

    python benchmarks/unet_step.py [--steps 10]

Prints processor seconds a step (not wall time: other work counts less) and their ratio;
ours should take at most 1.0 times theirs. One thread.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from course_lib.formats.diffusers_keys import state_to_diffusers
from course_lib.unet import UNet, emoji_latent


def diffusers_twin(unet: UNet) -> UNet2DConditionModel:
    """diffusers' model with the sizes of emoji_latent() and the same weights."""
    twin = UNet2DConditionModel(
        in_channels=4,
        out_channels=4,
        block_out_channels=(96, 192),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=unet.d_context,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    twin.load_state_dict(state_to_diffusers(unet))
    return twin


def timed_step(model: nn.Module, guess: Callable[[], Tensor], noise: Tensor) -> float:
    """Processor seconds of guess, loss and gradients."""
    model.zero_grad()
    start = time.process_time()
    F.mse_loss(guess(), noise).backward()
    return time.process_time() - start


def main() -> None:
    """Time both, by turns, and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ours = emoji_latent()
    theirs = diffusers_twin(ours)
    x, noise = torch.randn(2, 64, 4, 8, 8)
    t, context = torch.randint(1000, (64,)), torch.randn(64, 16, ours.d_context)
    runs = {
        "ours": (ours, lambda: ours(x, t, context)),
        "diffusers": (theirs, lambda: theirs(x, t, encoder_hidden_states=context).sample),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for step in range(steps + 2):
        for name, (model, guess) in runs.items():
            taken = timed_step(model, guess, noise)
            if step >= 2:  # the first two warm up
                seconds[name].append(taken)
    for name, taken in seconds.items():
        print(f"{name:10} {median(taken):.3f} s a step (best {min(taken):.3f})")
    pairs = zip(seconds["ours"], seconds["diffusers"], strict=True)
    print(
        f"ratio {median(a / b for a, b in pairs):.2f} (median of {steps} pairs; best against best "
        f"{min(seconds['ours']) / min(seconds['diffusers']):.2f})"
    )


if __name__ == "__main__":
    main()
