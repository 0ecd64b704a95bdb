"""Lesson 03: noise put on, taken off, scored; one training step; signal against noise."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.exercises.exercise import Answer, Case, Exercise, Wrong


def _batch(g: torch.Generator, b: int, c: int, h: int, w: int) -> tuple[Tensor, Tensor, Tensor]:
    pictures = torch.rand(b, c, h, w, generator=g) * 2 - 1
    noise = torch.randn(b, c, h, w, generator=g)
    return pictures, noise, 0.1 + 1.4 * torch.rand(b, generator=g)


SIZES = ((3, 3, 4, 5), (2, 1, 3, 2), (4, 4, 4, 4))


# --- noisy


def noisy(pictures: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    """pictures + level * noise, each picture (b, c, h, w) with its own level (b,)."""
    return pictures + levels[:, None, None, None] * noise


def _noisy_in_a_loop(pictures: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    together = zip(pictures, noise, levels, strict=True)
    return torch.stack([p + float(level) * n for p, n, level in together])


def _noisy_by_einsum(pictures: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    return pictures + torch.einsum("b,bchw->bchw", levels, noise)


def one_level_for_all(pictures: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    return pictures + levels[0] * noise


def without_the_level(pictures: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    return pictures + noise


def level_along_the_width(pictures: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    return pictures + levels * noise


def level_along_the_channels(pictures: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    return pictures + levels[:, None, None] * noise


def clamped(pictures: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    return noisy(pictures, noise, levels).clamp(-1, 1)


def level_on_the_picture(pictures: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    return levels[:, None, None, None] * (pictures + noise)


def _noisy_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    return [_batch(g, *size) for size in SIZES]


NOISY = Exercise(
    id="03.noisy",
    task="Add noise to a batch of pictures: picture + level * noise, each with its own level.",
    points=1,
    cases=_noisy_cases,
    reference=noisy,
    right=(_noisy_in_a_loop, _noisy_by_einsum),
    wrong=(
        Wrong(one_level_for_all, "every picture gets the first one's level; each has its own"),
        Wrong(without_the_level, "the noise comes at full strength: multiply it by the level"),
        Wrong(
            level_along_the_width,
            "levels (b,) lines up with the LAST axis, the width. Give it three more axes: "
            "levels[:, None, None, None]",
        ),
        Wrong(
            level_along_the_channels,
            "levels[:, None, None] lines up with the channels: one None more",
        ),
        Wrong(clamped, "do not clamp: noise that is cut off can no longer be subtracted exactly"),
        Wrong(level_on_the_picture, "the level multiplies the noise alone, not the picture too"),
    ),
    hints=(
        "PyTorch lines shapes up from the right. Where should the b levels stand?",
        "`levels[:, None, None, None]` has the shape (b, 1, 1, 1) and meets (b, c, h, w) rightly.",
    ),
)


# --- recovered


def recovered(x: Tensor, guess: Tensor) -> Tensor:
    """The picture that is left when the guessed noise is taken off, back in [-1, 1]."""
    return (x - guess).clamp(-1, 1)


def _recovered_with_min_and_max(noisy: Tensor, guess: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(noisy - guess, torch.tensor(-1.0)), torch.tensor(1.0))


def _recovered_with_where(noisy: Tensor, guess: Tensor) -> Tensor:
    x = noisy - guess
    return torch.where(x.abs() > 1, x.sign(), x)


def not_clamped(noisy: Tensor, guess: Tensor) -> Tensor:
    return noisy - guess


def clamped_too_early(noisy: Tensor, guess: Tensor) -> Tensor:
    return noisy.clamp(-1, 1) - guess


def clamped_from_0_to_1(noisy: Tensor, guess: Tensor) -> Tensor:
    return (noisy - guess).clamp(0, 1)


def added_once_more(noisy: Tensor, guess: Tensor) -> Tensor:
    return (noisy + guess).clamp(-1, 1)


def squeezed(noisy: Tensor, guess: Tensor) -> Tensor:
    return (noisy - guess).tanh()


def _recovered_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for size in SIZES:
        pictures, noise, levels = _batch(g, *size)
        guess = noise * levels[:, None, None, None] + 0.3 * torch.randn(size, generator=g)
        cases.append((noisy(pictures, noise, levels), guess))
    return cases


RECOVERED = Exercise(
    id="03.recovered",
    task="Take the guessed noise off and bring what is left into a picture's range, [-1, 1].",
    points=1,
    cases=_recovered_cases,
    reference=recovered,
    right=(_recovered_with_min_and_max, _recovered_with_where),
    wrong=(
        Wrong(not_clamped, "a wrong guess leaves values beyond [-1, 1]: clamp the result"),
        Wrong(clamped_too_early, "clamp AFTER subtracting: before it you cut the noise, which "
              "then no longer fits the guess"),
        Wrong(clamped_from_0_to_1, "our pictures go from -1 to 1: this makes all dark parts grey"),
        Wrong(added_once_more, "this adds the noise a second time: subtract it"),
        Wrong(squeezed, "tanh changes every value; only those beyond the range need a change"),
    ),
    hints=("What was added is to be subtracted.", "`x.clamp(-1, 1)` at the end."),
)  # fmt: skip


# --- score


def score(guess: Tensor, noise: Tensor) -> Tensor:
    """Mean squared error: the mean, over all pixels of all pictures, of (guess - noise) squared."""
    return F.mse_loss(guess, noise)


def _score_by_hand(guess: Tensor, noise: Tensor) -> Tensor:
    return ((guess - noise) ** 2).mean()


def _score_of_flat(guess: Tensor, noise: Tensor) -> Tensor:
    d = (guess - noise).flatten()
    return d @ d / len(d)


def the_sum(guess: Tensor, noise: Tensor) -> Tensor:
    return ((guess - noise) ** 2).sum()


def mean_difference(guess: Tensor, noise: Tensor) -> Tensor:
    return (guess - noise).mean()


def square_of_the_mean(guess: Tensor, noise: Tensor) -> Tensor:
    return (guess - noise).mean() ** 2


def absolute(guess: Tensor, noise: Tensor) -> Tensor:
    return (guess - noise).abs().mean()


def rooted(guess: Tensor, noise: Tensor) -> Tensor:
    return ((guess - noise) ** 2).mean().sqrt()


def per_picture(guess: Tensor, noise: Tensor) -> Tensor:
    return ((guess - noise) ** 2).mean(dim=(1, 2, 3))


def under_no_grad(guess: Tensor, noise: Tensor) -> Tensor:
    with torch.no_grad():
        return ((guess - noise) ** 2).mean()


def _value_and_gradient(answer: Answer, case: Case) -> list[Tensor]:
    """The loss, and its slope for every number of the guess: training needs both."""
    guess = case[0].clone().requires_grad_()
    loss = answer(guess, case[1])
    if not (isinstance(loss, Tensor) and loss.ndim == 0 and loss.requires_grad):
        return [loss, torch.zeros_like(guess)]
    (gradient,) = torch.autograd.grad(loss, guess, allow_unused=True)
    return [loss.detach(), torch.zeros_like(guess) if gradient is None else gradient]


def _score_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    return [(torch.randn(s, generator=g), torch.randn(s, generator=g)) for s in SIZES]


SCORE = Exercise(
    id="03.score",
    task="Give one number for how wrong a guess of the noise is: the mean squared error.",
    points=1,
    cases=_score_cases,
    reference=score,
    right=(_score_by_hand, _score_of_flat),
    wrong=(
        Wrong(the_sum, "the mean, not the sum: a larger picture is not a worse guess"),
        Wrong(mean_difference, "too high here and too low there cancel out: square first"),
        Wrong(square_of_the_mean, "square each difference, THEN take the mean"),
        Wrong(absolute, "this is the mean ABSOLUTE error; square the differences"),
        Wrong(rooted, "leave the root out: the mean of the squares itself"),
        Wrong(per_picture, "one number for the whole batch, not one for each picture"),
        Wrong(
            under_no_grad,
            "the value is right, but it has no gradient, so nothing can learn from it: leave out "
            "no_grad, .detach() and .item()",
        ),
    ),
    hints=("Difference, square, mean, in this order.", "`((guess - noise) ** 2).mean()`"),
    probe=_value_and_gradient,
)


# --- training_step

Net = Callable[[Tensor], Tensor]
Optimizer = torch.optim.Optimizer


def training_step(
    pictures: Tensor, noise: Tensor, levels: Tensor, net: Net, optimizer: Optimizer
) -> float:
    """One step: guess the noise in noisy pictures, score the guess, follow the slope down."""
    x = noisy(pictures, noise, levels)
    loss = score(net(x), levels[:, None, None, None] * noise)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def _step_by_difference(
    pictures: Tensor, noise: Tensor, levels: Tensor, net: Net, optimizer: Optimizer
) -> float:
    optimizer.zero_grad()
    x = noisy(pictures, noise, levels)
    loss = F.mse_loss(net(x), x - pictures)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return float(loss)


def _step_on_the_picture(
    pictures: Tensor, noise: Tensor, levels: Tensor, net: Net, optimizer: Optimizer
) -> float:
    x = pictures + levels.reshape(-1, 1, 1, 1) * noise
    loss = ((x - net(x) - pictures) ** 2).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def gradients_never_cleared(
    pictures: Tensor, noise: Tensor, levels: Tensor, net: Net, optimizer: Optimizer
) -> float:
    loss = score(net(noisy(pictures, noise, levels)), levels[:, None, None, None] * noise)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def step_forgotten(
    pictures: Tensor, noise: Tensor, levels: Tensor, net: Net, optimizer: Optimizer
) -> float:
    loss = score(net(noisy(pictures, noise, levels)), levels[:, None, None, None] * noise)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item()


def cleared_after_backward(
    pictures: Tensor, noise: Tensor, levels: Tensor, net: Net, optimizer: Optimizer
) -> float:
    loss = score(net(noisy(pictures, noise, levels)), levels[:, None, None, None] * noise)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    return loss.item() + 0.0


def noise_without_its_level(
    pictures: Tensor, noise: Tensor, levels: Tensor, net: Net, optimizer: Optimizer
) -> float:
    loss = score(net(noisy(pictures, noise, levels)), noise)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def guesses_the_picture(
    pictures: Tensor, noise: Tensor, levels: Tensor, net: Net, optimizer: Optimizer
) -> float:
    loss = score(net(noisy(pictures, noise, levels)), pictures)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def looks_at_the_clean_picture(
    pictures: Tensor, noise: Tensor, levels: Tensor, net: Net, optimizer: Optimizer
) -> float:
    loss = score(net(pictures), levels[:, None, None, None] * noise)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def _step_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for size in SIZES:
        weight = torch.randn(size[1], size[1], 3, 3, generator=g) / (9 * size[1]) ** 0.5
        cases.append((*_batch(g, *size), weight))
    return cases


def _two_steps(answer: Answer, case: Case) -> list[float | Tensor]:
    """Two steps with a weight decay, which shows each step: the losses, the weights after them."""
    pictures, noise, levels, weight = case
    w = nn.Parameter(weight.clone())
    optimizer = torch.optim.SGD([w], lr=0.3, weight_decay=0.1)

    def net(x: Tensor) -> Tensor:
        return torch.tanh(F.conv2d(x, w, padding=1))

    losses = [answer(pictures, noise, levels, net, optimizer) for _ in range(2)]
    return [*losses, w.detach()]


TRAINING_STEP = Exercise(
    id="03.training_step",
    task="Take one training step: make noisy pictures, score the network's guess of level * noise, "
    "clear the gradients, go backward, step; return the loss as a number.",
    points=3,
    cases=_step_cases,
    reference=training_step,
    right=(_step_by_difference, _step_on_the_picture),
    wrong=(
        Wrong(
            gradients_never_cleared,
            "the second step still holds the slopes of the first: optimizer.zero_grad()",
        ),
        Wrong(step_forgotten, "the weights never change: optimizer.step() at the end"),
        Wrong(
            cleared_after_backward,
            "zero_grad() must come BEFORE backward(): here it throws away the new slopes",
        ),
        Wrong(
            noise_without_its_level,
            "the network should find what was added: level * noise, not the noise at full strength",
        ),
        Wrong(guesses_the_picture, "the network guesses the NOISE: compare with level * noise"),
        Wrong(
            looks_at_the_clean_picture, "the network must see the noisy picture, not the clean one"
        ),
    ),
    hints=(
        "Your `noisy` makes what the network sees; your `score` compares `net(x)` with what was "
        "added.",
        "What was added is `levels[:, None, None, None] * noise`.",
        "`optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`, in this order; in the "
        "end `return loss.item()`.",
    ),
    probe=_two_steps,
)


# --- decibels


def decibels(pictures: Tensor, noise: Tensor) -> Tensor:
    """Signal-to-noise ratio of each picture: 10 log10(mean picture^2 / mean noise^2), (b,)."""
    signal = (pictures**2).mean(dim=(1, 2, 3))
    return 10 * torch.log10(signal / (noise**2).mean(dim=(1, 2, 3)))


def _decibels_of_lengths(pictures: Tensor, noise: Tensor) -> Tensor:
    return 20 * (pictures.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1)).log10()


def _decibels_in_a_loop(pictures: Tensor, noise: Tensor) -> Tensor:
    pairs = zip(pictures, noise, strict=True)
    return torch.stack(
        [10 * (p.square().sum().log10() - n.square().sum().log10()) for p, n in pairs]
    )


def over_the_whole_batch(pictures: Tensor, noise: Tensor) -> Tensor:
    return 10 * torch.log10((pictures**2).mean() / (noise**2).mean())


def upside_down(pictures: Tensor, noise: Tensor) -> Tensor:
    return -decibels(pictures, noise)


def without_the_squares(pictures: Tensor, noise: Tensor) -> Tensor:
    return 10 * torch.log10(pictures.abs().mean(dim=(1, 2, 3)) / noise.abs().mean(dim=(1, 2, 3)))


def natural_logarithm(pictures: Tensor, noise: Tensor) -> Tensor:
    signal = (pictures**2).mean(dim=(1, 2, 3))
    return 10 * torch.log(signal / (noise**2).mean(dim=(1, 2, 3)))


def the_ratio_alone(pictures: Tensor, noise: Tensor) -> Tensor:
    return (pictures**2).mean(dim=(1, 2, 3)) / (noise**2).mean(dim=(1, 2, 3))


def _decibel_cases(seed: int) -> list[Case]:
    return [(p, n * level[:, None, None, None]) for p, n, level in _noisy_cases(seed)]


DECIBELS = Exercise(
    id="03.decibels",
    task="Give each picture's signal-to-noise ratio in decibels: 10 log10 of a ratio of powers.",
    points=2,
    cases=_decibel_cases,
    reference=decibels,
    right=(_decibels_of_lengths, _decibels_in_a_loop),
    wrong=(
        Wrong(over_the_whole_batch, "one number for each picture (b,): mean over axes 1, 2 and 3"),
        Wrong(
            upside_down, "signal over noise, not noise over signal: more noise is FEWER decibels"
        ),
        Wrong(without_the_squares, "power is the mean of the SQUARES"),
        Wrong(natural_logarithm, "decibels use the logarithm to base 10: torch.log10"),
        Wrong(the_ratio_alone, "that is the ratio; decibels are 10 times its log10"),
    ),
    hints=(
        "The power of a picture is the mean of its squared values.",
        "`(x ** 2).mean(dim=(1, 2, 3))` gives one power for each picture of the batch.",
    ),
)

EXERCISES = (NOISY, RECOVERED, SCORE, TRAINING_STEP, DECIBELS)
