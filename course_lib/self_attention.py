"""Self-attention in three versions: without weights, with Q, K and V, and as a transformer block.

The plainest layer has no weights at all; Vaswani et al. 2017 gave it three matrices and put it into
a block with a small network. Heads, masks and the softmax are in attention.py.
"""

from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from course_lib.attention import SelfAttention, attention_weights
from course_lib.shapes import expect_shape


def plain_attention(x: Float[Tensor, "*lead n d"]) -> Float[Tensor, "*lead n d"]:
    """Each word becomes the sum of all words, each as much as its dot product with this one.

    Nothing is learned and nothing is scaled: A pulls at B exactly as much as B pulls at A.
    """
    return (x @ x.mT) @ x


def softmax_attention(x: Float[Tensor, "*lead n d"]) -> Float[Tensor, "*lead n d"]:
    """The same with shares: what a word takes from all words adds up to 1."""
    return attention_weights(x, x) @ x


class QKVAttention(nn.Module):
    """One head: what a word asks for (Q), what it offers (K), and what it hands over (V)."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.d_in = d_in
        self.to_q = nn.Linear(d_in, d_out, bias=False)
        self.to_k = nn.Linear(d_in, d_out, bias=False)
        self.to_v = nn.Linear(d_in, d_out, bias=False)

    def forward(
        self, x: Float[Tensor, "b n d_in"], mask: Bool[Tensor, "*some n"] | None = None
    ) -> Float[Tensor, "b n d_out"]:
        return self.weights(x, mask) @ self.to_v(x)

    def weights(
        self, x: Float[Tensor, "b n d_in"], mask: Bool[Tensor, "*some n"] | None = None
    ) -> Float[Tensor, "b n n"]:
        """The map: how much each word (row) looks at each word (column)."""
        expect_shape("QKVAttention", x, "b n d_in", d_in=self.d_in)
        return attention_weights(self.to_q(x), self.to_k(x), mask)


class EncoderBlock(nn.Module):
    """The block of a transformer encoder: self-attention, then a feed-forward layer.

    Each has a layer norm before it and a residual connection (pre-norm, no dropout). CLIP's towers
    are stacks of these, with `bias` in the attention and QuickGELU as `activation`.
    """

    def __init__(
        self,
        d: int,
        heads: int,
        *,
        bias: bool = False,
        activation: Callable[[Tensor], Tensor] = F.gelu,
    ) -> None:
        super().__init__()
        self.norm1, self.self_attn = nn.LayerNorm(d), SelfAttention(d, heads, bias=bias)
        self.norm2 = nn.LayerNorm(d)
        self.fc1, self.fc2 = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.activation = activation

    def forward(
        self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "*some _ n"] | None = None
    ) -> Float[Tensor, "b n d"]:
        x = x + self.self_attn(self.norm1(x), mask)
        return x + self.fc2(self.activation(self.fc1(self.norm2(x))))

    def weights(
        self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "*some n"] | None = None
    ) -> Float[Tensor, "b heads n n"]:
        """The attention maps of this block's heads for the input x."""
        y = self.norm1(x)
        return attention_weights(self.self_attn.queries(y), self.self_attn.keys(y), mask)
