"""Pictures that a caption of seven words describes in full: lesson 11's own small world."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.unet import UNet

SIZE = 16
COLOURS = {
    "red": (1.0, -0.7, -0.7),
    "green": (-0.7, 0.5, -0.7),
    "blue": (-0.7, -0.5, 1.0),
    "yellow": (1.0, 0.8, -0.9),
}
SHAPES = ("disc", "square")
WORDS = ("", "a", "and", *COLOURS, *SHAPES)  # "" is what an unconditional caption is made of
LENGTH = 7  # "a red disc and a blue square"


@dataclass(frozen=True, eq=False)
class TwoShapes:
    """Pictures in [-1, 1], their captions as numbers of WORDS, and where the shapes are."""

    pictures: Float[Tensor, "n 3 16 16"]
    ids: Int[Tensor, "n 7"]
    places: Bool[Tensor, "n 2 16 16"]


def draw(n: int, seed: int) -> TwoShapes:
    """`n` pictures of two shapes side by side on white; either may be the first of the caption."""
    g = torch.Generator().manual_seed(seed)
    rgb = torch.tensor(list(COLOURS.values()))
    first_is_left = torch.rand(n, generator=g) < 0.5
    colour, shape = torch.randint(4, (n, 2), generator=g), torch.randint(2, (n, 2), generator=g)
    radius = 3.15 + 0.25 * torch.rand(n, 2, 1, 1, generator=g)  # rounder from 3.1 on
    left = torch.stack([first_is_left, ~first_is_left], dim=1)[:, :, None, None]  # (n, 2, 1, 1)
    across = torch.where(left, 4.0, 12.0) + 0.6 * (torch.rand(n, 2, 1, 1, generator=g) - 0.5)
    down = 4 + 8 * torch.rand(n, 2, 1, 1, generator=g)
    grid = torch.arange(SIZE) + 0.5
    dy, dx = (grid[:, None] - down).abs(), (grid[None, :] - across).abs()  # (n, 2, 16, 16)
    disc = dy**2 + dx**2 <= (1.1 * radius) ** 2
    places = torch.where((shape == 0)[:, :, None, None], disc, torch.maximum(dy, dx) <= radius)
    pictures = torch.ones(n, 3, SIZE, SIZE)
    for i in (0, 1):
        pictures = torch.where(places[:, i, None], rgb[colour[:, i]][:, :, None, None], pictures)
    ids = torch.ones(n, LENGTH, dtype=torch.long)  # "a" everywhere
    ids[:, 3] = WORDS.index("and")
    ids[:, [1, 5]] = colour + WORDS.index("red")
    ids[:, [2, 6]] = shape + WORDS.index("disc")
    return TwoShapes(pictures, ids, places)


def encode(caption: str) -> Int[Tensor, "7"]:
    """A caption as numbers of WORDS; "" becomes seven empty words.

    Raises ValueError for other words, and for another number of them.
    """
    words = caption.split() or [""] * LENGTH
    unknown = [word for word in words if word not in WORDS]
    if unknown or len(words) != LENGTH:
        raise ValueError(
            f'a caption here is like "a red disc and a blue square", got {caption!r}. '
            f"Usual cause: a word other than {', '.join(WORDS[1:])}."
        )
    return torch.tensor([WORDS.index(word) for word in words])


def decode(ids: Int[Tensor, "7"]) -> str:
    """The caption of one row of numbers."""
    return " ".join(WORDS[i] for i in ids.tolist()).strip()


def colours_found(
    pictures: Float[Tensor, "n 3 16 16"], ids: Int[Tensor, "n 7"]
) -> Bool[Tensor, "n 2"]:
    """Whether each of a caption's two colours covers at least five pixels of its picture."""
    rgb = torch.tensor(list(COLOURS.values()), device=pictures.device)
    off = (pictures[:, None] - rgb[:, :, None, None]).square().sum(dim=2)  # (n, 4, 16, 16)
    nearest = off.argmin(dim=1).where(off.amin(dim=1) < 0.8, -1)  # (n, 16, 16), -1 for white
    asked = ids[:, [1, 5]] - WORDS.index("red")  # (n, 2)
    return (nearest[:, None] == asked[:, :, None, None]).flatten(2).sum(dim=2) >= 5


class CaptionEncoder(nn.Module):
    """A caption's word numbers to a context: a learned vector per word plus one per position."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.words = nn.Embedding(len(WORDS), d)
        self.positions = nn.Parameter(torch.randn(LENGTH, d))

    def forward(self, ids: Int[Tensor, "*lead 7"]) -> Float[Tensor, "*lead 7 d"]:
        return self.words(ids) + self.positions


class ShapesDenoiser(nn.Module):
    """Lesson 11's network: a small UNet that hears the caption, and the encoder of its words."""

    def __init__(self, widths: tuple[int, int] = (32, 64), d_context: int = 32) -> None:
        super().__init__()
        self.encoder = CaptionEncoder(d_context)
        self.unet = UNet(3, widths, (False, True), d_context=d_context, heads=2)
