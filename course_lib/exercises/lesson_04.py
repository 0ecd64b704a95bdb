"""Lesson 04: the code of a position, how alike codes are, a shift as a turn, into a block."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.exercises.exercise import Case, Exercise, Wrong
from course_lib.positional import positional_encoding

# --- encode


def encode(positions: Tensor, width: int) -> Tensor:
    """`width` / 2 cosines, then as many sines, of position * 10000 ** (-i / (width / 2))."""
    return positional_encoding(positions, width)


def _encode_in_a_loop(positions: Tensor, width: int) -> Tensor:
    half = width // 2
    rows = []
    for p in positions.tolist():
        angles = [p * 10_000 ** (-i / half) for i in range(half)]
        rows.append([math.cos(a) for a in angles] + [math.sin(a) for a in angles])
    return torch.tensor(rows)


def _encode_as_complex(positions: Tensor, width: int) -> Tensor:
    rate = 10_000 ** (-torch.arange(width // 2) / (width // 2))
    turned = torch.polar(torch.ones(1), torch.outer(positions.float(), rate))
    return torch.cat([turned.real, turned.imag], dim=1)


def _angles(positions: Tensor, width: int) -> Tensor:
    half = width // 2
    return positions[:, None] * 10_000 ** (-torch.arange(half) / half)


def sines_first(positions: Tensor, width: int) -> Tensor:
    angle = _angles(positions, width)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def all_the_same_clock(positions: Tensor, width: int) -> Tensor:
    angle = positions[:, None] * torch.ones(width // 2)
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def over_the_whole_width(positions: Tensor, width: int) -> Tensor:
    angle = positions[:, None] * 10_000 ** (-torch.arange(width // 2) / width)
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def one_clock_less(positions: Tensor, width: int) -> Tensor:
    half = width // 2
    angle = positions[:, None] * 10_000 ** (-torch.arange(half) / (half - 1))
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def growing_frequencies(positions: Tensor, width: int) -> Tensor:
    half = width // 2
    angle = positions[:, None] * 10_000 ** (torch.arange(half) / half)
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def interleaved(positions: Tensor, width: int) -> Tensor:
    angle = _angles(positions, width)
    return torch.stack([angle.cos(), angle.sin()], dim=2).flatten(1)


def sines_only(positions: Tensor, width: int) -> Tensor:
    return (positions[:, None] * 10_000 ** (-torch.arange(width) / width)).sin()


def _positions(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    sizes = ((5, 8), (3, 4), (7, 12))
    return [(torch.randint(1, 1000, (n,), generator=g), width) for n, width in sizes]


ENCODE = Exercise(
    id="04.encode",
    task="Turn each position into a code: width/2 cosines, then width/2 sines, fast to slow.",
    points=2,
    cases=_positions,
    reference=encode,
    right=(_encode_in_a_loop, _encode_as_complex),
    wrong=(
        Wrong(sines_first, "right clocks, other order: Stable Diffusion has the cosines first"),
        Wrong(all_the_same_clock, "every column turns at the same speed; each i has its own"),
        Wrong(over_the_whole_width, "divide i by the NUMBER OF CLOCKS, width / 2, not by width"),
        Wrong(one_clock_less, "divide i by width / 2, not by width / 2 - 1"),
        Wrong(growing_frequencies, "the exponent is negative: later clocks turn more SLOWLY"),
        Wrong(interleaved, "all cosines first, then all sines, not cosine and sine by turns"),
        Wrong(sines_only, "a sine alone cannot tell 0 from half a turn: each clock needs both"),
    ),
    hints=(
        "All angles at once: positions[:, None] * rate, with one rate for each of width/2 clocks.",
        "rate = 10_000 ** (-torch.arange(half) / half); then torch.cat of cos and sin along dim=1.",
    ),
    tolerance=1e-3,
)


# --- likeness


def likeness(codes: Tensor) -> Tensor:
    """How alike each pair of n codes (n, width) is: dot product / (width / 2), so 1 for oneself."""
    return codes @ codes.T / (codes.shape[1] / 2)


def _likeness_by_cosine(codes: Tensor) -> Tensor:
    return F.cosine_similarity(codes[:, None], codes[None], dim=2)


def _likeness_in_a_loop(codes: Tensor) -> Tensor:
    rows = [[float((a * b).sum()) * 2 / codes.shape[1] for b in codes] for a in codes]
    return torch.tensor(rows)


def not_divided(codes: Tensor) -> Tensor:
    return codes @ codes.T


def divided_by_the_width(codes: Tensor) -> Tensor:
    return codes @ codes.T / codes.shape[1]


def columns_compared(codes: Tensor) -> Tensor:
    return codes.T @ codes / (codes.shape[1] / 2)


def element_by_element(codes: Tensor) -> Tensor:
    return codes * codes / (codes.shape[1] / 2)


def distances(codes: Tensor) -> Tensor:
    return torch.cdist(codes, codes)


def _codes(seed: int) -> list[Case]:
    return [(positional_encoding(positions, width),) for positions, width in _positions(seed)]


LIKENESS = Exercise(
    id="04.likeness",
    task="Compare all codes with all codes: a table (n, n) of dot products over width / 2.",
    points=1,
    cases=_codes,
    reference=likeness,
    right=(_likeness_by_cosine, _likeness_in_a_loop),
    wrong=(
        Wrong(not_divided, "divide by width / 2, so that each code is 1 like itself"),
        Wrong(divided_by_the_width, "width / 2, not width: each clock gives cos^2 + sin^2 = 1"),
        Wrong(columns_compared, "this compares columns (clocks) with each other; compare rows"),
        Wrong(element_by_element, "`*` goes element by element; all dot products are `a @ b.T`"),
        Wrong(distances, "distances are 0 for oneself; wanted are dot products"),
    ),
    hints=("All dot products of rows: `codes @ codes.T`.", "There are width / 2 clocks."),
    tolerance=1e-3,
)  # fmt: skip


# --- turned


def turned(code: Tensor, steps: int) -> Tensor:
    """The code of position p + steps, from the code (width,) of p alone, without knowing p."""
    half = len(code) // 2
    cos, sin = code[:half], code[half:]
    angle = steps * 10_000 ** (-torch.arange(half) / half)
    return torch.cat([cos * angle.cos() - sin * angle.sin(), sin * angle.cos() + cos * angle.sin()])


def _turned_as_complex(code: Tensor, steps: int) -> Tensor:
    half = len(code) // 2
    rate = 10_000 ** (-torch.arange(half) / half)
    z = torch.complex(code[:half], code[half:]) * torch.polar(torch.ones(half), steps * rate)
    return torch.cat([z.real, z.imag])


def _turned_by_reading_the_clocks(code: Tensor, steps: int) -> Tensor:
    half = len(code) // 2
    angle = torch.atan2(code[half:], code[:half]) + steps * 10_000 ** (-torch.arange(half) / half)
    return torch.cat([angle.cos(), angle.sin()])


def turned_back(code: Tensor, steps: int) -> Tensor:
    return turned(code, -steps)


def codes_added(code: Tensor, steps: int) -> Tensor:
    return code + positional_encoding(torch.tensor([steps]), len(code))[0]


def multiplied_by_clock(code: Tensor, steps: int) -> Tensor:
    return code * positional_encoding(torch.tensor([steps]), len(code))[0]


def all_turned_alike(code: Tensor, steps: int) -> Tensor:
    half = len(code) // 2
    cos, sin, a = code[:half], code[half:], float(steps)
    return torch.cat([cos * math.cos(a) - sin * math.sin(a), sin * math.cos(a) + cos * math.sin(a)])


def mirrored(code: Tensor, steps: int) -> Tensor:
    half = len(code) // 2
    out = turned(code, steps)
    return torch.cat([out[:half], -out[half:]])


def _turns(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for width in (6, 4, 16):
        p, steps = torch.randint(1, 500, (2,), generator=g).tolist()
        cases.append((positional_encoding(torch.tensor([p]), width)[0], steps))
    return cases


TURNED = Exercise(
    id="04.turned",
    task="From the code of a position alone, make the code of the position `steps` further on.",
    points=3,
    cases=_turns,
    reference=turned,
    right=(_turned_as_complex, _turned_by_reading_the_clocks),
    wrong=(
        Wrong(turned_back, "the hands turn the wrong way: cos(a+b) = cos a cos b - sin a sin b"),
        Wrong(codes_added, "codes do not add: the ANGLES do. Turn each pair (cos, sin)"),
        Wrong(multiplied_by_clock, "half of it: cos(a+b) is cos a cos b MINUS sin a sin b"),
        Wrong(all_turned_alike, "each clock turns by its own angle: steps times its rate"),
        Wrong(mirrored, "the cosines are right; sin(a+b) = sin a cos b + cos a sin b"),
    ),
    hints=(
        "Clock i moves on by steps * rate[i]. Its hand is the point (cos, sin).",
        "cos(a+b) = cos a cos b - sin a sin b, and sin(a+b) = sin a cos b + cos a sin b.",
    ),
    tolerance=1e-3,
)


# --- add_time


def add_time(y: Tensor, emb: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """y (b, c, h, w) + one number a picture and channel: silu(emb) through a linear layer."""
    return y + F.linear(F.silu(emb), weight, bias)[:, :, None, None]


def _add_time_by_einsum(y: Tensor, emb: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    numbers = torch.einsum("bd,cd->bc", emb * emb.sigmoid(), weight) + bias
    return y + numbers.reshape(*y.shape[:2], 1, 1)


def _add_time_in_a_loop(y: Tensor, emb: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    out = y.clone()
    for i, e in enumerate(F.silu(emb)):
        for c in range(y.shape[1]):
            out[i, c] += weight[c] @ e + bias[c]
    return out


def without_silu(y: Tensor, emb: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return y + F.linear(emb, weight, bias)[:, :, None, None]


def axes_forgotten(y: Tensor, emb: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return y + F.linear(F.silu(emb), weight, bias)


def silu_afterwards(y: Tensor, emb: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return y + F.silu(F.linear(emb, weight, bias))[:, :, None, None]


def multiplied(y: Tensor, emb: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return y * F.linear(F.silu(emb), weight, bias)[:, :, None, None]


def first_picture_for_all(y: Tensor, emb: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return y + F.linear(F.silu(emb[:1]), weight, bias)[:, :, None, None]


def without_the_bias(y: Tensor, emb: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return y + F.linear(F.silu(emb), weight)[:, :, None, None]


def along_the_width(y: Tensor, emb: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return y + F.linear(F.silu(emb), weight, bias)[:, None, None, :]


def _blocks(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for b, c, h, w, d in ((3, 4, 5, 4, 6), (2, 3, 2, 3, 8), (4, 2, 3, 2, 5)):
        shapes = ((b, c, h, w), (b, d), (c, d), (c,))
        cases.append(tuple(torch.randn(shape, generator=g) for shape in shapes))
    return cases


ADD_TIME = Exercise(
    id="04.add_time",
    task="Tell a block the time: add linear(silu(emb)) to y, one number a picture and channel.",
    points=2,
    cases=_blocks,
    reference=add_time,
    right=(_add_time_by_einsum, _add_time_in_a_loop),
    wrong=(
        Wrong(without_silu, "emb goes through silu before the linear layer"),
        Wrong(
            axes_forgotten,
            "(b, c) lines up with height and width: add two axes, [:, :, None, None]",
        ),
        Wrong(silu_afterwards, "silu comes BEFORE the linear layer, on emb"),
        Wrong(multiplied, "the numbers are added to y, not multiplied with it"),
        Wrong(first_picture_for_all, "each picture has its own time, so its own numbers"),
        Wrong(without_the_bias, "the linear layer's bias is missing"),
        Wrong(along_the_width, "the numbers belong to channels, axis 1: [:, :, None, None]"),
    ),
    hints=(
        "`F.linear(F.silu(emb), weight, bias)` has the shape (b, c).",
        "Two axes are missing on its right: `[:, :, None, None]`.",
    ),
)

EXERCISES = (ENCODE, LIKENESS, TURNED, ADD_TIME)
