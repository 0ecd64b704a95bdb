"""How far generated pictures are from real ones, as a number (lesson 05).

The Frechet distance of Heusel et al. 2017 (FID), but on plain pixels, not a network's features:
the whole picture made small says whether the shapes are right, small patches at full size whether
edges and textures are. Both sides are described by a mean and a covariance.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def frechet(a: Float[Tensor, "n d"], b: Float[Tensor, "m d"]) -> float:
    """|mean difference|^2 + trace(A + B - 2 (A B)^(1/2)) (Dowson and Landau 1982).

    0 if both have the same mean and covariance. Raises ValueError for fewer than two rows.
    """
    if len(a) < 2 or len(b) < 2:
        raise ValueError(
            f"frechet needs two or more rows on each side, got {len(a)} and {len(b)}. "
            "Usual cause: a single picture; a distance of sets needs sets."
        )
    x, y = a.double(), b.double()
    cov_x, cov_y = (torch.atleast_2d(torch.cov(z.T)) for z in (x, y))
    values, vectors = torch.linalg.eigh(cov_x)
    root = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
    between = torch.linalg.eigvalsh(root @ cov_y @ root).clamp(min=0).sqrt().sum()
    apart = (x.mean(0) - y.mean(0)).square().sum()
    return float(apart + cov_x.trace() + cov_y.trace() - 2 * between)


def picture_distance(
    pictures: Float[Tensor, "n 1 h w"], real: Float[Tensor, "m 1 h w"]
) -> tuple[float, float]:
    """(shape, texture): the Frechet distances of whole pictures at 8x8, and of patches of 8x8.

    Few pictures look farther away than they are: compare sets of equal size only.
    """
    shape = frechet(*(F.adaptive_avg_pool2d(p, 8).flatten(1) for p in (pictures, real)))
    texture = frechet(_patches(pictures), _patches(real))
    return shape, texture


def nearest(
    pictures: Float[Tensor, "n c h w"], among: Float[Tensor, "m c h w"]
) -> tuple[Tensor, Tensor]:
    """For each picture the index (n,) of the nearest of `among`, and its RMS distance (n,)."""
    # The quick way, by matrix products, would find an exact copy at some distance.
    exactly = "donot_use_mm_for_euclid_dist"
    apart = torch.cdist(pictures.flatten(1), among.flatten(1), compute_mode=exactly)
    found = apart.min(dim=1)
    return found.indices, found.values / pictures[0].numel() ** 0.5


def _patches(pictures: Tensor) -> Tensor:
    """All patches of 8x8 at every fourth pixel, as rows."""
    return F.unfold(pictures, kernel_size=8, stride=4).transpose(1, 2).flatten(0, 1)
