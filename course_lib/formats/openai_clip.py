"""OpenAI's CLIP in the course's own classes: 605 MB, downloaded only where this is called.

Radford et al. 2021: ViT-B/32, which cuts pictures into the fewest patches. No package carries its
weights; transformers fetches them into its own cache, checks them, and shows how far it is.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.clip import CLIP, from_transformers, openai_vit_b_32, to_transformers
from course_lib.datasets import vocabulary
from course_lib.tokenizer import Tokenizer

NAME = "openai/clip-vit-base-patch32"
MEAN = (0.48145466, 0.4578275, 0.40821073)  # of the pictures that OpenAI trained on, in [0, 1]
SPREAD = (0.26862954, 0.26130258, 0.27577711)


def download() -> tuple[CLIP, Tokenizer]:
    """The trained model and its tokenizer, from transformers' cache or the internet.

    Raises ConnectionError, with a sentence to read, where neither has them, and where transformers
    is not installed.
    """
    try:
        from transformers import CLIPModel
    except ImportError as error:
        raise ConnectionError(
            "OpenAI's CLIP is fetched by transformers, which is not installed: "
            "`pip install transformers` first. All else here works without it."
        ) from error
    try:
        theirs = CLIPModel.from_pretrained(NAME)
    except OSError as error:
        raise ConnectionError(
            f"OpenAI's CLIP ({NAME}, 605 MB) is not on this computer and could not be downloaded. "
            "Usual cause: no internet. The lesson goes on without it."
        ) from error
    return adopt(theirs.state_dict()), Tokenizer(vocabulary.merges())


def adopt(state: dict[str, Tensor]) -> CLIP:
    """Our CLIP holding the weights of a transformers CLIPModel of ViT-B/32's sizes."""
    with torch.device("meta"):
        clip = openai_vit_b_32()
    clip.load_state_dict(from_transformers(state), assign=True)
    return clip.eval().requires_grad_(False)


def prepare(pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 side side"]:
    """Square pictures in [-1, 1] as OpenAI's image tower wants them: 224x224, standardised."""
    large = F.interpolate(pictures, size=(224, 224), mode="bicubic", antialias=True).clamp(-1, 1)
    mean, spread = (torch.tensor(x, device=pictures.device)[:, None, None] for x in (MEAN, SPREAD))
    return ((large + 1) / 2 - mean) / spread


@torch.no_grad()
def like_transformers(
    clip: CLIP, ids: Int[Tensor, "b m"], pictures: Float[Tensor, "n 3 h w"]
) -> Float[Tensor, "n b"]:
    """What transformers' CLIPModel answers with the same weights; ImportError without it."""
    from transformers import CLIPConfig, CLIPModel

    end = clip.text.end
    text = {
        "vocab_size": end + 1,
        "max_position_embeddings": len(clip.text.positions),
        "hidden_size": clip.text.norm.weight.shape[0],
        "intermediate_size": 4 * clip.text.norm.weight.shape[0],
        "num_hidden_layers": len(clip.text.blocks),
        "num_attention_heads": clip.text.heads,
        "bos_token_id": end - 1,
        "eos_token_id": end,
        "pad_token_id": end,
    }
    image = {
        "image_size": clip.image.size,
        "patch_size": clip.image.patches.kernel_size[0],
        "hidden_size": clip.image.norm_out.weight.shape[0],
        "intermediate_size": 4 * clip.image.norm_out.weight.shape[0],
        "num_hidden_layers": len(clip.image.blocks),
        "num_attention_heads": clip.image.heads,
    }
    d_shared = clip.text_projection.out_features
    theirs = CLIPModel(CLIPConfig(text_config=text, vision_config=image, projection_dim=d_shared))
    theirs.load_state_dict(to_transformers(clip.state_dict()))
    return theirs.eval()(input_ids=ids, pixel_values=pictures).logits_per_image
