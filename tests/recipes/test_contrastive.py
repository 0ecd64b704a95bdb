"""Families of captions, the batches drawn from them, and the measure of a trained CLIP."""

import pytest
import torch

from course_lib.clip import CLIP, ImageTower, TextTower, contrastive_loss
from course_lib.metrics.retrieval import embed, recall_at_1
from course_lib.recipes.contrastive import (
    HardNegativeSampler,
    clip_loss,
    encode_text_in_parts,
    family_of,
    random_affine,
)

ROLES = ("firefighter", "pilot", "cook")
CAPTIONS = [
    f"{who} {role}: {tone} skin tone, {style} style"
    for role in ROLES
    for who in ("man", "woman")
    for tone in ("light", "medium-dark")
    for style in ("noto", "twemoji", "openmoji")
] + ["teapot, noto style"]


def small() -> CLIP:
    text = TextTower(20, length=8, width=12, layers=1, heads=2)
    return CLIP(text, ImageTower(size=8, patch=4, width=12, layers=1, heads=2), 6).eval()


def some_ids() -> torch.Tensor:
    ids = torch.randint(0, 18, (9, 8))
    for row in range(9):
        ids[row, 1 + row % 7 :] = 19
    return ids


def test_a_family_differs_in_tone_gender_colour_and_style_only():
    assert len({family_of(caption) for caption in CAPTIONS}) == 4
    assert family_of("red heart, flat style") == family_of("Blue heart, 3D style")
    assert family_of("red heart") != family_of("red apple")


def test_half_of_a_batch_is_families():
    batches = HardNegativeSampler(CAPTIONS[:36], batch_size=16)
    g = torch.Generator().manual_seed(0)
    for _ in range(20):
        rows = batches.draw(g)
        role = [CAPTIONS[i].split()[1] for i in rows]
        assert max(role.count(r) for r in set(role)) >= 8
        assert len(set(rows.tolist())) == len(rows) <= 16


def test_batches_reach_every_row_and_repeat_with_the_seed():
    batches = HardNegativeSampler(CAPTIONS, batch_size=16)
    g, again = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    drawn = [batches.draw(g) for _ in range(30)]
    assert set(torch.cat(drawn).tolist()) == set(range(len(CAPTIONS)))
    assert all(torch.equal(a, batches.draw(again)) for a in drawn)


def test_a_batch_too_small_for_families_is_told():
    with pytest.raises(ValueError, match="no room for families of 8"):
        HardNegativeSampler(CAPTIONS, batch_size=15)


def test_jitter_moves_the_picture_and_keeps_ground_colour_and_side():
    pictures = torch.ones(40, 3, 32, 32)
    pictures[:, 0, 8:24, 8:12] = -0.9  # a bar in cyan, left of the middle
    out = random_affine(pictures, torch.Generator().manual_seed(0))
    assert out[:, :, 0, 0].min() == 1  # white where the picture was moved away from
    assert out.min() >= -1
    assert len(out[:, 0].flatten(1).unique(dim=0)) == 40
    assert (out[:, 1:] == 1).all()
    columns = (1 - out[:, 0]).sum(dim=1)  # ink in each column
    assert (columns[:, :16].sum(1) > 10 * columns[:, 16:].sum(1)).all()


def test_jitter_of_nothing_is_the_picture_in_minus_one_to_one(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *size, generator: torch.full(size, 0.5))
    pictures = torch.linspace(-1, 1, 384).reshape(2, 3, 8, 8)
    out = random_affine(pictures, torch.Generator())
    torch.testing.assert_close(out, pictures, atol=1e-5, rtol=0)


@torch.no_grad()
def test_text_in_parts_is_text_at_once():
    clip, ids = small(), some_ids()
    torch.testing.assert_close(encode_text_in_parts(clip, ids), clip.encode_text(ids))


@torch.no_grad()
def test_the_loss_is_the_contrastive_loss_of_the_table():
    clip, ids, pictures = small(), some_ids(), torch.randn(9, 3, 8, 8)
    torch.testing.assert_close(
        clip_loss(clip, pictures, ids), contrastive_loss(clip(pictures, ids))
    )


def test_embed_is_both_towers_of_all_rows():
    clip, ids = small(), some_ids().repeat(40, 1)
    pictures = torch.randn(360, 3, 8, 8)
    images, texts = embed(clip, pictures, ids)
    torch.testing.assert_close(images, clip.encode_image(pictures))
    torch.testing.assert_close(texts, clip.encode_text(ids))
    assert not images.requires_grad


def test_first_among_counts_rows_whose_own_column_wins():
    g = torch.Generator().manual_seed(0)
    assert recall_at_1(torch.eye(30), 30, g).tolist() == [1.0] * 30
    assert recall_at_1(-torch.eye(30), 5, g).sum() == 0
    assert recall_at_1(torch.zeros(30, 30), 5, g).sum() == 0  # a tie is no win
    shifted = torch.eye(30).roll(1, dims=1)  # each row is beaten by exactly one column
    share = torch.stack([recall_at_1(shifted + 0.5 * torch.eye(30), 15, g) for _ in range(40)])
    assert share.mean().item() == pytest.approx(1 - 14 / 29, abs=0.05)


def test_chance_is_one_in_among():
    g = torch.Generator().manual_seed(0)
    right = torch.cat([recall_at_1(torch.rand(200, 200, generator=g), 10, g) for _ in range(10)])
    assert right.mean().item() == pytest.approx(0.1, abs=0.03)


def test_more_candidates_than_rows_are_told():
    with pytest.raises(ValueError, match="from 2 to 5 candidates"):
        recall_at_1(torch.eye(5), 100, torch.Generator())
