"""Attention, once: self-attention is cross-attention of a sequence with itself.

Vaswani et al. 2017; the transformer inside the UNet is Stable Diffusion's (Rombach et al. 2022).
"""

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.shapes import expect_shape


class CrossAttention(nn.Module):
    """Each of the n tokens of x gathers what it needs from the m tokens of `context`.

    Several heads look for different things at once. Raises ValueError if the width does not split
    into `heads`.
    """

    def __init__(self, d_x: int, d_context: int, heads: int) -> None:
        super().__init__()
        if d_x % heads:
            raise ValueError(
                f"CrossAttention: a width of {d_x} does not split into {heads} heads. "
                "Usual cause: `heads` is the number of heads, not the width of one."
            )
        self.heads, self.d_x, self.d_context = heads, d_x, d_context
        self.to_q = nn.Linear(d_x, d_x, bias=False)
        self.to_k = nn.Linear(d_context, d_x, bias=False)
        self.to_v = nn.Linear(d_context, d_x, bias=False)
        self.to_out = nn.Linear(d_x, d_x)

    def forward(
        self, x: Float[Tensor, "b n d_x"], context: Float[Tensor, "b m d_context"]
    ) -> Float[Tensor, "b n d_x"]:
        expect_shape("CrossAttention", x, "b n d_x", d_x=self.d_x)
        expect_shape(
            "CrossAttention's context", context, "b m d_context", b=len(x), d_context=self.d_context
        )
        q, k = self.queries(x), self.keys(context)
        v = self._split(self.to_v(context))
        out = F.scaled_dot_product_attention(q, k, v)  # softmax(q k' / sqrt(d)) v, in one go
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

    def __init__(self, d_x: int, heads: int) -> None:
        super().__init__(d_x, d_x, heads)

    def forward(self, x: Float[Tensor, "b n d_x"]) -> Float[Tensor, "b n d_x"]:  # type: ignore[override]
        return super().forward(x, x)


class GatedFeedForward(nn.Module):
    """GEGLU (Shazeer 2020): one half of the hidden numbers opens and closes the other half."""

    def __init__(self, d: int, wider: int = 4) -> None:
        super().__init__()
        self.into = nn.Linear(d, 2 * wider * d)
        self.out = nn.Linear(wider * d, d)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        # Two small multiplications instead of one that is cut in two: the halves stay in one piece.
        (w_value, w_gate), (b_value, b_gate) = self.into.weight.chunk(2), self.into.bias.chunk(2)
        gate = F.gelu(F.linear(x, w_gate, b_gate))
        return self.out(F.linear(x, w_value, b_value) * gate)


class TransformerBlock(nn.Module):
    """Look at the picture's own tokens, then at the context, then think about it; each is added on.

    Without a context (`d_context` = 0) the second part is not there, and `forward` takes x alone.
    """

    def __init__(self, d: int, d_context: int, heads: int) -> None:
        super().__init__()
        self.norm_self, self.look_at_self = nn.LayerNorm(d), SelfAttention(d, heads)
        if d_context:
            self.norm_context = nn.LayerNorm(d)
            self.look_at_context = CrossAttention(d, d_context, heads)
        self.norm_think, self.think = nn.LayerNorm(d), GatedFeedForward(d)

    def forward(
        self, x: Float[Tensor, "b n d"], context: Float[Tensor, "b m d_context"] | None = None
    ) -> Float[Tensor, "b n d"]:
        x = x + self.look_at_self(self.norm_self(x))
        if context is not None:
            x = x + self.look_at_context(self.norm_context(x), context)
        return x + self.think(self.norm_think(x))


class SpatialTransformer(nn.Module):
    """A transformer over pixels: flatten the picture to h * w tokens, look, fold it back, add.

    The last convolution starts at zero, so a new one passes the picture on unchanged.
    """

    def __init__(self, channels: int, d_context: int, heads: int, groups: int = 8) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.into = nn.Conv2d(channels, channels, kernel_size=1)
        self.block = TransformerBlock(channels, d_context, heads)
        self.out = nn.Conv2d(channels, channels, kernel_size=1)
        for p in self.out.parameters():
            nn.init.zeros_(p)

    def forward(
        self, x: Float[Tensor, "b c h w"], context: Float[Tensor, "b m d_context"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        tokens = rearrange(self.norm(x), "b c h w -> b (h w) c")
        tokens = self.block(_each_token(self.into, tokens), context)
        tokens = _each_token(self.out, tokens)
        return x + rearrange(tokens, "b (h w) c -> b c h w", h=x.shape[-2])


def _each_token(conv: nn.Conv2d, tokens: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c_out"]:
    """A 1x1 convolution is a linear layer at every pixel, and quicker as one."""
    return F.linear(tokens, conv.weight[:, :, 0, 0], conv.bias)
