"""Questions about compositions: what is known of their answers beforehand."""

import pytest
import torch

from course_lib.datasets import captions, compositions, emoji, registry
from course_lib.metrics import benchmark, composed
from course_lib.metrics.benchmark import shrunk
from course_lib.metrics.composed import KINDS, Composed, Shelf


@pytest.fixture(scope="module")
def shelf():
    return Shelf(compositions.drawn(emoji.load(split="train")))


@pytest.fixture(scope="module")
def measures(shelf):
    return {kind: Composed(kind, "validation", shelf, step=3) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_question_has_99_others_and_none_is_the_truth(measures, kind):
    for question in measures[kind].asked:
        assert len(set(question.others)) == 99
        assert question.true not in question.others
        assert question.caption.endswith(f", {question.style} style")
        assert compositions.is_held_out(question.true, compositions.held_out())


@pytest.mark.parametrize("kind", KINDS)
def test_the_true_picture_is_right_and_the_hardest_others_are_not(measures, kind):
    measure = measures[kind]
    assert measure.right(shrunk(measure.true())).float().mean() > 0.97
    for place in (0, 1, 2):
        made = compositions.pictures([q.others[place] for q in measure.asked])[:]
        assert measure.right(shrunk(made)).float().mean() < 0.05


def test_a_pair_swapped_turned_or_doubled_is_wrong(measures):
    for question in measures["pairs"].asked:
        a, b = question.true.parts
        seen = {(o.parts, o.detail) for o in question.others[:5]}
        other = "above" if question.true.detail == "beside" else "beside"
        assert seen == {
            ((b, a), question.true.detail),
            ((a, b), other),
            ((b, a), other),
            ((a, a), question.true.detail),
            ((b, b), question.true.detail),
        }


def test_counts_and_colours_are_asked_against_the_other_ones(measures):
    for question in measures["counts"].asked:
        same = {o.detail for o in question.others if o.parts == question.true.parts}
        assert same == {"2", "3", "small", ""} - {question.true.detail}
    for question in measures["colours"].asked:
        same = [o.colours[0] for o in question.others if o.parts == question.true.parts]
        assert set(same) >= set(question.true.parts[0].paints()) - set(question.true.colours)


def test_captions_of_questions_say_what_is_there(measures):
    for question in measures["colours"].asked:
        assert question.caption.startswith(f"{question.true.colours[0]} ")
    for question in measures["counts"].asked:
        assert question.caption.startswith({"2": "two ", "3": "three "}[question.true.detail])
    for question in measures["pairs"].asked:
        words = " and " if question.true.detail == "beside" else " above "
        assert words in question.caption


def test_held_out_wordings_ask_the_same_questions_in_other_words():
    (questions,) = benchmark.measures(["validation_combinations"], 20)
    asked = composed.reworded(questions, "validation")
    assert asked.true == questions.true
    assert len(asked.captions) == len(questions.captions)
    assert not set(asked.captions) & set(questions.captions)
    assert all(captions.is_held_out(text) for text in asked.captions)
    assert "combinations" in asked.name
    assert questions.captions[0].endswith("style")  # the original stays as it is


def test_all_held_out_frames_name_the_style():
    for frames in registry.splits("compositions")["frames"].values():
        assert all("{s}" in frame for frame in frames)


def test_the_same_in_another_style_is_right_more_often_than_chance_and_not_always(measures):
    for measure in measures.values():
        found = measure.another_style()["all"]
        assert 10 < found.n <= len(measure.asked)
        assert 0.05 < found.right / found.n < 1


def test_an_unknown_kind_is_refused(shelf):
    with pytest.raises(ValueError, match="colours, pairs, counts"):
        composed.questions("shapes", "test", shelf)
    with pytest.raises(ValueError, match="validation or test"):
        composed.questions("pairs", "train", shelf)


def test_white_paper_is_hardly_ever_right(measures):
    for measure in measures.values():
        paper = torch.ones(len(measure.asked), 768)
        assert measure.right(paper).float().mean() < 0.1
