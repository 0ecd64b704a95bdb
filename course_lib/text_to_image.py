"""Words to a picture: all the boxes of the diagram, wired (Rombach et al. 2022, figure 3).

words -> tokens -> context -> denoise latents, guided by the context -> picture. Nothing here is
learned and nothing is new: every part has a lesson of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from course_lib.autoencoder import VAE
from course_lib.clip import TextTower
from course_lib.diffusion import EPSILON, Denoiser, Prediction, add_noise
from course_lib.samplers import Step, ddim, times
from course_lib.schedule import NoiseSchedule
from course_lib.shapes import expect_shape
from course_lib.tokenizer import Tokenizer
from course_lib.unet import UNet

Sampler = Callable[[Denoiser, Tensor, NoiseSchedule, Sequence[int]], Iterator[Step]]
Pictures = Float[Tensor, "b 3 h w"]


@dataclass(frozen=True, eq=False)
class TextToImage:
    """The parts of a text-to-image model, and what can be done with them.

    `prediction` says what the UNet predicts. `side` is the height and width of a latent. Pictures
    are in [-1, 1]; everything runs where the parts are. A seed stands for one starting noise: the
    same in any batch and for any prompt.
    """

    tokenizer: Tokenizer
    text_tower: TextTower
    unet: UNet
    vae: VAE
    schedule: NoiseSchedule
    prediction: Prediction = EPSILON
    side: int = 8

    @property
    def device(self) -> torch.device:
        """Where the UNet's weights are; the other parts must be there too."""
        return self.unet.conv_in.weight.device

    @torch.no_grad()
    def context(self, prompts: Sequence[str]) -> Float[Tensor, "b m d_context"]:
        """Prompts to one vector per token, from the frozen text tower."""
        return self.text_tower(self.tokenizer(prompts).to(self.device))

    def denoiser(
        self, prompts: Sequence[str], guidance_scale: float, negative: str = ""
    ) -> Denoiser:
        """Classifier-free guidance (Ho and Salimans 2022) with both halves in one batch.

        `negative` is what to move away from: the empty text, or a negative prompt. The same as
        `samplers.guided`, in one call of the UNet instead of two.
        """
        half = self.unet.conv_in.weight.dtype  # float32, or 16 bits; the sampler's sums are float32
        both = torch.cat([self.context([negative] * len(prompts)), self.context(prompts)]).to(half)

        def guided_model(x: Tensor, t: Tensor) -> Tensor:
            twice = torch.cat([x, x]).to(half)
            uncond, cond = self.unet(twice, torch.cat([t, t]), both).float().chunk(2)
            return uncond + guidance_scale * (cond - uncond)

        return self.prediction.to_noise(guided_model, self.schedule)

    def noise(self, seeds: Sequence[int]) -> Float[Tensor, "b c side side"]:
        """The starting latents of these seeds, made on the CPU so that all devices agree."""
        shape = (self.unet.channels, self.side, self.side)
        each = [torch.randn(shape, generator=torch.Generator().manual_seed(s)) for s in seeds]
        return torch.stack(each).to(self.device)

    def denoise(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        num_inference_steps: int = 20,
        guidance_scale: float = 3.0,
        negative: str = "",
        sampler: Sampler = ddim,
    ) -> Iterator[Step]:
        """The latents after each step, to watch: `vae.to_pictures(step.x0)` is the guess so far.

        Raises ValueError unless there is one seed for each prompt.
        """
        _one_each(prompts, seeds)
        model = self.denoiser(prompts, guidance_scale, negative)
        ts = times(self.schedule.num_train_timesteps, num_inference_steps)
        return sampler(model, self.noise(seeds), self.schedule, ts)

    def draw(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        num_inference_steps: int = 20,
        guidance_scale: float = 3.0,
        negative: str = "",
        sampler: Sampler = ddim,
    ) -> Pictures:
        """A picture for each prompt and its seed, in [-1, 1]."""
        *_, last = self.denoise(
            prompts,
            seeds,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            negative=negative,
            sampler=sampler,
        )
        return self.decode(last.x)

    def img2img(
        self,
        pictures: Pictures,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        strength: float = 0.6,
        num_inference_steps: int = 20,
        guidance_scale: float = 3.0,
    ) -> Pictures:
        """Picture to picture (SDEdit, Meng et al. 2021): start from a noised picture, not noise.

        `strength` is the part of the way that is walked: near 0 the picture stays, at 1 little of
        it is left. Raises ValueError unless it is above 0 and at most 1, and unless there is a
        picture for each prompt.
        """
        _one_each(prompts, seeds)
        self._expect(pictures, len(prompts))
        if not 0 < strength <= 1:
            raise ValueError(
                f"strength goes from above 0 (no change) to 1 (all new), got {strength}. "
                "Usual cause: a percentage; 60 % is 0.6."
            )
        ts = times(self.schedule.num_train_timesteps, num_inference_steps)[
            -max(1, round(strength * num_inference_steps)) - 1 :
        ]
        start = self._noised(self.encode(pictures), seeds, ts[0])
        model = self.denoiser(prompts, guidance_scale)
        *_, last = ddim(model, start, self.schedule, ts)
        return self.decode(last.x)

    def inpaint(
        self,
        pictures: Pictures,
        mask: Float[Tensor, "b 1 h w"],
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        num_inference_steps: int = 20,
        guidance_scale: float = 3.0,
    ) -> Pictures:
        """Draw again where `mask` is 1 and keep what is there where it is 0.

        After each step the kept part is put back, with as much noise as belongs to that time
        (RePaint, Lugmayr et al. 2022, equation 8). The mask counts in whole latents, 8x8 pixels.
        Raises ValueError unless there are a picture and a mask for each prompt.
        """
        _one_each(prompts, seeds)
        self._expect(pictures, len(prompts))
        expect_shape("inpaint's mask", mask, "b c h w", b=len(prompts), c=1)
        known = self.encode(pictures)
        small = F.interpolate(mask.float(), size=known.shape[-2:], mode="area")
        new = small.round().to(self.device)
        model, x = self.denoiser(prompts, guidance_scale), self.noise(seeds)
        for move in pairwise(times(self.schedule.num_train_timesteps, num_inference_steps)):
            (step,) = ddim(model, x, self.schedule, move)
            x = new * step.x + (1 - new) * self._noised(known, seeds, step.t)
        return self.decode(x)

    @torch.no_grad()
    def encode(self, pictures: Pictures) -> Float[Tensor, "b c side side"]:
        """Pictures in [-1, 1] to latents of unit spread."""
        half = self.vae.decoder.conv_in.weight.dtype
        return self.vae.to_latents(pictures.to(self.device, half)).float()

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "b c side side"]) -> Pictures:
        """Latents of unit spread to pictures in [-1, 1]."""
        half = self.vae.decoder.conv_in.weight.dtype
        return self.vae.to_pictures(latents.to(half)).float()

    def _expect(self, pictures: Tensor, n: int) -> None:
        side = self.side * self.vae.factor
        expect_shape("pictures", pictures, "b c h w", b=n, c=self.vae.c_picture, h=side, w=side)

    def _noised(self, latents: Tensor, seeds: Sequence[int], t: int) -> Tensor:
        ts = torch.full((len(latents),), t, device=latents.device)
        return add_noise(latents, self.noise(seeds), ts, self.schedule)


def _one_each(prompts: Sequence[str], seeds: Sequence[int]) -> None:
    single = isinstance(prompts, str) or isinstance(seeds, int)
    if single or len(prompts) != len(seeds) or not prompts:
        raise ValueError(
            f"a list of prompts and as many seeds are wanted, got {prompts!r:.60} and {seeds!r:.60}"
            ". Usual cause: one prompt without its brackets; use [prompt] and [seed]."
        )
