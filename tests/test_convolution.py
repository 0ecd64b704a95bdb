import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.convolution import (
    KERNELS,
    conv2d,
    conv2d_channels,
    output_pixel,
    output_size,
    pixels_seen,
    receptive_field,
)


@pytest.mark.parametrize(("h", "w", "kh", "kw"), [(5, 7, 3, 3), (6, 4, 2, 3), (3, 3, 3, 3)])
def test_conv2d_gives_pytorchs_numbers(h, w, kh, kw):
    image, kernel = torch.randn(h, w).double(), torch.randn(kh, kw).double()
    want = F.conv2d(image[None, None], kernel[None, None])[0, 0]
    torch.testing.assert_close(conv2d(image, kernel), want)


def test_every_output_pixel_is_one_patch():
    image, kernel = torch.randn(6, 5), torch.randn(3, 2)
    whole = conv2d(image, kernel)
    for row in range(4):
        for column in range(4):
            pixel = torch.tensor(output_pixel(image, kernel, row, column))
            torch.testing.assert_close(pixel, whole[row, column])


def test_many_channels_give_pytorchs_numbers():
    x, weight = torch.randn(3, 6, 7).double(), torch.randn(4, 3, 3, 2).double()
    torch.testing.assert_close(conv2d_channels(x, weight), F.conv2d(x[None], weight)[0])


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("kernel", [1, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_output_size_is_what_pytorch_makes(size, kernel, stride, padding):
    y = F.conv2d(
        torch.zeros(1, 1, size, size), torch.zeros(1, 1, kernel, kernel), None, stride, padding
    )
    assert output_size(size, kernel, stride, padding) == y.shape[-1]


@pytest.mark.parametrize(
    ("kernels", "strides", "want"),
    [([3], [1], 3), ([3, 3], [1, 1], 5), ([3, 3, 3], [2, 2, 1], 15), ([5, 2, 3], [1, 2, 1], 10)],
)
def test_the_formula_of_the_receptive_field_agrees_with_asking_the_network(kernels, strides, want):
    torch.manual_seed(1)
    layers = [nn.Conv2d(1, 1, k, s) for k, s in zip(kernels, strides, strict=True)]
    seen = pixels_seen(nn.Sequential(*layers), 40, 44)
    assert receptive_field(kernels, strides) == want
    assert seen.any(dim=0).sum() == seen.any(dim=1).sum() == want


def test_edge_kernels_answer_to_their_own_edges_only():
    upright = torch.zeros(5, 6)
    upright[:, 3:] = 1
    assert conv2d(upright, KERNELS["vertical edges"]).max() == 4
    assert conv2d(upright, KERNELS["horizontal edges"]).abs().max() == 0
    assert conv2d(upright.T, KERNELS["horizontal edges"]).max() == 4


def test_what_the_kernels_do_to_a_flat_picture():
    """Edges leave nothing, the others leave it as it is."""
    flat = torch.full((4, 5), 0.5)
    for name, kernel in KERNELS.items():
        want = 0.0 if "edges" in name or name == "outline" else 0.5
        torch.testing.assert_close(conv2d(flat, kernel), torch.full((2, 3), want))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: conv2d(torch.zeros(3, 3), torch.zeros(5, 5)), "wrong way round"),
        (lambda: output_pixel(torch.zeros(4, 6), torch.zeros(3, 3), 2, 0), "only 2 rows and 4"),
        (
            lambda: conv2d_channels(torch.zeros(3, 4, 4), torch.zeros(2, 1, 3, 3)),
            r"expects shape \(c_out, 3, kh, kw\)",
        ),
        (lambda: output_size(2, 5, 1, 1), "halved too often"),
        (lambda: conv2d(torch.zeros(3, 4, 4), torch.zeros(3, 3)), r"expects shape \(h, w\), got"),
        (
            lambda: conv2d(torch.zeros(4, 4), 3),
            r"kernel expects a tensor of shape \(.*, got 3",
        ),
        (
            lambda: conv2d_channels(torch.zeros(4, 4), torch.zeros(2, 1, 3, 3)),
            r"expects shape \(c_in, h, w\), got \(4, 4\). Is the batch axis missing",
        ),
        (lambda: receptive_field([3, 3, 3], [1, 2]), "3 kernels and 2 strides"),
    ],
)
def test_errors_are_sentences(call, sentence, plain_shapes):
    with pytest.raises(ValueError, match=sentence):
        call()
