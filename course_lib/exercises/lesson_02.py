"""Lesson 02: a UNet piece by piece, typed by the learner; IoU, and the soft Dice loss.

The pieces are functions of layers that the lesson makes (`nn.Module` holds the weights), so that
each is one to ten lines and the whole is what the notebook trains.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import segmentation
from course_lib.exercises.exercise import Answer, Case, Exercise, Wrong
from course_lib.plain_unet import normalised

Layer = Callable[[Tensor], Tensor]
Layers = nn.ModuleList


def _layer(weight: Tensor, bias: Tensor, *, doubles: bool = False) -> nn.Module:
    """A convolution with these weights, made without drawing a random number."""
    kind, steps = (nn.ConvTranspose2d, 2) if doubles else (nn.Conv2d, 1)
    c_in, c_out = weight.shape[:2] if doubles else (weight.shape[1], weight.shape[0])
    conv: nn.Module = torch.nn.utils.skip_init(
        kind,
        c_in,
        c_out,
        weight.shape[2],
        stride=steps,
        padding=0 if doubles else weight.shape[2] // 2,
    )
    conv.load_state_dict({"weight": weight, "bias": bias})
    return conv.requires_grad_(False)


def _weights(g: torch.Generator, c_in: int, c_out: int, size: int) -> tuple[Tensor, Tensor]:
    """Weights and biases of a convolution; weights that keep the size of the numbers."""
    weight = torch.randn(c_out, c_in, size, size, generator=g) / (c_in * size * size) ** 0.5
    return weight, 0.3 * torch.randn(c_out, generator=g)


# --- conv_block


def conv_block(x: Tensor, conv1: Layer, conv2: Layer) -> Tensor:
    """normalised, convolution, ReLU; then the same with the second convolution."""
    x = F.relu(conv1(normalised(x)))
    return F.relu(conv2(normalised(x)))


def _block_in_a_loop(x: Tensor, conv1: Layer, conv2: Layer) -> Tensor:
    for conv in (conv1, conv2):
        x = conv(normalised(x)).clamp(min=0)
    return x


def _block_with_group_norm(x: Tensor, conv1: Layer, conv2: Layer) -> Tensor:
    first = torch.relu(conv1(F.group_norm(x, max(1, x.shape[1] // 8))))
    return torch.relu(conv2(F.group_norm(first, max(1, first.shape[1] // 8))))


def no_relu(x: Tensor, conv1: Layer, conv2: Layer) -> Tensor:
    return conv2(normalised(conv1(normalised(x))))


def no_relu_at_the_end(x: Tensor, conv1: Layer, conv2: Layer) -> Tensor:
    return conv2(normalised(F.relu(conv1(normalised(x)))))


def no_relu_between(x: Tensor, conv1: Layer, conv2: Layer) -> Tensor:
    return F.relu(conv2(normalised(conv1(normalised(x)))))


def not_normalised(x: Tensor, conv1: Layer, conv2: Layer) -> Tensor:
    return F.relu(conv2(F.relu(conv1(x))))


def normalised_only_once(x: Tensor, conv1: Layer, conv2: Layer) -> Tensor:
    return F.relu(conv2(F.relu(conv1(normalised(x)))))


def normalised_after(x: Tensor, conv1: Layer, conv2: Layer) -> Tensor:
    return F.relu(normalised(conv2(F.relu(normalised(conv1(x))))))


def first_convolution_only(x: Tensor, conv1: Layer, conv2: Layer) -> Tensor:
    return F.relu(conv1(normalised(x)))


def _blocks(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [
        (2 * torch.randn(b, i, h, w, generator=g) + 1, *_weights(g, i, o, 3), *_weights(g, o, o, 3))
        for b, i, o, h, w in ((2, 3, 16, 6, 4), (1, 16, 8, 4, 6))
    ]


def _with_two_convolutions(answer: Answer, case: Case) -> Tensor:
    x, *weights = case
    return answer(x, _layer(*weights[:2]), _layer(*weights[2:]))


CONV_BLOCK = Exercise(
    id="02.conv_block",
    task="Put x through both convolutions: normalise before each one, ReLU after each one.",
    points=2,
    cases=_blocks,
    reference=conv_block,
    right=(_block_in_a_loop, _block_with_group_norm),
    wrong=(
        Wrong(no_relu, "the ReLUs are missing: without them two convolutions are only one."),
        Wrong(no_relu_at_the_end, "the second convolution is followed by a ReLU as well."),
        Wrong(no_relu_between, "the first convolution is followed by a ReLU as well."),
        Wrong(not_normalised, "`normalised` comes before each convolution."),
        Wrong(normalised_only_once, "normalise the input of the second convolution as well."),
        Wrong(normalised_after, "`normalised` comes BEFORE each convolution, ReLU after it."),
        Wrong(first_convolution_only, "that is the first half: now the same with conv2."),
    ),
    hints=(
        "One step is `F.relu(conv1(normalised(x)))`.",
        "Call the result x again and take the same step with conv2.",
    ),
    probe=_with_two_convolutions,
)

# --- step_down


def step_down(x: Tensor, block: Layer) -> Tensor:
    """Halve height and width with a 2x2 max pooling, then run the block."""
    return block(F.max_pool2d(x, 2))


def _down_by_reshaping(x: Tensor, block: Layer) -> Tensor:
    b, c, h, w = x.shape
    return block(x.reshape(b, c, h // 2, 2, w // 2, 2).amax(dim=(3, 5)))


def _down_by_slices(x: Tensor, block: Layer) -> Tensor:
    rows = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
    return block(torch.maximum(rows[..., ::2], rows[..., 1::2]))


def _down_with_a_layer(x: Tensor, block: Layer) -> Tensor:
    smaller = nn.MaxPool2d(kernel_size=2)(x)
    return block(smaller)


def average_pooling(x: Tensor, block: Layer) -> Tensor:
    return block(F.avg_pool2d(x, 2))


def every_other_pixel(x: Tensor, block: Layer) -> Tensor:
    return block(x[:, :, ::2, ::2])


def block_first(x: Tensor, block: Layer) -> Tensor:
    return F.max_pool2d(block(x), 2)


def pooling_only(x: Tensor, block: Layer) -> Tensor:
    return F.max_pool2d(x, 2)


def not_smaller(x: Tensor, block: Layer) -> Tensor:
    return block(x)


def _downs(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(b, i, h, w, generator=g), *_weights(g, i, o, 3))
        for b, i, o, h, w in ((2, 3, 5, 8, 4), (1, 8, 4, 4, 12))
    ]


def _with_a_block(answer: Answer, case: Case) -> Tensor:
    x, weight, bias = case
    return answer(x, nn.Sequential(_layer(weight, bias), nn.ReLU()))


STEP_DOWN = Exercise(
    id="02.step_down",
    task="Halve height and width with a 2x2 max pooling, then run the block on the result.",
    points=1,
    cases=_downs,
    reference=step_down,
    right=(_down_by_reshaping, _down_by_slices, _down_with_a_layer),
    wrong=(
        Wrong(average_pooling, "this keeps the mean of each 2x2 pixels; keep the LARGEST."),
        Wrong(
            every_other_pixel, "this drops three of four pixels unseen; keep the largest of 2x2."
        ),
        Wrong(block_first, "pool first: the block then works on the smaller picture."),
        Wrong(pooling_only, "the block is still missing: run it on the smaller picture."),
        Wrong(not_smaller, "the pooling is missing: `F.max_pool2d(x, 2)` halves both sides."),
    ),
    hints=("`F.max_pool2d(x, 2)` keeps the largest of every 2x2 pixels.", "`block(...)` of that."),
    probe=_with_a_block,
)

# --- step_up


def step_up(below: Tensor, skip: Tensor, up: Layer, block: Layer) -> Tensor:
    """Enlarge `below` with `up`, put the skip's channels before it, run the block."""
    return block(torch.cat([skip, up(below)], dim=1))


def _filled_in(below: Tensor, skip: Tensor, up: Layer, block: Layer) -> Tensor:
    above = up(below)
    b, c, h, w = skip.shape
    joined = torch.empty(b, c + above.shape[1], h, w)
    joined[:, :c], joined[:, c:] = skip, above
    return block(joined)


def _with_a_negative_axis(below: Tensor, skip: Tensor, up: Layer, block: Layer) -> Tensor:
    joined = torch.concat((skip, up(below)), -3)
    return block(joined)


def added(below: Tensor, skip: Tensor, up: Layer, block: Layer) -> Tensor:
    return block(skip + up(below))


def skip_last(below: Tensor, skip: Tensor, up: Layer, block: Layer) -> Tensor:
    return block(torch.cat([up(below), skip], dim=1))


def side_by_side(below: Tensor, skip: Tensor, up: Layer, block: Layer) -> Tensor:
    return block(torch.cat([skip, up(below)], dim=3))


def one_batch_after_the_other(below: Tensor, skip: Tensor, up: Layer, block: Layer) -> Tensor:
    return block(torch.cat([skip, up(below)], dim=0))


def skip_forgotten(below: Tensor, skip: Tensor, up: Layer, block: Layer) -> Tensor:
    return block(up(below))


def skip_made_small(below: Tensor, skip: Tensor, up: Layer, block: Layer) -> Tensor:
    return block(torch.cat([F.max_pool2d(skip, 2), below], dim=1))


def up_ignored(below: Tensor, skip: Tensor, up: Layer, block: Layer) -> Tensor:
    return block(torch.cat([skip, F.interpolate(below, scale_factor=2.0)], dim=1))


def block_forgotten(below: Tensor, skip: Tensor, up: Layer, block: Layer) -> Tensor:
    return torch.cat([skip, up(below)], dim=1)


def _meetings(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for b, c, h, w in ((2, 3, 4, 6), (1, 5, 2, 4)):
        below = torch.randn(b, 2 * c, h // 2, w // 2, generator=g)
        skip = torch.randn(b, c, h, w, generator=g)
        up = torch.randn(2 * c, c, 2, 2, generator=g) / (2 * c) ** 0.5
        cases.append((below, skip, up, torch.randn(c, generator=g)))
    return cases


class _AnyChannels(nn.Module):
    """Stands for a block; takes any number of channels, and cares for their order."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x).cumsum(dim=1)


def _with_an_up(answer: Answer, case: Case) -> Tensor:
    below, skip, weight, bias = case
    return answer(below, skip, _layer(weight, bias, doubles=True), _AnyChannels())


STEP_UP = Exercise(
    id="02.step_up",
    task="Enlarge `below` with `up`, put it behind the channels of the skip, and run the block.",
    points=1,
    cases=_meetings,
    reference=step_up,
    right=(_filled_in, _with_a_negative_axis),
    wrong=(
        Wrong(
            added,
            "that is ResNet's shortcut, which adds. The UNet keeps both: twice as many channels.",
        ),
        Wrong(skip_last, "the other way round: first the skip's channels, then those from below."),
        Wrong(side_by_side, "this puts them side by side; channels are axis 1: dim=1."),
        Wrong(one_batch_after_the_other, "axis 0 counts the pictures; channels are axis 1: dim=1."),
        Wrong(skip_forgotten, "where is the skip? Without it nobody knows where the edges were."),
        Wrong(skip_made_small, "do not shrink the skip: enlarge what comes from below, with `up`."),
        Wrong(
            up_ignored,
            "`up` is not used. It is a layer with weights of its own, learned like all others: "
            "call `up(below)`.",
        ),
        Wrong(block_forgotten, "the two are joined correctly; now run `block` on the result."),
    ),
    hints=(
        "`up(below)` is as high and wide as `skip`.",
        "`torch.cat([one, other], dim=...)` joins tensors along an axis; channels are axis 1.",
        "`block(...)` of the joined tensor.",
    ),
    probe=_with_an_up,
)

# --- unet


def unet(x: Tensor, encoder: Layers, ups: Layers, decoder: Layers, to_mask: Layer) -> Tensor:
    """The whole forward pass: down, keeping the skips, then up, using the last skip first."""
    skips = []
    x = encoder[0](x)
    for block in encoder[1:]:
        skips.append(x)
        x = step_down(x, block)
    for up, block in zip(ups, decoder, strict=True):
        x = step_up(x, skips.pop(), up, block)
    return to_mask(x)


def _unet_by_numbers(
    x: Tensor, encoder: Layers, ups: Layers, decoder: Layers, to_mask: Layer
) -> Tensor:
    outs = [encoder[0](x)]
    for i in range(1, len(encoder)):
        outs.append(encoder[i](F.max_pool2d(outs[i - 1], 2)))
    y = outs[-1]
    for i in range(len(ups)):
        y = decoder[i](torch.cat([outs[-2 - i], ups[i](y)], dim=1))
    return to_mask(y)


def _unet_as_a_recursion(
    x: Tensor, encoder: Layers, ups: Layers, decoder: Layers, to_mask: Layer
) -> Tensor:
    def level(i: int, y: Tensor) -> Tensor:
        y = encoder[i](y)
        if i + 1 == len(encoder):
            return y
        below = level(i + 1, F.max_pool2d(y, 2))
        return step_up(below, y, ups[len(ups) - 1 - i], decoder[len(ups) - 1 - i])

    return to_mask(level(0, x))


def first_skip_first(
    x: Tensor, encoder: Layers, ups: Layers, decoder: Layers, to_mask: Layer
) -> Tensor:
    skips = [x := encoder[0](x)]
    for block in encoder[1:]:
        skips.append(x := step_down(x, block))
    skips.pop()
    for up, block in zip(ups, decoder, strict=True):
        x = step_up(x, skips.pop(0), up, block)
    return to_mask(x)


def bottom_as_a_skip(
    x: Tensor, encoder: Layers, ups: Layers, decoder: Layers, to_mask: Layer
) -> Tensor:
    skips = [x := encoder[0](x)]
    for block in encoder[1:]:
        skips.append(x := step_down(x, block))
    for up, block in zip(ups, decoder, strict=True):
        x = step_up(x, skips.pop(), up, block)
    return to_mask(x)


def no_mask_at_the_end(
    x: Tensor, encoder: Layers, ups: Layers, decoder: Layers, to_mask: Layer
) -> Tensor:
    return unet(x, encoder, ups, decoder, lambda y: y)


def yes_and_no(x: Tensor, encoder: Layers, ups: Layers, decoder: Layers, to_mask: Layer) -> Tensor:
    return (unet(x, encoder, ups, decoder, to_mask) > 0).float()


def sigmoid_at_the_end(
    x: Tensor, encoder: Layers, ups: Layers, decoder: Layers, to_mask: Layer
) -> Tensor:
    return unet(x, encoder, ups, decoder, to_mask).sigmoid()


def only_down(x: Tensor, encoder: Layers, ups: Layers, decoder: Layers, to_mask: Layer) -> Tensor:
    x = encoder[0](x)
    for block in encoder[1:]:
        x = step_down(x, block)
    return x


def first_block_after_pooling(
    x: Tensor, encoder: Layers, ups: Layers, decoder: Layers, to_mask: Layer
) -> Tensor:
    return unet(F.max_pool2d(x, 2), encoder, ups, decoder, to_mask)


def _networks(seed: int) -> Sequence[Case]:
    """A picture, the widths, and one flat vector of all the weights of such a network."""
    g = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(b, widths[0], h, w, generator=g), widths[1:], torch.randn(9000, generator=g))
        for b, h, w, widths in ((2, 8, 16, (3, 4, 6, 5)), (1, 8, 4, (2, 5, 3)))
    ]


def _with_a_network(answer: Answer, case: Case) -> Tensor:
    x, widths, numbers = case
    taken = 0

    def layer(c_in: int, c_out: int, size: int, *, doubles: bool = False) -> nn.Module:
        nonlocal taken
        shape = (c_in, c_out) if doubles else (c_out, c_in)
        n = c_in * c_out * size * size
        weight = numbers[taken : taken + n].reshape(*shape, size, size) / (c_in * size) ** 0.5
        taken += n + c_out
        return _layer(weight, 0.3 * numbers[taken - c_out : taken], doubles=doubles)

    ins = [x.shape[1], *widths[:-1]]
    back = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
    encoder = nn.ModuleList(
        nn.Sequential(layer(i, o, 3), nn.ReLU()) for i, o in zip(ins, widths, strict=True)
    )
    ups = nn.ModuleList(layer(i, o, 2, doubles=True) for i, o in back)
    decoder = nn.ModuleList(nn.Sequential(layer(2 * o, o, 3), nn.ReLU()) for _, o in back)
    return answer(x, encoder, ups, decoder, layer(widths[0], 1, 1))


UNET = Exercise(
    id="02.unet",
    task="Run the whole UNet: down with every block, keeping what each made; up again with the "
    "skips, the last one first; then to_mask.",
    points=3,
    cases=_networks,
    reference=unet,
    right=(_unet_by_numbers, _unet_as_a_recursion),
    wrong=(
        Wrong(
            first_skip_first,
            "the first step up needs the LAST skip: it is the one of the next larger size. "
            "`skips.pop()` takes it.",
        ),
        Wrong(
            bottom_as_a_skip,
            "what the bottom block made is no skip: it is what goes up. Keep only what the blocks "
            "above it made.",
        ),
        Wrong(no_mask_at_the_end, "`to_mask` is missing: it makes one channel of the last ones."),
        Wrong(yes_and_no, "return the logits as they are: yes and no have no slope to train with."),
        Wrong(sigmoid_at_the_end, "return the logits as they are; the loss takes the sigmoid."),
        Wrong(only_down, "that is the way down. Now up again, a step for each of `ups`."),
        Wrong(
            first_block_after_pooling,
            "the first block sees the picture at its full size: pool only between blocks.",
        ),
    ),
    hints=(
        "`encoder[0](x)` first. Then, for each of `encoder[1:]`: keep x in a list, and step down.",
        "On the way up, `zip(ups, decoder)` gives the pairs, and `skips.pop()` the skip for each.",
        "In the end, `to_mask(x)`.",
    ),
    probe=_with_a_network,
)

# --- iou


def _iou_by_counting(predicted: Tensor, mask: Tensor) -> Tensor:
    scores = []
    for p, m in zip(predicted.flatten(1), mask.flatten(1), strict=True):
        both = sum(bool(a) and b > 0.5 for a, b in zip(p, m, strict=True))
        either = sum(bool(a) or b > 0.5 for a, b in zip(p, m, strict=True))
        scores.append(float(both) / float(either))
    return torch.tensor(scores)


def _iou_by_arithmetic(predicted: Tensor, mask: Tensor) -> Tensor:
    p, m = predicted.float().flatten(1), mask.flatten(1)
    both = (p * m).sum(1)
    return both / (p.sum(1) + m.sum(1) - both)


def dice_instead(predicted: Tensor, mask: Tensor) -> Tensor:
    p, m = predicted.float().flatten(1), mask.flatten(1)
    return 2 * (p * m).sum(1) / (p.sum(1) + m.sum(1))


def both_areas_added(predicted: Tensor, mask: Tensor) -> Tensor:
    p, m = predicted.float().flatten(1), mask.flatten(1)
    return (p * m).sum(1) / (p.sum(1) + m.sum(1))


def right_pixels(predicted: Tensor, mask: Tensor) -> Tensor:
    return segmentation.accuracy(predicted, mask)


def share_of_the_fish_found(predicted: Tensor, mask: Tensor) -> Tensor:
    p, m = predicted.float().flatten(1), mask.flatten(1)
    return (p * m).sum(1) / m.sum(1)


def all_pictures_together(predicted: Tensor, mask: Tensor) -> Tensor:
    m = mask > 0.5
    return (predicted & m).sum() / (predicted | m).sum()


def upside_down(predicted: Tensor, mask: Tensor) -> Tensor:
    return 1 / segmentation.iou(predicted, mask)


def _guesses(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [
        (
            torch.rand(b, 1, h, w, generator=g) > 0.4,
            (torch.rand(b, 1, h, w, generator=g) > 0.6) * 1.0,
        )
        for b, h, w in ((3, 6, 8), (2, 9, 5))
    ]


IOU = Exercise(
    id="02.iou",
    task="Give the intersection over the union of prediction and mask, one number per picture.",
    points=2,
    cases=_guesses,
    reference=segmentation.iou,
    right=(_iou_by_counting, _iou_by_arithmetic),
    wrong=(
        Wrong(dice_instead, "this is Dice: twice the intersection over the SUM of both areas."),
        Wrong(
            both_areas_added, "adding the two areas counts the overlap twice; the union does not."
        ),
        Wrong(right_pixels, "this is accuracy: it also counts the background, where all is easy."),
        Wrong(share_of_the_fish_found, "a prediction of fish everywhere would score 1 here."),
        Wrong(all_pictures_together, "one number for EACH picture: sum over dim=(1, 2, 3)."),
        Wrong(upside_down, "intersection over union, not union over intersection: at most 1."),
    ),
    hints=(
        "With truths, `a & b` is where both are true and `a | b` where at least one is.",
        "`mask > 0.5` makes truths of zeros and ones.",
        "`.sum(dim=(1, 2, 3))` counts the truths of each picture.",
    ),
)

# --- soft_dice_loss


def _dice_flat(logits: Tensor, mask: Tensor) -> Tensor:
    p, m = logits.sigmoid().flatten(1), mask.flatten(1)
    return 1 - ((2 * (p * m).sum(1) + 1) / (p.sum(1) + m.sum(1) + 1)).mean()


def _dice_in_a_loop(logits: Tensor, mask: Tensor) -> Tensor:
    losses = []
    for logit, m in zip(logits, mask, strict=True):
        p = 1 / (1 + (-logit).exp())
        losses.append(1 - (2 * (p * m).sum() + 1) / (p.sum() + m.sum() + 1))
    return torch.stack(losses).mean()


def without_the_sigmoid(logits: Tensor, mask: Tensor) -> Tensor:
    overlap = (logits * mask).sum(dim=(1, 2, 3))
    areas = logits.sum(dim=(1, 2, 3)) + mask.sum(dim=(1, 2, 3))
    return (1 - (2 * overlap + 1) / (areas + 1)).mean()


def dice_not_loss(logits: Tensor, mask: Tensor) -> Tensor:
    return 1 - segmentation.soft_dice_loss(logits, mask)


def yes_or_no(logits: Tensor, mask: Tensor) -> Tensor:
    p = (logits > 0).float() + 0 * logits  # the last part keeps a gradient: all zeros
    overlap = (p * mask).sum(dim=(1, 2, 3))
    areas = p.sum(dim=(1, 2, 3)) + mask.sum(dim=(1, 2, 3))
    return (1 - (2 * overlap + 1) / (areas + 1)).mean()


def without_the_two(logits: Tensor, mask: Tensor) -> Tensor:
    p = logits.sigmoid()
    overlap = (p * mask).sum(dim=(1, 2, 3))
    areas = p.sum(dim=(1, 2, 3)) + mask.sum(dim=(1, 2, 3))
    return (1 - (overlap + 1) / (areas + 1)).mean()


def whole_batch_at_once(logits: Tensor, mask: Tensor) -> Tensor:
    p = logits.sigmoid()
    return 1 - (2 * (p * mask).sum() + 1) / (p.sum() + mask.sum() + 1)


def without_the_ones(logits: Tensor, mask: Tensor) -> Tensor:
    p = logits.sigmoid()
    overlap = (p * mask).sum(dim=(1, 2, 3))
    return (1 - 2 * overlap / (p.sum(dim=(1, 2, 3)) + mask.sum(dim=(1, 2, 3)))).mean()


def one_loss_a_picture(logits: Tensor, mask: Tensor) -> Tensor:
    one_by_one = zip(logits.split(1), mask.split(1), strict=True)
    return torch.stack([segmentation.soft_dice_loss(a, b) for a, b in one_by_one])


def summed(logits: Tensor, mask: Tensor) -> Tensor:
    return segmentation.soft_dice_loss(logits, mask) * len(logits)


def _logits(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [
        (
            2 * torch.randn(b, 1, h, w, generator=g),
            (torch.rand(b, 1, h, w, generator=g) > 0.6) * 1.0,
        )
        for b, h, w in ((3, 4, 6), (2, 5, 3))
    ]


def _value_and_gradient(answer: Answer, case: Case) -> list[Tensor]:
    """The loss, and where it pushes each pixel: a loss without a gradient teaches nothing."""
    logits = case[0].clone().requires_grad_()
    loss = answer(logits, case[1])
    if not (isinstance(loss, Tensor) and loss.ndim == 0 and loss.requires_grad):
        return [loss, torch.zeros_like(logits)]
    (gradient,) = torch.autograd.grad(loss, logits, allow_unused=True)
    return [loss.detach(), torch.zeros_like(logits) if gradient is None else gradient]


SOFT_DICE_LOSS = Exercise(
    id="02.soft_dice_loss",
    task="Give 1 - Dice with probabilities for yes and no, 1 added above and below, as a mean.",
    points=2,
    cases=_logits,
    reference=segmentation.soft_dice_loss,
    right=(_dice_flat, _dice_in_a_loop),
    wrong=(
        Wrong(
            without_the_sigmoid,
            "logits run from minus to plus infinity: .sigmoid() makes them probabilities.",
        ),
        Wrong(dice_not_loss, "this is Dice, best at 1. A loss is best at 0: take it from 1."),
        Wrong(
            yes_or_no, "yes and no have no slope to learn from: keep the probabilities as they are."
        ),
        Wrong(without_the_two, "Dice is TWICE the overlap: it stands in both areas below."),
        Wrong(
            whole_batch_at_once,
            "one Dice for each picture, then the mean: large fish should not outvote small ones.",
        ),
        Wrong(
            without_the_ones,
            "add 1 above and below the line, or a picture without fish divides 0 by 0.",
        ),
        Wrong(summed, "take the mean over the pictures, not the sum."),
        Wrong(
            one_loss_a_picture,
            "this is one loss for each picture: `.mean()` makes one of them.",
        ),
    ),
    hints=(
        "`p = logits.sigmoid()` is how sure the network is of fish, from 0 to 1.",
        "The overlap is `(p * mask)`, summed over dim=(1, 2, 3).",
        "`1 - (2 * overlap + 1) / (areas + 1)`, and the mean of that.",
    ),
    probe=_value_and_gradient,
)

EXERCISES = (IOU, CONV_BLOCK, STEP_DOWN, STEP_UP, UNET, SOFT_DICE_LOSS)
