"""`course draw`: pictures from sentences, by the course's own model or a Stable Diffusion 1."""

import argparse
import math
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course_lib.samplers import Step
    from course_lib.text_to_image import TextToImage

SAMPLERS = ("ddim", "dpm_solver_pp", "heun")
MOST = 64  # pictures in one call


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The prompts, and how they are drawn."""
    parser.add_argument(
        "prompts", nargs="+", metavar="PROMPT", help='what to draw, as "a red apple"'
    )
    parser.add_argument(
        "--style",
        help='drawing style: noto, "fluent 3d", ... or none (default: noto; none with --model)',
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument(
        "--count",
        type=int,
        default=1,
        help="pictures per prompt, with seeds seed, seed+1, ... (default: 1)",
    )
    parser.add_argument(
        "--steps", type=int, help="number of inference steps (default: as in the benchmark)"
    )
    parser.add_argument(
        "--scale",
        type=float,
        help="guidance scale: how closely to follow the prompt (default: as in the benchmark)",
    )
    parser.add_argument(
        "--negative",
        default="",
        metavar="PROMPT",
        help="negative prompt: what to avoid (default: none)",
    )
    parser.add_argument(
        "--sampler", choices=SAMPLERS, default="ddim", help="sampler (default: ddim)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("drawing.png"),
        help="picture file: .png, .jpg or .webp (default: drawing.png)",
    )
    parser.add_argument(
        "--gif", action="store_true", help="also save the steps as an animation, NAME.gif"
    )
    parser.add_argument(
        "--zoom", type=int, help="enlargement, 1 to 16 (default: 4; 1 with --model)"
    )
    parser.add_argument(
        "--model",
        type=Path,
        help="Stable Diffusion 1: a folder, or a .safetensors file (default: the course's)",
    )
    parser.add_argument("--vae", type=Path, help="another VAE for that model: a folder or a file")
    parser.add_argument(
        "--words",
        type=Path,
        action="append",
        default=[],
        help="textual inversion file; may be given several times",
    )
    parser.add_argument(
        "--lora",
        action="append",
        default=[],
        metavar="FILE:0.8",
        help="LoRA file and strength; may be given several times",
    )
    parser.add_argument(
        "--size", type=int, help="width and height in pixels, in steps of 64 (default: the model's)"
    )
    parser.add_argument("--half", action="store_true", help="16-bit weights: half the memory")


def run(options: argparse.Namespace) -> int:
    """Draw, write the file, and say what was drawn; with --count a row for each prompt."""
    from course_lib import samplers
    from course_lib.datasets import prompt_vocabulary
    from course_lib.files import image_files, provenance
    from course_lib.metrics import benchmark

    _expect_sizes(options)
    image_files.expect_place(options.out)
    style = options.style or ("none" if options.model else "noto")
    captions = [styled(prompt, style) for prompt in options.prompts]
    for prompt in options.prompts if options.model is None else ():
        say(about(prompt))
    known = benchmark.default_settings()
    usual = (25, 7.5) if options.model else (known.num_inference_steps, known.guidance_scale)
    num_inference_steps = usual[0] if options.steps is None else options.steps
    model = chosen_model(options)
    for i, caption in enumerate(captions):
        captions[i], cut = prompt_vocabulary.fitted(model.tokenizer, caption)
        say(prompt_vocabulary.about_cut(cut))
    seeds = [options.seed + i for _ in captions for i in range(options.count)]
    steps = model.denoise(
        [caption for caption in captions for _ in range(options.count)],
        seeds,
        num_inference_steps=num_inference_steps,
        guidance_scale=usual[1] if options.scale is None else options.scale,
        negative=options.negative,
        sampler=getattr(samplers, options.sampler),
    )
    columns = options.count if options.count > 1 else math.ceil(len(captions) ** 0.5)
    zoom = options.zoom or (1 if options.model else 4)
    frames = []
    for step in with_time_left(steps, num_inference_steps):
        if options.gif or step.t == -1:
            latents = step.x if step.t == -1 else step.x0
            frames.append(image_files.grid(model.decode(latents), columns, zoom))
    provenance.save(frames[-1], options.out, prompt="; ".join(captions), seed=options.seed)
    say(f"{len(seeds)} drawn, seed {options.seed}: {options.out}")
    if options.gif:
        provenance.save_animation(frames, options.out.with_suffix(".gif"))
        say(f"its {len(frames)} steps: {options.out.with_suffix('.gif')}")
    return 0


def chosen_model(options: argparse.Namespace) -> "TextToImage":
    """The model to draw with: the course's own, or the one at --model, with what goes on it."""
    from dataclasses import replace

    import torch

    from course_lib.display.notebook import pick_device
    from course_lib.files import pretrained
    from course_lib.formats import loading
    from course_lib.formats.parts import PLAIN, Target
    from course_lib.precision import half_of

    loras = [strength(text) for text in options.lora]
    target, model = PLAIN, None
    if options.model:
        device = pick_device()
        target = Target(torch.bfloat16 if options.half else half_of(device), device)
        model = loading.load(options.model, target)
    model = loading.with_extras(
        model or pretrained.load_pretrained(),
        vae=[options.vae] if options.vae else [],
        words=options.words,
        loras=loras,
        target=target,
    )
    if options.size is None:
        return model
    step = model.vae.factor * 8
    if not 0 < options.size <= 2048 or options.size % step:
        raise ValueError(f"--size goes in steps of {step} up to 2048, got {options.size}")
    return replace(model, side=options.size // model.vae.factor)


def strength(text: str) -> tuple[Path, float]:
    """A LoRA's file and strength from "FILE:0.8"; without a number the strength is 1."""
    path, colon, number = text.rpartition(":")
    try:
        return (Path(path), float(number)) if colon else (Path(text), 1.0)
    except ValueError:  # the colon of a drive, as in C:\lora.safetensors
        return Path(text), 1.0


def with_time_left(steps: Iterable["Step"], count: int) -> Iterator["Step"]:
    """The same steps; from the second on stderr says how long the rest will take, if it is long."""
    begin, told = time.monotonic(), False
    for i, step in enumerate(steps, start=1):
        took = time.monotonic() - begin
        if told or took / i * count > 10:
            told = True
            left = f"{took / i * (count - i):.0f} s left" if i < count else f"{took:.0f} s   "
            print(f"\rstep {i} of {count}, {left}  ", end="", file=sys.stderr, flush=True)
        yield step
    if told:
        print(file=sys.stderr)


def styled(prompt: str, style: str) -> str:
    """The prompt in the form of the training captions: "red apple, noto style".

    Style "none" leaves it as it stands, and so does a prompt that names its style. Raises
    ValueError, with the styles there are, for an unknown one.
    """
    from course_lib.datasets import emoji

    style = style.lower().replace("-", " ").replace("_", " ")
    if style == "none" or any(prompt.strip().endswith(emoji.caption("", s)) for s in emoji.STYLES):
        return prompt
    if style not in emoji.STYLES:
        raise ValueError(f"there is no style {style!r}; there are {', '.join(emoji.STYLES)}, none")
    return emoji.caption(prompt.strip(), style)


def about(prompt: str) -> str:
    """What to know about a prompt before its picture is judged: one line, or ""."""
    from course_lib.datasets import prompt_vocabulary

    if not prompt.strip():
        return "An empty prompt: the model chooses what to draw."
    return prompt_vocabulary.about_unknown(prompt)


def say(text: str) -> None:
    """Print a line, if there is one, with escapes for letters that this terminal cannot show."""
    if text:
        known = sys.stdout.encoding or "utf-8"
        print(text.encode(known, "backslashreplace").decode(known))


def _expect_sizes(options: argparse.Namespace) -> None:
    pictures = len(options.prompts) * options.count
    scale = 1.0 if options.scale is None else options.scale
    for right, words in (
        (1 <= options.count and pictures <= MOST, f"1 to {MOST} pictures, got {pictures}"),
        (0 <= options.seed < 2**63 - MOST, f"--seed from 0 to 2**63, got {options.seed}"),
        (0 <= scale <= 50, f"--scale from 0 to 50, got {scale}; 1 is no guidance, 3 is usual"),
        (1 <= (options.zoom or 1) <= 16, f"--zoom from 1 to 16, got {options.zoom}"),
    ):
        if not right:
            raise ValueError(f"wanted {words}")
