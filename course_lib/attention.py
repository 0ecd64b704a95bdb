"""Attention, once: self-attention is cross-attention of a sequence with itself.

Vaswani et al. 2017; the transformer inside the UNet is Stable Diffusion's (Rombach et al. 2022).
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from course_lib.shapes import expect_shape


def attention_weights(
    q: Float[Tensor, "*lead n d"],
    k: Float[Tensor, "*lead m d"],
    mask: Bool[Tensor, "*some m"] | None = None,
) -> Float[Tensor, "*lead n m"]:
    """How much each query looks at each key: softmax(q k' / sqrt(d)), equation 1 without its V.

    Where the mask is False nobody may look, as in F.scaled_dot_product_attention; it is broadcast
    to (..., n, m), so that one for padding, (b, m), goes in as mask[:, None]. Every row adds up
    to 1, but a row that may look nowhere is all zeros, so that what it gathers is zero, not NaN.
    """
    scores = q @ k.mT / q.shape[-1] ** 0.5  # (..., n, m)
    if mask is None:
        return scores.softmax(dim=-1)
    hidden = scores.masked_fill(~mask, -torch.inf)
    return hidden.softmax(dim=-1).masked_fill(~mask, 0.0)


def causal_mask(n: int) -> Bool[Tensor, "n n"]:
    """True where token i (row) may look at token j (column): at itself and at those before it."""
    return torch.ones(n, n, dtype=torch.bool).tril()


class CrossAttention(nn.Module):
    """Each of the n tokens of x gathers what it needs from the m tokens of `context`.

    Several heads look for different things at once. With `bias` the three matrices have one each,
    as CLIP's do and Stable Diffusion's do not. Raises ValueError if the width does not split into
    `heads`.
    """

    def __init__(self, d_x: int, d_context: int, heads: int, *, bias: bool = False) -> None:
        super().__init__()
        if d_x % heads:
            raise ValueError(
                f"CrossAttention: a width of {d_x} does not split into {heads} heads. "
                "Usual cause: `heads` is the number of heads, not the width of one."
            )
        self.heads, self.d_x, self.d_context = heads, d_x, d_context
        self.to_q = nn.Linear(d_x, d_x, bias=bias)
        self.to_k = nn.Linear(d_context, d_x, bias=bias)
        self.to_v = nn.Linear(d_context, d_x, bias=bias)
        self.to_out = nn.Linear(d_x, d_x)

    def forward(
        self,
        x: Float[Tensor, "b n d_x"],
        context: Float[Tensor, "b m d_context"],
        mask: Bool[Tensor, "*some _ m"] | None = None,
    ) -> Float[Tensor, "b n d_x"]:
        """A mask is broadcast to (b, heads, n, m); False means: may not look."""
        expect_shape("CrossAttention", x, "b n d_x", d_x=self.d_x)
        expect_shape(
            "CrossAttention's context", context, "b m d_context", b=len(x), d_context=self.d_context
        )
        q, k = self.queries(x), self.keys(context)
        v = self._split(self.to_v(context))
        out = F.scaled_dot_product_attention(q, k, v, mask)  # attention_weights(q, k) @ v in one go
        return self.to_out(rearrange(out, "b heads n d -> b n (heads d)"))

    def queries(self, x: Float[Tensor, "b n d_x"]) -> Float[Tensor, "b heads n d"]:
        """What each token of x asks for, head by head (for maps: `attention_weights`)."""
        return self._split(self.to_q(x))

    def keys(self, context: Float[Tensor, "b m d_context"]) -> Float[Tensor, "b heads m d"]:
        """What each token of the context offers, head by head."""
        return self._split(self.to_k(context))

    def _split(self, y: Tensor) -> Tensor:
        return rearrange(y, "b n (heads d) -> b heads n d", heads=self.heads)


class SelfAttention(CrossAttention):
    """Each token gathers from the tokens of its own sequence: the context is x itself."""

    def __init__(self, d_x: int, heads: int, *, bias: bool = False) -> None:
        super().__init__(d_x, d_x, heads, bias=bias)

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "b n d_x"], mask: Bool[Tensor, "*some _ n"] | None = None
    ) -> Float[Tensor, "b n d_x"]:
        return super().forward(x, x, mask)


class GatedFeedForward(nn.Module):
    """GEGLU (Shazeer 2020): one half of the hidden numbers opens and closes the other half."""

    def __init__(self, d: int, wider: int = 4) -> None:
        super().__init__()
        self.proj_in = nn.Linear(d, 2 * wider * d)
        self.proj_out = nn.Linear(wider * d, d)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        # Two smaller products instead of one that is then split: each half stays contiguous.
        (w_value, w_gate), (b_value, b_gate) = (
            self.proj_in.weight.chunk(2),
            self.proj_in.bias.chunk(2),
        )
        gate = F.gelu(F.linear(x, w_gate, b_gate))
        return self.proj_out(F.linear(x, w_value, b_value) * gate)


class TransformerBlock(nn.Module):
    """Self-attention over the tokens, cross-attention to the context, then a feed-forward layer.

    Each has a layer norm before it and a residual connection. Without a context (`d_context` = 0)
    there is no cross-attention, and `forward` takes x alone. Raises ValueError for a context that
    is missing, or given where none belongs.
    """

    def __init__(self, d: int, d_context: int, heads: int) -> None:
        super().__init__()
        self.d_context = d_context
        self.norm1, self.self_attn = nn.LayerNorm(d), SelfAttention(d, heads)
        if d_context:
            self.norm2 = nn.LayerNorm(d)
            self.cross_attn = CrossAttention(d, d_context, heads)
        self.norm3, self.ff = nn.LayerNorm(d), GatedFeedForward(d)

    def forward(
        self, x: Float[Tensor, "b n d"], context: Float[Tensor, "b m d_context"] | None = None
    ) -> Float[Tensor, "b n d"]:
        if (context is None) == (self.d_context > 0):
            raise ValueError(
                f"TransformerBlock was built with d_context={self.d_context}, so it takes "
                f"{'a context as well' if self.d_context else 'no context'}. "
                "Usual cause: the text was forgotten."
            )
        x = x + self.self_attn(self.norm1(x))
        if context is not None:
            x = x + self.cross_attn(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    """A transformer over pixels: the picture becomes h * w tokens, and its output is added to it.

    The last convolution starts at zero, so a new one passes the picture on unchanged.
    """

    def __init__(self, channels: int, d_context: int, heads: int, groups: int = 8) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, kernel_size=1)
        self.block = TransformerBlock(channels, d_context, heads)
        self.proj_out = nn.Conv2d(channels, channels, kernel_size=1)
        for p in self.proj_out.parameters():
            nn.init.zeros_(p)

    def forward(
        self, x: Float[Tensor, "b c h w"], context: Float[Tensor, "b m d_context"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        tokens = rearrange(self.norm(x), "b c h w -> b (h w) c")
        tokens = self.block(_each_token(self.proj_in, tokens), context)
        tokens = _each_token(self.proj_out, tokens)
        return x + rearrange(tokens, "b (h w) c -> b c h w", h=x.shape[-2])


def _each_token(conv: Any, tokens: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c_out"]:
    """A 1x1 convolution (or a LoRA on one) is a linear layer at every pixel, faster as one."""
    return F.linear(tokens, conv.weight[:, :, 0, 0], conv.bias)
