"""Convolution by hand, famous 3x3 kernels, and how far an output pixel can see.

As in nearly every deep-learning library the kernel is not turned round first, so strictly this is
cross-correlation (Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning").
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course_lib.shapes import expect_shape

KERNELS = MappingProxyType(
    {
        "nothing": torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]),
        "vertical edges": torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),  # Sobel 1968
        "horizontal edges": torch.tensor([[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]]),
        "blur": torch.full((3, 3), 1 / 9),
        "sharpen": torch.tensor([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
        "outline": torch.tensor([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    }
)


def output_pixel(
    image: Float[Tensor, "h w"], kernel: Float[Tensor, "kh kw"], row: int, column: int
) -> float:
    """One number of the output: the patch with its top left corner at (row, column), weighted.

    Raises ValueError where the patch would leave the image.
    """
    (h, w), (kh, kw) = image.shape, kernel.shape
    if not (0 <= row <= h - kh and 0 <= column <= w - kw):
        raise ValueError(
            f"output_pixel: a {kh}x{kw} kernel at row {row}, column {column} leaves the "
            f"{h}x{w} image. Usual cause: the output has only {h - kh + 1} rows and "
            f"{w - kw + 1} columns."
        )
    return (image[row : row + kh, column : column + kw] * kernel).sum().item()


def conv2d(
    image: Float[Tensor, "h w"], kernel: Float[Tensor, "kh kw"]
) -> Float[Tensor, "h_out w_out"]:
    """Slide `kernel` over `image`, without padding: one output pixel at every place it fits.

    The loop runs over the kernel's few numbers, not over the many pixels. Raises ValueError for a
    kernel larger than the image, and for other shapes.
    """
    expect_shape("conv2d's image", image, "h w")
    expect_shape("conv2d's kernel", kernel, "kh kw")
    (h, w), (kh, kw) = image.shape, kernel.shape
    rows, columns = h - kh + 1, w - kw + 1
    if rows < 1 or columns < 1:
        raise ValueError(
            f"conv2d: a {kh}x{kw} kernel does not fit into a {h}x{w} image. Usual cause: the two "
            "arguments are the wrong way round."
        )
    out = image.new_zeros(rows, columns)
    for i in range(kh):
        for j in range(kw):
            out = out + kernel[i, j] * image[i : i + rows, j : j + columns]
    return out


def conv2d_channels(
    x: Float[Tensor, "c_in h w"], weight: Float[Tensor, "c_out c_in kh kw"]
) -> Float[Tensor, "c_out h_out w_out"]:
    """Many channels in, many out: each output channel has its own kernel, c_in deep, and adds up.

    Raises ValueError where the kernels are not as deep as the picture, or do not fit into it.
    """
    expect_shape("conv2d_channels", x, "c_in h w")
    expect_shape("conv2d_channels", weight, "c_out c_in kh kw", c_in=x.shape[0])
    return torch.stack(
        [
            torch.stack([conv2d(channel, k) for channel, k in zip(x, deep, strict=True)]).sum(0)
            for deep in weight
        ]
    )


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """How many pixels come out along one side (Dumoulin and Visin 2016, relationship 6).

    Raises ValueError where the kernel does not fit even once.
    """
    if size + 2 * padding < kernel:
        raise ValueError(
            f"output_size: a kernel of {kernel} does not fit into {size} pixels with {padding} of "
            "padding on each side. Usual cause: the picture has been halved too often."
        )
    return (size + 2 * padding - kernel) // stride + 1


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """How many input pixels, along one side, one output pixel of a stack of convolutions sees.

    Each layer adds kernel - 1 steps, each as wide as the strides before it (Araujo et al. 2019,
    "Computing receptive fields of convolutional neural networks", equation 2). Raises ValueError
    unless there is a stride for each kernel.
    """
    if len(kernels) != len(strides):
        raise ValueError(
            f"receptive_field wants a stride for each kernel, got {len(kernels)} kernels and "
            f"{len(strides)} strides. Usual cause: strides of 1 were left out."
        )
    seen, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        seen += (kernel - 1) * step
        step *= stride
    return seen


def pixels_seen(
    network: Callable[[Tensor], Tensor], height: int, width: int
) -> Bool[Tensor, "height width"]:
    """Which pixels of a (1, 1, height, width) input change the network's middle output pixel.

    Found by asking, not by formula: with random weights the gradient of that pixel is nonzero
    exactly there. (Max pooling passes it to the largest pixel alone, a layer that starts at zero to
    none.) The input is random and fixed, for at special values a gradient may vanish by chance.
    """
    g = torch.Generator().manual_seed(0)
    x = torch.rand(1, 1, height, width, generator=g).requires_grad_()
    y = network(x)
    middle = y[0, :, y.shape[2] // 2, y.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(middle, x)
    return gradient[0, 0] != 0
