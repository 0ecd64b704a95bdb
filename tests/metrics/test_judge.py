"""The judge of things and styles: what it may see, and what it says."""

import torch

from course_lib.datasets import emoji
from course_lib.metrics import benchmark, judge
from course_lib.metrics.judge import bases, emoji_judge, style_groups


def test_the_two_fluent_styles_count_as_one():
    assert style_groups() == ("noto", "twemoji", "fluent", "openmoji")


def test_tones_of_one_emoji_are_one_thing():
    assert len(set(bases())) == len(bases())
    assert len(bases()) == len([row for row in emoji.table() if not row["tone"]])


def test_every_part_is_used():
    torch.manual_seed(0)
    model = emoji_judge()
    things, styles = model(torch.randn(2, 3, 64, 64))
    assert things.shape == (2, len(bases()))
    assert styles.shape == (2, 4)
    (things.square().sum() + styles.square().sum()).backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


class Oracle:
    """Says for each picture, found by its numbers, the thing and the style that it is."""

    def __init__(self, questions):
        base_of = {row["code"]: row["base"] for row in emoji.table()}
        self.known = {}
        for i in questions.true:
            key = questions.every.pictures[i].numpy().tobytes()
            thing = bases().index(base_of[questions.every.codes[i]])
            style = style_groups().index(questions.every.styles[i].split()[0])
            self.known[key] = (thing, style)

    def __call__(self, pictures):
        thing, style = self.known[pictures[0].numpy().tobytes()]
        return torch.eye(len(bases()))[[thing]], torch.eye(4)[[style]]


def test_true_pictures_are_the_right_things_and_others_are_not():
    (questions,) = benchmark.measures(["validation_style_pairs"], 15)
    oracle, n = Oracle(questions), len(questions.true)
    true = questions.every.pictures[questions.true]
    thing, style = judge.judged(oracle, questions, true)
    assert thing.all()
    assert style.all()
    thing, style = judge.judged(oracle, questions, true[torch.arange(n).roll(1)])
    assert thing.float().mean() < 0.2
    assert style.float().mean() < 1
