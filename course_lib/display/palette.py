"""A palette in which no series is told by its colour alone."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """How one series looks: a colour and, as colour never stands alone, dash, marker and hatch."""

    name: str
    colour: str
    line: str | tuple[int, tuple[int, ...]]
    marker: str
    hatch: str


# Okabe and Ito, "Color Universal Design" (2008), without the yellow that white paper swallows.
PALETTE = (
    Style("blue", "#0072B2", "-", "o", "//"),
    Style("orange", "#E69F00", "--", "s", "\\\\"),
    Style("green", "#009E73", "-.", "^", ".."),
    Style("black", "#000000", ":", "D", "xx"),
    Style("sky", "#56B4E9", (0, (5, 1, 1, 1, 1, 1)), "v", "--"),
    Style("vermilion", "#D55E00", (0, (8, 2)), "P", "||"),
    Style("purple", "#CC79A7", (0, (2, 1)), "X", "oo"),
)
