"""Is it the right thing, and the right style? Asked of a small network that knows true drawings.

For an emoji that is known in other styles but not in this one nobody can tell how its maker
composed it, so the nearest of 100 is too strict a question. `Judge` has learned things and styles
from training pictures; how often it is right on true held-out pictures stands beside every answer.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from course_lib.datasets import emoji
from course_lib.metrics.benchmark import Benchmark
from course_lib.shapes import expect_shape


def style_groups() -> tuple[str, ...]:
    """The styles to be told apart; the two Fluent ones count as one."""
    return tuple(dict.fromkeys(style.split()[0] for style in emoji.STYLES))


def bases() -> tuple[str, ...]:
    """The things to be told apart: codes without skin tone."""
    return tuple(dict.fromkeys(row["base"] for row in emoji.table()))


class Step(nn.Module):
    """Half the size, then two convolutions around a shortcut."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(c_in, c_out, kernel_size=3, stride=2, padding=1)
        self.norm1, self.norm2 = nn.GroupNorm(8, c_out), nn.GroupNorm(8, c_out)
        self.conv1 = nn.Conv2d(c_out, c_out, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(c_out, c_out, kernel_size=3, padding=1)

    def forward(self, x: Float[Tensor, "b c_in h w"]) -> Float[Tensor, "b c_out h2 w2"]:
        x = self.down(x)
        y = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(y)))


class Judge(nn.Module):
    """Pictures (b, 3, 64, 64) in [-1, 1] to logits of things and logits of styles."""

    def __init__(self, things: int, styles: int, widths: Sequence[int] = (48, 96, 160)) -> None:
        super().__init__()
        ends = (3, *widths)
        self.steps = nn.Sequential(*(Step(a, b) for a, b in zip(ends, widths, strict=False)))
        self.norm = nn.GroupNorm(8, widths[-1])
        self.features = nn.Linear(widths[-1] * 16, 256)
        self.drop = nn.Dropout(0.3)
        self.things, self.styles = nn.Linear(256, things), nn.Linear(widths[-1], styles)

    def forward(
        self, pictures: Float[Tensor, "b 3 64 64"]
    ) -> tuple[Float[Tensor, "b things"], Float[Tensor, "b styles"]]:
        expect_shape("Judge", pictures, "b c h w", c=3, h=emoji.SIZE, w=emoji.SIZE)
        half = F.avg_pool2d(pictures, 2)  # drawings are not sharper than that
        x = F.silu(self.norm(self.steps(half)))  # (b, c, 4, 4)
        features = self.drop(F.silu(self.features(x.flatten(1))))
        return self.things(features), self.styles(x.mean(dim=(2, 3)))


def emoji_judge() -> Judge:
    """For all things and styles of the emoji."""
    return Judge(len(bases()), len(style_groups()))


@torch.no_grad()
def judged(
    judge: Callable[[Tensor], tuple[Tensor, Tensor]],
    questions: Benchmark,
    pictures: Float[Tensor, "n 3 64 64"],
) -> tuple[Bool[Tensor, " n"], Bool[Tensor, " n"]]:
    """For a picture for each question: is it the right thing among its 100, and the right style?"""
    number = {base: i for i, base in enumerate(bases())}
    base_of = {row["code"]: row["base"] for row in emoji.table()}
    groups = style_groups()
    thing, style = [], []
    for picture, row, asked in zip(pictures, questions.questions, questions.styles, strict=True):
        things, styles = judge(picture[None])
        codes = [base_of[questions.every.codes[i]] for i in row.tolist()]
        among = torch.tensor([number[code] for code in dict.fromkeys(codes)])
        first, *others = things[0, among].tolist()  # the true one stands first
        thing.append(torch.tensor(first > max(others)))
        style.append(styles[0].argmax() == groups.index(asked.split()[0]))
    return torch.stack(thing), torch.stack(style)
