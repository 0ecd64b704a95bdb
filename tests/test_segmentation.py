import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score, jaccard_score

from course_lib.plain_unet import PlainUNet
from course_lib.segmentation import accuracy, iou, segmentation_loss, soft_dice_loss


@pytest.fixture
def masks():
    g = torch.Generator().manual_seed(3)
    predicted = torch.rand(6, 1, 9, 7, generator=g) > 0.4
    true = (torch.rand(6, 1, 9, 7, generator=g) > 0.7).float()
    return predicted, true


def test_iou_is_scikit_learns_jaccard_score(masks):
    predicted, true = masks
    wanted = [
        jaccard_score(t.flatten() > 0.5, p.flatten()) for p, t in zip(predicted, true, strict=True)
    ]
    torch.testing.assert_close(iou(predicted, true), torch.tensor(wanted, dtype=torch.float32))


def test_accuracy_counts_the_pixels_that_are_right(masks):
    predicted, true = masks
    for one, p, t in zip(accuracy(predicted, true), predicted, true, strict=True):
        right = sum(int(a == bool(b)) for a, b in zip(p.flatten(), t.flatten(), strict=True))
        assert float(one) == pytest.approx(right / 63)


def test_soft_dice_of_certain_predictions_is_one_minus_the_f1_score(masks):
    predicted, true = masks
    logits = torch.where(predicted, 40.0, -40.0)
    for logit, p, t in zip(logits, predicted, true, strict=True):
        f1 = f1_score(t.flatten() > 0.5, p.flatten())
        # the 1 above and below moves the ratio a little towards 1
        area = float(p.sum() + t.sum())
        wanted = 1 - (f1 * area + 1) / (area + 1)
        assert float(soft_dice_loss(logit[None], t[None])) == pytest.approx(wanted, abs=1e-5)


def test_perfect_masks_score_best_and_empty_ones_too():
    true = torch.zeros(2, 1, 8, 8)
    true[0, 0, 2:5, 3:6] = 1
    perfect = torch.where(true > 0.5, 40.0, -40.0)
    assert iou(perfect > 0, true).tolist() == [1.0, 1.0]
    assert float(segmentation_loss(perfect, true)) == pytest.approx(0, abs=1e-5)
    assert iou(~(perfect > 0), true).tolist() == [0.0, 0.0]
    assert float(segmentation_loss(-perfect, true)) > 10


def test_a_mask_that_misses_half_has_iou_one_half_whatever_lies_round_it():
    true = torch.zeros(1, 1, 32, 32)
    true[..., :4, :4] = 1
    half = torch.zeros_like(true, dtype=torch.bool)
    half[..., :2, :4] = True
    assert iou(half, true).item() == 0.5
    assert accuracy(half, true).item() > 0.99


def test_the_loss_is_cross_entropy_plus_soft_dice(masks):
    logits, true = torch.randn(6, 1, 9, 7), masks[1]
    wanted = F.binary_cross_entropy_with_logits(logits, true) + soft_dice_loss(logits, true)
    torch.testing.assert_close(segmentation_loss(logits, true), wanted)


@pytest.mark.slow
def test_forty_steps_lower_the_loss():
    torch.manual_seed(0)
    model = PlainUNet((8, 16))
    x = torch.randn(4, 3, 16, 16)
    mask = (x.mean(1, keepdim=True) > 0.2).float()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        loss = segmentation_loss(model(x), mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.usefixtures("plain_shapes")
@pytest.mark.parametrize("measure", [accuracy, iou, soft_dice_loss, segmentation_loss])
def test_shapes_that_would_broadcast_are_refused(measure):
    sure = torch.zeros(3, 1, 4, 5) if "loss" in measure.__name__ else torch.ones(3, 1, 4, 5) > 0
    told = r"expects shape|must be the same"
    for mask in (torch.zeros(3, 4, 5), torch.zeros(1, 1, 4, 5), torch.zeros(3, 1, 1, 5)):
        with pytest.raises(ValueError, match=told):
            measure(sure, mask)
    with pytest.raises(ValueError, match=told):
        measure(sure[:, 0], torch.zeros(3, 1, 4, 5))


@pytest.mark.usefixtures("plain_shapes")
@pytest.mark.parametrize("measure", [accuracy, iou])
def test_logits_are_no_answers(measure):
    with pytest.raises(ValueError, match=r"True or False .* got torch.float32.*logits > 0"):
        measure(torch.zeros(3, 1, 4, 5), torch.zeros(3, 1, 4, 5))
