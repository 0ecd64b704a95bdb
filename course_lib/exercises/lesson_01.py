"""Lesson 01: one output pixel, conv2d, output size, many channels, the receptive field."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib import convolution as ours
from course_lib.exercises.exercise import Case, Exercise, Wrong

# --- output_pixel


def _pixel_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    places = ((6, 7, 3, 2, 1, 3), (7, 5, 2, 3, 2, 1), (5, 6, 3, 2, 0, 2))  # swapped they fit too
    return [
        (torch.randn(h, w, generator=g), torch.randn(kh, kw, generator=g), row, column)
        for h, w, kh, kw, row, column in places
    ]


def _pixel_in_a_loop(image: Tensor, kernel: Tensor, row: int, column: int) -> Tensor:
    total = torch.tensor(0.0)
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            total = total + image[row + i, column + j] * kernel[i, j]
    return total


def _pixel_as_dot_product(image: Tensor, kernel: Tensor, row: int, column: int) -> Tensor:
    h, w = kernel.shape
    return torch.dot(image[row : row + h, column : column + w].flatten(), kernel.flatten())


def _pixel_as_tensor(image: Tensor, kernel: Tensor, row: int, column: int) -> Tensor:
    h, w = kernel.shape
    return (image[row : row + h, column : column + w] * kernel).sum()


def mean_instead_of_sum(image: Tensor, kernel: Tensor, row: int, column: int) -> float:
    return ours.output_pixel(image, kernel, row, column) / kernel.numel()


def row_and_column_swapped(image: Tensor, kernel: Tensor, row: int, column: int) -> Tensor:
    h, w = kernel.shape
    return (image[column : column + h, row : row + w] * kernel).sum()


def patch_without_weights(image: Tensor, kernel: Tensor, row: int, column: int) -> float:
    return ours.output_pixel(image, torch.ones_like(kernel), row, column)


def kernel_turned_round(image: Tensor, kernel: Tensor, row: int, column: int) -> float:
    return ours.output_pixel(image, kernel.flip(0, 1), row, column)


def not_added_up(image: Tensor, kernel: Tensor, row: int, column: int) -> Tensor:
    h, w = kernel.shape
    return image[row : row + h, column : column + w] * kernel


OUTPUT_PIXEL = Exercise(
    id="01.output_pixel",
    task="Lay the kernel on the image with its top left corner at (row, column), multiply, add up.",
    points=1,
    cases=_pixel_cases,
    reference=ours.output_pixel,
    right=(_pixel_in_a_loop, _pixel_as_dot_product, _pixel_as_tensor),
    wrong=(
        Wrong(mean_instead_of_sum, "add the products up; a mean divides by their number as well."),
        Wrong(row_and_column_swapped, "the first index is the row (down), the second the column."),
        Wrong(patch_without_weights, "the patch is right; now weight it by the kernel, then add."),
        Wrong(kernel_turned_round, "do not turn the kernel round: top left meets top left."),
        Wrong(not_added_up, "these are the products; one output pixel is their sum."),
    ),
    hints=(
        "Cut the patch out first: `image[row : row + kh, column : column + kw]`.",
        "`(patch * kernel).sum()` with that patch.",
    ),
)

# --- conv2d


def _image_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    sizes = ((5, 8, 3, 3), (6, 4, 2, 3), (4, 7, 3, 1))
    return [
        (torch.randn(h, w, generator=g), torch.randn(kh, kw, generator=g)) for h, w, kh, kw in sizes
    ]


def _conv_pixel_by_pixel(image: Tensor, kernel: Tensor) -> Tensor:
    rows, columns = (n - k + 1 for n, k in zip(image.shape, kernel.shape, strict=True))
    out = torch.zeros(rows, columns)
    for r in range(rows):
        for c in range(columns):
            out[r, c] = ours.output_pixel(image, kernel, r, c)
    return out


def _conv_by_unfolding(image: Tensor, kernel: Tensor) -> Tensor:
    patches = image.unfold(0, kernel.shape[0], 1).unfold(1, kernel.shape[1], 1)
    return (patches * kernel).sum(dim=(2, 3))


def _conv_of_torch(image: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(image[None, None], kernel[None, None])[0, 0]


def turned_round(image: Tensor, kernel: Tensor) -> Tensor:
    return ours.conv2d(image, kernel.flip(0, 1))


def last_row_and_column_forgotten(image: Tensor, kernel: Tensor) -> Tensor:
    return ours.conv2d(image, kernel)[:-1, :-1]


def padded_to_the_old_size(image: Tensor, kernel: Tensor) -> Tensor:
    kh, kw = kernel.shape
    over, under, left, right = kh // 2, (kh - 1) // 2, kw // 2, (kw - 1) // 2
    return ours.conv2d(F.pad(image, (left, right, over, under)), kernel)


def without_the_kernel(image: Tensor, kernel: Tensor) -> Tensor:
    return ours.conv2d(image, torch.ones_like(kernel))


def only_the_last_number(image: Tensor, kernel: Tensor) -> Tensor:
    kh, kw = kernel.shape
    return kernel[-1, -1] * image[kh - 1 :, kw - 1 :]


CONV2D = Exercise(
    id="01.conv2d",
    task="Slide the kernel over the image (h, w), without padding: an output pixel where it fits.",
    points=2,
    cases=_image_cases,
    reference=ours.conv2d,
    right=(_conv_pixel_by_pixel, _conv_by_unfolding, _conv_of_torch),
    wrong=(
        Wrong(turned_round, "do not turn the kernel round: top left meets top left."),
        Wrong(
            last_row_and_column_forgotten,
            "one row and one column are missing: a kernel of 3 fits 5 - 3 + 1 = 3 times into 5.",
        ),
        Wrong(
            padded_to_the_old_size,
            "without padding the output is smaller than the image: keep to the places where the "
            "whole kernel fits.",
        ),
        Wrong(without_the_kernel, "the patches are added up, but not weighted by the kernel."),
        Wrong(only_the_last_number, "add to the output in the loop; `=` keeps the last term only."),
    ),
    hints=(
        "How many rows does the output have? `image.shape[0] - kernel.shape[0] + 1`.",
        "Start with `torch.zeros(rows, columns)` and fill it with `output_pixel` in two loops.",
    ),
)

# --- output_size


def _size_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    extra = torch.randint(8, 64, (3,), generator=g).tolist()
    fixed = [(28, 5, 1, 0), (64, 3, 2, 1), (7, 3, 2, 0), (8, 3, 2, 0), (10, 4, 3, 2)]
    return [*fixed, *((n, 3, 2, 1) for n in extra)]


def _size_by_counting(size: int, kernel: int, stride: int, padding: int) -> int:
    return len(range(-padding, size + padding - kernel + 1, stride))


def _size_by_floor(size: int, kernel: int, stride: int, padding: int) -> int:
    return math.floor((size + 2 * padding - kernel) / stride) + 1


def _size_by_trying(size: int, kernel: int, stride: int, padding: int) -> int:
    x, k = torch.zeros(1, 1, size), torch.zeros(1, 1, kernel)
    return F.conv1d(x, k, stride=stride, padding=padding).shape[-1]


def without_the_one(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel) // stride


def padded_on_one_side(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + padding - kernel) // stride + 1


def rounded_up(size: int, kernel: int, stride: int, padding: int) -> int:
    return math.ceil((size + 2 * padding - kernel) / stride) + 1


def true_division(size: int, kernel: int, stride: int, padding: int) -> float:
    return (size + 2 * padding - kernel) / stride + 1


def stride_divides_the_one_too(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel + 1) // stride


OUTPUT_SIZE = Exercise(
    id="01.output_size",
    task="Say how many pixels come out along one side, given size, kernel, stride and padding.",
    points=1,
    cases=_size_cases,
    reference=ours.output_size,
    right=(_size_by_counting, _size_by_floor, _size_by_trying),
    wrong=(
        Wrong(without_the_one, "count the first place too: 5 into 5 fits once, not 0 times."),
        Wrong(padded_on_one_side, "padding goes on both sides, so it counts twice."),
        Wrong(rounded_up, "where a whole step no longer fits nothing comes out: round down."),
        Wrong(true_division, "a number of pixels is whole: use // in place of /."),
        Wrong(
            stride_divides_the_one_too,
            "count the steps first, (size + 2 padding - kernel) // stride, then the start: + 1.",
        ),
    ),
    hints=(
        "How far can the kernel move in all? size + 2 * padding - kernel pixels.",
        "It moves in steps of `stride`; count the steps with //, and the start as one more.",
    ),
)

# --- conv2d_channels


def _channel_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    sizes = ((3, 4, 5, 6, 3, 3), (2, 2, 4, 6, 2, 3))
    return [
        (torch.randn(c_in, h, w, generator=g), torch.randn(c_out, c_in, kh, kw, generator=g))
        for c_in, c_out, h, w, kh, kw in sizes
    ]


def _channels_in_three_loops(x: Tensor, weight: Tensor) -> Tensor:
    out = []
    for o in range(weight.shape[0]):
        total = ours.conv2d(x[0], weight[o, 0])
        for i in range(1, x.shape[0]):
            total = total + ours.conv2d(x[i], weight[o, i])
        out.append(total)
    return torch.stack(out)


def _channels_by_einsum(x: Tensor, weight: Tensor) -> Tensor:
    patches = x.unfold(1, weight.shape[2], 1).unfold(2, weight.shape[3], 1)
    return torch.einsum("ihwab,oiab->ohw", patches, weight)


def _channels_of_torch(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x[None], weight)[0]


def averaged_over_channels(x: Tensor, weight: Tensor) -> Tensor:
    return ours.conv2d_channels(x, weight) / x.shape[0]


def first_input_channel_only(x: Tensor, weight: Tensor) -> Tensor:
    return ours.conv2d_channels(x[:1], weight[:, :1])


def one_kernel_for_all_inputs(x: Tensor, weight: Tensor) -> Tensor:
    return ours.conv2d_channels(x, weight[:, :1].expand_as(weight))


def channels_not_added(x: Tensor, weight: Tensor) -> Tensor:
    return torch.stack(
        [torch.stack([ours.conv2d(c, k) for c, k in zip(x, deep, strict=True)]) for deep in weight]
    )


CONV2D_CHANNELS = Exercise(
    id="01.conv2d_channels",
    task="Many channels: output o is the sum over i of conv2d(x[i], weight[o, i]).",
    points=2,
    cases=_channel_cases,
    reference=ours.conv2d_channels,
    right=(_channels_in_three_loops, _channels_by_einsum, _channels_of_torch),
    wrong=(
        Wrong(averaged_over_channels, "the channels are added up, not averaged."),
        Wrong(
            first_input_channel_only,
            "only the first input channel counts here: every output looks at all of them.",
        ),
        Wrong(
            one_kernel_for_all_inputs,
            "every input channel has a kernel of its own: weight[o, i], not weight[o, 0].",
        ),
        Wrong(
            channels_not_added,
            "these are the pieces (c_out, c_in, h, w); add up over the input channels.",
        ),
    ),
    hints=(
        "Begin with one output channel: how do you get channel 0 from all input channels?",
        "`sum(conv2d(x[i], weight[o, i]) for i in range(len(x)))`, for each o, then torch.stack.",
    ),
)

# --- receptive_field


def _stack_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    fixed: list[Case] = [([3, 3, 3], [1, 1, 1]), ([5, 3], [2, 1]), ([3, 2, 3, 3], [1, 2, 1, 2])]
    kernels = torch.randint(2, 6, (3,), generator=g).tolist()
    return [*fixed, (kernels, [2, 3, 1])]


def _field_backwards(kernels: Sequence[int], strides: Sequence[int]) -> int:
    seen = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        seen = (seen - 1) * stride + kernel
    return seen


def _field_as_a_sum(kernels: Sequence[int], strides: Sequence[int]) -> int:
    return 1 + sum((k - 1) * math.prod(strides[:i]) for i, k in enumerate(kernels))


def without_strides(kernels: Sequence[int], strides: Sequence[int]) -> int:
    return 1 + sum(k - 1 for k in kernels)


def kernels_added_up(kernels: Sequence[int], strides: Sequence[int]) -> int:
    return sum(kernels)


def own_stride_counted(kernels: Sequence[int], strides: Sequence[int]) -> int:
    return 1 + sum((k - 1) * math.prod(strides[: i + 1]) for i, k in enumerate(kernels))


def only_the_stride_just_before(kernels: Sequence[int], strides: Sequence[int]) -> int:
    return 1 + sum((k - 1) * s for k, s in zip(kernels, [1, *strides], strict=False))


def without_the_first_pixel(kernels: Sequence[int], strides: Sequence[int]) -> int:
    return ours.receptive_field(kernels, strides) - 1


RECEPTIVE_FIELD = Exercise(
    id="01.receptive_field",
    task="Say how many input pixels, along one side, one output pixel of these layers sees.",
    points=2,
    cases=_stack_cases,
    reference=ours.receptive_field,
    right=(_field_backwards, _field_as_a_sum),
    wrong=(
        Wrong(
            without_strides,
            "right without strides. After a stride of 2, one step is two input pixels wide.",
        ),
        Wrong(kernels_added_up, "neighbouring patches overlap: two layers of 3 see 5, not 6."),
        Wrong(
            own_stride_counted,
            "a layer's own stride widens the steps of the layers after it, not its own.",
        ),
        Wrong(
            only_the_stride_just_before,
            "strides multiply: after two layers of stride 2, a step is four input pixels wide.",
        ),
        Wrong(without_the_first_pixel, "begin at 1: with no layer at all a pixel sees itself."),
    ),
    hints=(
        "Keep two numbers: how many pixels are `seen`, and how wide one `step` is by now.",
        "For each layer: `seen += (kernel - 1) * step`, and only then `step *= stride`.",
    ),
)

EXERCISES = (OUTPUT_PIXEL, CONV2D, OUTPUT_SIZE, CONV2D_CHANNELS, RECEPTIVE_FIELD)
