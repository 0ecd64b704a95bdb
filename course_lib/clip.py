"""CLIP: a text tower and an image tower that learn to give matching pairs the same direction.

Radford et al. 2021. The structure is that of transformers' CLIPModel, so either loads the other's
weights; the text tower, frozen, is what Stable Diffusion reads its prompts with.
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.attention import causal_mask
from course_lib.self_attention import EncoderBlock
from course_lib.shapes import expect_shape


def quick_gelu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """CLIP's cheaper stand-in for GELU: x * sigmoid(1.702 x)."""
    return x * torch.sigmoid(1.702 * x)


def _block(width: int, heads: int) -> EncoderBlock:
    return EncoderBlock(width, heads, bias=True, activation=quick_gelu)


class TextTower(nn.Module):
    """Token ids to one vector per token, each knowing the tokens before it (CLIPTextModel).

    Positions are learned, not sines. The last id of the vocabulary is the end of the text.
    """

    def __init__(
        self, vocabulary: int, *, length: int, width: int, layers: int, heads: int
    ) -> None:
        super().__init__()
        self.end, self.heads = vocabulary - 1, heads
        # With CLIP's std of 0.02 the first block's output swamps the token embeddings here;
        # nn.Embedding's own std of 1 avoids that.
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.randn(length, width) * 0.1)
        self.blocks = nn.ModuleList(_block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, ids: Int[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
        """The last hidden states: Stable Diffusion's context.

        Raises ValueError for more than `length` ids per text.
        """
        expect_shape("TextTower", ids, "b m")
        if ids.shape[1] > len(self.positions):
            raise ValueError(
                f"TextTower holds {len(self.positions)} positions, got {ids.shape[1]} ids. "
                "Usual cause: a tokenizer made with another length."
            )
        x = self.tokens(ids) + self.positions[: ids.shape[1]]
        mask = causal_mask(ids.shape[1]).to(ids.device)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)

    def at_end(
        self, states: Float[Tensor, "b m d"], ids: Int[Tensor, "b m"]
    ) -> Float[Tensor, "b d"]:
        """The state of the first end token: it has seen the whole text and none of the padding."""
        first_end = (ids == self.end).int().argmax(dim=1)  # (b,)
        return states[torch.arange(len(ids), device=ids.device), first_end]


class ImageTower(nn.Module):
    """A picture, split into square patches, to one vector (CLIPVisionModel; Dosovitskiy 2021).

    Raises ValueError for a `size` that does not split into patches, and for pictures of another.
    """

    def __init__(self, *, size: int, patch: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        if size % patch:
            raise ValueError(f"ImageTower: a side of {size} does not split into patches of {patch}")
        self.size, self.heads = size, heads
        self.patches = nn.Conv2d(3, width, kernel_size=patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * width**-0.5)
        self.positions = nn.Parameter(torch.randn((size // patch) ** 2 + 1, width) * 0.02)
        self.norm_in = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(_block(width, heads) for _ in range(layers))
        self.norm_out = nn.LayerNorm(width)

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        expect_shape("ImageTower", pictures, "b c h w", c=3, h=self.size, w=self.size)
        x = rearrange(self.patches(pictures), "b d h w -> b (h w) d")
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], dim=1)  # (b, 1 + h w, d)
        x = self.norm_in(x + self.positions)
        for block in self.blocks:
            x = block(x)
        return self.norm_out(x[:, 0])


class CLIP(nn.Module):
    """Both towers, and a linear projection from each into the space they share."""

    def __init__(self, text: TextTower, image: ImageTower, d_shared: int) -> None:
        super().__init__()
        self.text, self.image = text, image
        d_text, d_image = text.norm.weight.shape[0], image.norm_out.weight.shape[0]
        self.text_projection = nn.Linear(d_text, d_shared, bias=False)
        self.visual_projection = nn.Linear(d_image, d_shared, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def encode_text(self, ids: Int[Tensor, "b m"]) -> Float[Tensor, "b d_shared"]:
        """One vector of length 1 for each text."""
        states = self.text.at_end(self.text(ids), ids)
        return F.normalize(self.text_projection(states), dim=-1)

    def encode_image(self, pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d_shared"]:
        """One vector of length 1 for each picture in [-1, 1]."""
        return F.normalize(self.visual_projection(self.image(pictures)), dim=-1)

    def scale(self) -> Float[Tensor, ""]:
        """What similarities are multiplied by before the softmax: 1 / temperature, at most 100."""
        return self.logit_scale.exp().clamp(max=100)

    def forward(
        self, pictures: Float[Tensor, "n 3 h w"], ids: Int[Tensor, "b m"]
    ) -> Float[Tensor, "n b"]:
        """The scaled similarity of every picture (rows) with every text (columns)."""
        return self.scale() * self.encode_image(pictures) @ self.encode_text(ids).T


def contrastive_loss(similarity: Float[Tensor, "b b"]) -> Float[Tensor, ""]:
    """Cross-entropy with the diagonal as the right answer, by rows and by columns (figure 3).

    Raises ValueError unless there are as many texts as pictures.
    """
    expect_shape("contrastive_loss", similarity, "b texts", texts=len(similarity))
    right = torch.arange(len(similarity), device=similarity.device)
    return (F.cross_entropy(similarity, right) + F.cross_entropy(similarity.T, right)) / 2


EMOJI_LENGTH = 32  # ids per caption; the longest emoji needs 20, two things in their places more


def emoji(vocabulary: int) -> CLIP:
    """The course's own, for 64x64 pictures: few patches, short texts, quick to train."""
    text = TextTower(vocabulary, length=EMOJI_LENGTH, width=128, layers=4, heads=4)
    image = ImageTower(size=64, patch=16, width=160, layers=4, heads=5)
    return CLIP(text, image, d_shared=128)


def openai_vit_b_32() -> CLIP:
    """OpenAI's CLIP ViT-B/32: 151 million weights. Make it under `torch.device("meta")` to look."""
    text = TextTower(49408, length=77, width=512, layers=12, heads=8)
    image = ImageTower(size=224, patch=32, width=768, layers=12, heads=12)
    return CLIP(text, image, d_shared=512)


def stable_diffusion_text() -> TextTower:
    """The text tower of Stable Diffusion 1.5 (CLIP ViT-L/14): 123 million weights."""
    return TextTower(49408, length=77, width=768, layers=12, heads=12)


_NAMES = (  # ours, transformers'; whole parts of a key, from left to right
    ("logit_scale", "logit_scale"),
    ("text_projection", "text_projection"),
    ("visual_projection", "visual_projection"),
    ("text.tokens", "text_model.embeddings.token_embedding"),
    ("text.positions", "text_model.embeddings.position_embedding.weight"),
    ("text.norm", "text_model.final_layer_norm"),
    ("text.blocks", "text_model.encoder.layers"),
    ("image.patches", "vision_model.embeddings.patch_embedding"),
    ("image.class_embedding", "vision_model.embeddings.class_embedding"),
    ("image.positions", "vision_model.embeddings.position_embedding.weight"),
    ("image.norm_in", "vision_model.pre_layrnorm"),  # spelled like this in transformers
    ("image.norm_out", "vision_model.post_layernorm"),
    ("image.blocks", "vision_model.encoder.layers"),
)
_NAMES_IN_BLOCK = (
    ("norm1", "layer_norm1"),
    ("norm2", "layer_norm2"),
    ("self_attn.to_q", "self_attn.q_proj"),
    ("self_attn.to_k", "self_attn.k_proj"),
    ("self_attn.to_v", "self_attn.v_proj"),
    ("self_attn.to_out", "self_attn.out_proj"),
    ("fc1", "mlp.fc1"),
    ("fc2", "mlp.fc2"),
)


def _rename(key: str, column: int) -> str:
    """`key` with its first part, and the one inside a block, as in the other column."""
    for names in _NAMES:
        if key == names[column] or key.startswith(names[column] + "."):
            key = names[1 - column] + key[len(names[column]) :]
            break
    else:
        raise ValueError(f"{key} is not a part of CLIP. Usual cause: the weights of another model.")
    for names in _NAMES_IN_BLOCK:
        if f".{names[column]}." in key:
            return key.replace(f".{names[column]}.", f".{names[1 - column]}.")
    return key


def to_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A CLIP's state_dict with the keys of transformers' CLIPModel.

    The keys `text.*` alone become those of a CLIPTextModel, with its `text_model.` in front.
    """
    return {_rename(key, 0): value for key, value in state.items()}


def from_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A CLIPModel's state_dict with our keys; the position numbers some versions save are dropped.

    Raises ValueError for a key that is not CLIP's.
    """
    kept = {key: value for key, value in state.items() if not key.endswith("position_ids")}
    return {_rename(key, 1): value for key, value in kept.items()}
