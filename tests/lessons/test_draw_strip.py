"""The README's pictures: what is marked as never trained on was never trained on."""

import draw_strip

from course_lib.datasets import emoji


def test_the_marks_are_true():
    train = set(emoji.captions("train"))
    labels = {caption.rpartition(", ")[0] for caption in train}
    for seed in range(3):
        chosen = draw_strip.captions(seed)
        assert len({caption for _, caption in chosen}) == 3 * draw_strip.COLUMNS
        for mark, caption in chosen:
            assert (mark == "") == (caption in train)
            assert (mark == "NEW: ") == (caption.rpartition(", ")[0] not in labels)


def test_a_seed_is_one_choice():
    assert draw_strip.captions(1) == draw_strip.captions(1) != draw_strip.captions(2)
