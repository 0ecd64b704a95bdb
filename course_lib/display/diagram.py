"""The one drawing of Stable Diffusion that opens every lesson, with the lesson's box lit.

Every part of the course has a box here, or two. Coordinates are hundredths of the width.
"""

from dataclasses import dataclass
from typing import Any

from course_lib.display.palette import PALETTE

BOTTOM, HEIGHT = -10.0, 58.3
Point = tuple[int | float, int | float]


@dataclass(frozen=True)
class Box:
    """A box with its lower left corner at (x, y); `part` is what a lesson lights, "" for none.

    A frame is drawn behind the boxes that stand in it and carries its text at the top.
    """

    text: str
    x: int | float
    y: int | float
    w: int | float
    h: int | float
    part: str = ""
    frame: bool = False


@dataclass(frozen=True)
class Arrow:
    """A line along `points` with a head at its end; dashed when it is needed for training only."""

    points: tuple[Point, ...]
    text: str = ""
    text_at: Point = (0, 0)
    training: bool = False


# The parts in the order in which the lessons build them.
PARTS = (
    "convolutions",
    "unet",
    "denoising",
    "positional encoding",
    "diffusion",
    "autoencoder",
    "latent diffusion",
    "word vectors",
    "self-attention",
    "clip",
    "cross-attention",
)

BOXES = (
    Box("CLIP's text tower", 31, 33, 39, 14, "clip", frame=True),
    Box("UNet", 31, 10, 39, 20, "unet", frame=True),
    Box("prompt\n“a red apple”", 1, 35, 13, 8),
    Box("tokenizer\nbyte pairs", 17.5, 35, 11, 8),
    Box("word vectors", 33, 35, 15.5, 8, "word vectors"),
    Box("self-attention", 52.5, 35, 15.5, 8, "self-attention"),
    Box("context\n(one vector\na token)", 75, 34.5, 12, 9),
    Box("noise", 1, 15, 8, 8),
    Box("latents x_t\n(small, noisy)", 13, 14, 14, 10, "latent diffusion"),
    Box("convolutions", 33, 19, 15.5, 7, "convolutions"),
    Box("cross-attention", 52.5, 19, 15.5, 7, "cross-attention"),
    Box("how noisy? t\nas sines", 33, 11, 15.5, 7, "positional encoding"),
    Box("the noise,\npredicted", 52.5, 11, 15.5, 7, "denoising"),
    Box("schedule and sampler: take a little noise away", 31, 0, 39, 6.5, "diffusion"),
    Box("decoder", 75, 14, 10, 8, "autoencoder"),
    Box("picture", 90, 14, 9, 8),
    Box("encoder", 75, -8.5, 10, 6, "autoencoder"),
)

ARROWS = (
    Arrow(((14, 39), (17.5, 39))),
    Arrow(((28.5, 39), (33, 39))),
    Arrow(((48.5, 39), (52.5, 39))),
    Arrow(((68, 39), (75, 39))),
    Arrow(((81, 34.5), (81, 27.5), (60, 27.5), (60, 26)), "keys and\nvalues", (86, 30.5)),
    Arrow(((9, 19), (13, 19))),
    Arrow(((27, 22.5), (33, 22.5))),
    Arrow(((48.5, 22.5), (52.5, 22.5))),
    Arrow(((40.5, 18), (40.5, 19))),
    Arrow(((60, 19), (60, 18))),
    Arrow(((60, 11), (60, 6.5))),
    Arrow(((31, 3.2), (20, 3.2), (20, 14)), "again,\n20 times", (25.5, 7)),
    Arrow(((70, 3.2), (80, 3.2), (80, 14)), "after the\nlast step", (86, 6)),
    Arrow(((85, 18), (90, 18))),
    Arrow(((94.5, 14), (94.5, -5.5), (85, -5.5)), training=True),
    Arrow(((75, -5.5), (17, -5.5), (17, 14)), "only while training", (48, -7.3), training=True),
)


def parts_lit(lit: str) -> frozenset[str]:
    """The parts that `lit` names: one of PARTS, or "all". Raises ValueError for any other name."""
    if lit == "all":
        return frozenset(PARTS)
    if lit not in PARTS:
        raise ValueError(
            f"course_diagram has no box {lit!r}. Wanted one of: {', '.join(PARTS)}, all. "
            "Usual cause: a capital letter or a plural."
        )
    return frozenset({lit})


def parts_before(lit: str) -> frozenset[str]:
    """The parts that the lessons before this one have built; none for "all"."""
    return frozenset(PARTS[: PARTS.index(lit)]) if lit in PARTS else frozenset()


def draw_diagram(ax: Any, lit: str) -> None:
    """Draw into matplotlib axes; raises ValueError for a name that parts_lit does not know."""
    now, before = parts_lit(lit), parts_before(lit)
    ax.set(xlim=(0, 100), ylim=(BOTTOM, BOTTOM + HEIGHT))
    ax.axis("off")
    for box in BOXES:
        _draw_box(ax, box, "lit" if box.part in now else "built" if box.part in before else "open")
    for arrow in ARROWS:
        xs, ys = zip(*arrow.points, strict=True)
        dash, grey = ("--", "#666666") if arrow.training else ("-", "#333333")
        ax.plot(xs[:-1], ys[:-1], dash, color=grey, linewidth=1.3, zorder=3)
        head = {"arrowstyle": "-|>", "linestyle": dash, "color": grey, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", arrow.points[-1], arrow.points[-2], arrowprops=head, zorder=3)
        ax.text(*arrow.text_at, arrow.text, fontsize=9, ha="center", va="center", color=grey)
    legend = "orange, thick: lit\nblue: built before\nwhite: the rest"
    ax.text(1, 29.5, legend, fontsize=9, va="center")


def _draw_box(ax: Any, box: Box, state: str) -> None:
    lit = state == "lit"
    ax.fill(
        [box.x, box.x + box.w, box.x + box.w, box.x],
        [box.y, box.y, box.y + box.h, box.y + box.h],
        facecolor={"lit": "#F7D488", "built": "#D6E9F5", "open": "#FFFFFF"}[state],
        edgecolor=PALETTE[5].colour if lit else "#333333",
        linewidth=3.5 if lit else 1.0,
        joinstyle="round",
        zorder=1 if box.frame else 2,
        gid=f"{box.part}:{state}",
    )
    middle = box.y + box.h - (1.9 if box.frame else box.h / 2)
    bold = "bold" if lit else "normal"
    style = {"fontsize": 10, "ha": "center", "va": "center", "zorder": 4}
    ax.text(box.x + box.w / 2, middle, box.text, fontweight=bold, **style)
