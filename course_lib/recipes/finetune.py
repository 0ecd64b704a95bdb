"""Fine-tune a text-to-image model on captioned pictures: the loss and the training run.

The autoencoder and the text tower are frozen, so pictures and captions go through them once, and
what is trained is the UNet alone (Rombach et al. 2022, section 3.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from course_lib.datasets import emoji
from course_lib.diffusion import add_noise
from course_lib.files.atomic import sha256
from course_lib.precision import half_of, mixed
from course_lib.text_to_image import TextToImage
from course_lib.training import long_run

Pictures = Float[Tensor, "n 3 h w"] | emoji.Pictures


@dataclass(frozen=True, eq=False)
class LatentDataset:
    """What a UNet learns from: latents, the context of each one's caption, that of no caption."""

    latents: Float[Tensor, "n c h w"]
    contexts: Float[Tensor, "n m d"]
    empty: Float[Tensor, "1 m d"]

    def __len__(self) -> int:
        return len(self.latents)


def prepare(model: TextToImage, pictures: Pictures, captions: Sequence[str]) -> LatentDataset:
    """Pictures and captions, once through the frozen parts of `model`; stays where the model is.

    Contexts are kept in half precision: there are many of them. Raises ValueError unless there is
    one caption for each picture.
    """
    if len(pictures) != len(captions) or not len(pictures):
        raise ValueError(
            f"a caption for each picture is wanted, got {len(pictures)} pictures and "
            f"{len(captions)} captions. Usual cause: one of the two was cut, the other not."
        )
    rows = torch.arange(len(pictures)).split(64)
    latents = [model.encode(pictures[r]) for r in rows]
    contexts = [model.context([captions[i] for i in r.tolist()]).half() for r in rows]
    return LatentDataset(torch.cat(latents), torch.cat(contexts), model.context([""]).half())


def diffusion_loss(
    model: TextToImage,
    data: LatentDataset,
    generator: torch.Generator,
    *,
    batch_size: int = 64,
    drop: float = 0.1,
) -> Float[Tensor, ""]:
    """The loss on a batch drawn by `generator`, a CPU's, so that all devices draw the same.

    A share `drop` of the captions is left out, so that the UNet knows pictures in general, which
    guidance needs (Ho and Salimans 2022). The target is what `model.prediction` says.
    """
    rows = torch.randint(len(data), (batch_size,), generator=generator)
    dropped = torch.rand(batch_size, 1, 1, generator=generator) < drop
    t = torch.randint(model.schedule.num_train_timesteps, (batch_size,), generator=generator)
    noise = torch.randn(batch_size, *data.latents.shape[1:], generator=generator)
    t, noise, dropped = (x.to(model.device) for x in (t, noise, dropped))
    x0, context = data.latents[rows], data.contexts[rows]
    context = torch.where(dropped, data.empty, context).float()
    target = model.prediction.target(x0, noise, t, model.schedule)
    with mixed(model.device):
        guess = model.unet(add_noise(x0, noise, t, model.schedule), t, context)
    return F.mse_loss(guess.float(), target)


def finetune(
    model: TextToImage,
    data: LatentDataset,
    folder: Path,
    *,
    steps: int,
    batch_size: int = 64,
    lr: float = 1e-3,
    save_every: int = 200,
) -> TextToImage:
    """Train the model's UNet for `steps` steps in all; returns a model with its average.

    Started again with the same `folder` it continues from the last checkpoint, even when that was
    made in another session; with other settings or pictures it raises ValueError. The stop button
    ends it early and keeps what was learned.
    """
    model.unet.train().requires_grad_(True)
    average = long_run(
        model.unet,
        lambda g: diffusion_loss(model, data, g, batch_size=batch_size),
        folder,
        steps=steps,
        lr=lr,
        save_every=save_every,
        scaled=half_of(model.device) == torch.float16,
        settings={"batch_size": batch_size, "data": sha256(data.latents.cpu().numpy().tobytes())},
    )
    return replace(model, unet=average)
