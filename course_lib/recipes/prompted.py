"""Training data as people ask for it: plain and composed pictures, a new caption at each step."""

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.datasets import captions, composed_captions, compositions, nouns
from course_lib.datasets.compositions import COUNTS, LAYOUTS, PLACES, Recipe, Sampler
from course_lib.datasets.emoji import Emoji
from course_lib.recipes.contrastive import HardNegativeSampler

SHARES = {"colour": 0.3, "pair": 0.35, "count": 0.2, "place": 0.15}  # of composed pictures
SIBLINGS = 4


def drawn_from(generator: torch.Generator) -> random.Random:
    """A source of choices that begins as the generator says, so that a resumed run repeats it."""
    return random.Random(int(torch.randint(2**62, (1,), generator=generator)))


def siblings(recipe: Recipe, sampler: Sampler, draw: random.Random) -> list[Recipe]:
    """The recipe and up to three that differ from it in one word: what a tower must tell apart."""
    part, colours = recipe.parts[0], recipe.colours
    if recipe.kind == "colour":
        paints = draw.sample(part.paints(), len(part.paints()))
        others = [Recipe("colour", (part,), (c,), "") for c in paints if c != colours[0]]
    elif recipe.kind == "pair":
        second = draw.choice(sampler.of_style[part.style])
        layouts = [layout for layout in LAYOUTS if layout != recipe.detail]
        others = [
            Recipe("pair", recipe.parts[::-1], colours[::-1], recipe.detail),
            Recipe("pair", recipe.parts, colours, layouts[0]),
            Recipe("pair", (part, second), (colours[0], ""), recipe.detail),
        ]
    elif recipe.kind == "count":
        others = [Recipe("count", (part,), colours, str(n)) for n in COUNTS]
        others.append(Recipe("place", (part,), colours, "small"))
    else:
        others = [Recipe("place", (part,), colours, p) for p in draw.sample(list(PLACES), 3)]

    def allowed(other: Recipe) -> bool:
        alike = other.kind == "pair" and other.parts[0].code == other.parts[1].code
        return other != recipe and not alike and not compositions.is_held_out(other, sampler.out)

    kept = [other for other in others if allowed(other)]
    return [recipe, *kept[: SIBLINGS - 1]]


class Prompted:
    """The training pictures of all styles, and those composed of them, with what asks for them."""

    def __init__(self, train: Emoji) -> None:
        self.train = train
        self.things = nouns.things()
        self.sampler = Sampler(compositions.drawn(self.train), compositions.held_out())
        tones = [self.things[c].row["tone"] for c in self.train.codes]
        composable = [compositions.can_compose(self.things[c]) for c in self.train.codes]
        # tones of one person are many and alike; what is asked for most is a plain thing
        self.weights = torch.tensor(
            [0.5 if tone else 1.5 if c else 1.0 for tone, c in zip(tones, composable, strict=True)]
        )

    def caption(self, row: int, draw: random.Random) -> str:
        """A new caption of the training picture in this row."""
        return captions.of_plain(self.things[self.train.codes[row]], self.train.styles[row], draw)

    def recipes(self, n: int, draw: random.Random) -> list[Recipe]:
        """`n` recipes, the kinds in their shares."""
        kinds = draw.choices(list(SHARES), list(SHARES.values()), k=n)
        return [self.sampler.draw(kind, draw) for kind in kinds]


class PairBatches:
    """Pictures with captions for CLIP: families of plain pictures, and siblings among composed."""

    def __init__(self, data: Prompted, plain: int, composed: int) -> None:
        self.data, self.composed = data, composed
        self.batches = HardNegativeSampler(data.train.captions, plain)

    def draw(self, generator: torch.Generator) -> tuple[Tensor, list[str]]:
        """Pictures (n, 3, 64, 64) in [-1, 1] and as many captions."""
        draw, data = drawn_from(generator), self.data
        rows = self.batches.draw(generator)
        made: list[Recipe] = []
        while len(made) < self.composed:
            made += siblings(data.recipes(1, draw)[0], data.sampler, draw)
        made = list(dict.fromkeys(made))[: self.composed]
        texts = [data.caption(row, draw) for row in rows.tolist()]
        texts += [composed_captions.of_composed(recipe, draw) for recipe in made]
        pictures = torch.cat([data.train.pictures[rows], compositions.pictures(made)[:]])
        return pictures, texts


def drawn_rows(weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """`n` row numbers, each as often as its weight says."""
    return torch.multinomial(weights, n, replacement=True, generator=generator)


def pool(data: Prompted, n: int, seed: int = 0) -> Sequence[Recipe]:
    """The composed pictures of a training run."""
    return data.recipes(n, random.Random(seed))
