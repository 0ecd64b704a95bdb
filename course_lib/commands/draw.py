"""`course draw`: pictures from sentences, by the course's own model."""

import argparse
import math
import sys
from pathlib import Path

SAMPLERS = ("ddim", "dpm_solver_pp", "heun")
MOST = 64  # pictures in one call


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The prompts, and how they are drawn."""
    parser.add_argument("prompts", nargs="+", metavar="PROMPT", help='as "a red apple"')
    parser.add_argument("--style", default="noto", help='noto, "fluent 3d", ...; or none (noto)')
    parser.add_argument("--seed", type=int, default=0, help="of the starting noise (0)")
    parser.add_argument("--count", type=int, default=1, help="pictures a prompt: seed, seed+1, ...")
    parser.add_argument("--steps", type=int, help="calls of the UNet (as in the measure)")
    parser.add_argument("--scale", type=float, help="guidance: how much to heed the prompt")
    parser.add_argument("--negative", default="", metavar="PROMPT", help="what to move away from")
    parser.add_argument("--sampler", choices=SAMPLERS, default="ddim")
    parser.add_argument("--out", type=Path, default=Path("drawing.png"), help="(drawing.png)")
    parser.add_argument("--gif", action="store_true", help="the steps too, as NAME.gif beside it")
    parser.add_argument("--zoom", type=int, default=4, help="times 64 pixels, from 1 to 16 (4)")


def run(options: argparse.Namespace) -> int:
    """Draw, write the file, and say what was drawn; with --count a row for each prompt."""
    from course_lib import samplers
    from course_lib.files import image_files, pretrained
    from course_lib.files.provenance import stamp
    from course_lib.metrics import benchmark

    _expect_sizes(options)
    image_files.expect_place(options.out)
    captions = [styled(prompt, options.style) for prompt in options.prompts]
    for prompt in options.prompts:
        say(about(prompt))
    known = benchmark.default_settings()
    model = pretrained.load_pretrained()
    seeds = [options.seed + i for _ in captions for i in range(options.count)]
    steps = model.denoise(
        [caption for caption in captions for _ in range(options.count)],
        seeds,
        num_inference_steps=known.num_inference_steps if options.steps is None else options.steps,
        guidance_scale=known.guidance_scale if options.scale is None else options.scale,
        negative=options.negative,
        sampler=getattr(samplers, options.sampler),
    )
    columns = options.count if options.count > 1 else math.ceil(len(captions) ** 0.5)
    frames = []
    for step in steps:
        if options.gif or step.t == -1:
            latents = step.x if step.t == -1 else step.x0
            frames.append(image_files.grid(model.decode(latents), columns, options.zoom))
    frames[-1].save(options.out, pnginfo=stamp(prompt="; ".join(captions), seed=options.seed))
    say(f"{len(seeds)} drawn, seed {options.seed}: {options.out}")
    if options.gif:
        image_files.save_animation(frames, options.out.with_suffix(".gif"))
        say(f"its {len(frames)} steps: {options.out.with_suffix('.gif')}")
    return 0


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
        (1 <= options.zoom <= 16, f"--zoom from 1 to 16, got {options.zoom}"),
    ):
        if not right:
            raise ValueError(f"wanted {words}")
