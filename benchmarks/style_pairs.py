"""How much of a held-out style pair can be known at all? A rough upper bound for the measure.

    python benchmarks/style_pairs.py [--split validation]

The model is asked for a thing in the style of a maker whose drawing of it no training saw. Here it
is guessed with far more than words to go by: from the true drawings of the same thing by the other
makers. Two guesses, judged like the model's own (course_lib/metrics/benchmark.py): the drawing
nearest to the truth (which takes an oracle), and kernel ridge regression from all of them
to this maker's hand, learned from all things that training has in this style. Some minutes.
"""

import argparse

import torch
from jaxtyping import Float
from sklearn.kernel_ridge import KernelRidge
from torch import Tensor

from course_lib.datasets import emoji
from course_lib.metrics.benchmark import Benchmark, Proportion, measures, proportions

ALPHA, WIDTH = 0.03, 0.5  # chosen on validation: .03, .1, .3 and .5, 1, 2 were tried


def maker(style: str) -> str:
    """ "fluent 3d" and "fluent flat" are drawings of one maker."""
    return style.split()[0]


class Makers:
    """All pictures, shrunk, by style and code."""

    def __init__(self, measure: Benchmark) -> None:
        self.every, self.small = measure.every, measure.small
        pairs = zip(self.every.styles, self.every.codes, strict=True)
        self.place = {pair: i for i, pair in enumerate(pairs)}

    def trained_on(self, style: str, code: str) -> bool:
        """Whether training has this drawing."""
        i = self.place.get((style, code))
        return i is not None and self.every.kinds[i] == "train"

    def of_others(self, style: str, code: str) -> Float[Tensor, " d"] | None:
        """What the other makers drew, in a row; their mean where one of them is missing."""
        others = [s for s in emoji.STYLES if maker(s) != maker(style)]
        known = {s: self.small[self.place[s, code]] for s in others if self.trained_on(s, code)}
        if not known:
            return None
        mean = torch.stack(list(known.values())).mean(dim=0)
        return torch.cat([known.get(s, mean) for s in others])

    def regression(self, style: str) -> KernelRidge:
        """From the other makers' drawings to this one's, on all things known in this style."""
        codes = [c for s, c in self.place if s == style and self.trained_on(style, c)]
        given = {c: self.of_others(style, c) for c in codes}
        inputs = torch.stack([x for x in given.values() if x is not None])
        wanted = torch.stack(
            [self.small[self.place[style, c]] for c, x in given.items() if x is not None]
        )
        spread = torch.cdist(inputs, inputs).square().median()
        fit = KernelRidge(kernel="rbf", alpha=ALPHA, gamma=float(WIDTH / spread))
        return fit.fit(inputs.numpy(), wanted.numpy())


def regressed(measure: Benchmark) -> dict[str, Proportion]:
    """The shares of right answers of the regression."""
    makers = Makers(measure)
    answers = torch.zeros(len(measure.true), measure.small.shape[1])
    for style in dict.fromkeys(measure.styles):
        rows = [i for i, s in enumerate(measure.styles) if s == style]
        codes = [measure.every.codes[measure.true[i]] for i in rows]
        given = [makers.of_others(style, code) for code in codes]
        asked = torch.stack([x for x in given if x is not None])  # all: such pairs are held out
        guess = makers.regression(style).predict(asked.numpy())
        answers[rows] = torch.from_numpy(guess).float()
    return proportions(measure.right(answers), measure.styles)


def main() -> None:
    """Print both guesses, for all and for each style."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    options = parser.parse_args()
    [measure] = measures([f"{options.split}_style_pairs"])
    copied, guessed = measure.copied(measure.another_style()), regressed(measure)
    print(f"{'':12}{'nearest other maker':>26}{'regression from all':>26}")
    for style in guessed:
        print(f"{style:12}{copied[style]!s:>26}{guessed[style]!s:>26}")


if __name__ == "__main__":
    main()
