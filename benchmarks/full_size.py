"""Stable Diffusion 1.5's true size, with random weights: loading, a call of the UNet, a picture.

    python benchmarks/full_size.py FOLDER load       # processor seconds and memory
    python benchmarks/full_size.py FOLDER call       # one UNet call at 512x512, ratio
    python benchmarks/full_size.py FOLDER picture    # 512x512 in 2 steps: how far apart they are

FOLDER is made on the first call (2.1 GB in float16, `--float32` for 4.3 GB) and kept. Each side is
measured in a process of its own. Asked for: loading at most 2 processor seconds and 1.15 times the
weights; a call at most 1.0 times diffusers'; pictures equal to 1e-3.
"""

import argparse
import subprocess
import sys
import time
import warnings
from pathlib import Path

import torch

warnings.simplefilter("ignore")
PROMPT, SEED, STEPS, SCALE = "a photograph of an astronaut riding a horse", 0, 2, 7.5


def make(folder: Path, dtype: torch.dtype) -> None:
    """A folder with 1.5's own settings; every weight random, norms and biases too."""
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from course_lib.datasets import vocabulary
    from course_lib.tokenizer import Tokenizer

    torch.manual_seed(0)
    four = (128, 256, 512, 512)
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
    vae = AutoencoderKL(
        block_out_channels=four,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=768,
            intermediate_size=3072,
            num_attention_heads=12,
            bos_token_id=49406,
            eos_token_id=49407,
            pad_token_id=49407,
        )
    )
    with torch.no_grad():
        for part in (unet, vae, text):
            for p in part.parameters():
                p += 0.05 * torch.randn(p.shape) * (p.std() if p.ndim > 1 else 1)
    Tokenizer(vocabulary.merges()).save(folder / "tokenizer")
    StableDiffusionPipeline(
        vae=vae.to(dtype),
        text_encoder=text.to(dtype),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=unet.to(dtype),
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            clip_sample=False,
            set_alpha_to_one=True,
            steps_offset=1,
            timestep_spacing="trailing",
        ),
        safety_checker=None,
        feature_extractor=None,
    ).save_pretrained(folder)


def memory() -> dict[str, float]:
    """This process's memory in GB: now, of its own (not of files), and at most so far."""
    names = {"VmRSS": "resident", "RssAnon": "own", "VmHWM": "peak"}
    lines = Path("/proc/self/status").read_text().splitlines()
    found = {line.split(":")[0]: float(line.split()[1]) / 1e6 for line in lines if "kB" in line}
    return {word: found[name] for name, word in names.items()}


def one_side(folder: Path, side: str, what: str) -> None:
    """Load, and draw if asked; print a line, and keep the result in a file."""
    torch.set_num_threads(1)
    if side == "ours":
        from course_lib.formats import loading
    else:
        from diffusers import StableDiffusionPipeline
    before, begin, wall = memory(), time.process_time(), time.perf_counter()
    if side == "ours":
        model = loading.load(folder)
    else:
        model = StableDiffusionPipeline.from_pretrained(
            folder, torch_dtype=torch.float32, local_files_only=True
        )
        model.set_progress_bar_config(disable=True)
    took, waited, after = time.process_time() - begin, time.perf_counter() - wall, memory()
    print(
        f"{side:10} load: {took:5.2f} processor s, {waited:5.2f} s; own memory "
        f"{after['own'] - before['own']:.2f} GB more, peak {after['peak']:.2f} GB",
        flush=True,
    )
    if what == "load":
        return
    g = torch.Generator().manual_seed(SEED)
    latents = torch.randn(1, 4, 64, 64, generator=g)
    begin, wall = time.process_time(), time.perf_counter()
    with torch.no_grad():
        if what == "call":
            x, t, context = latents, torch.tensor([500]), torch.randn(1, 77, 768, generator=g)
            unet = model.unet
            out = unet(x, t, context) if side == "ours" else unet(x, t, context).sample
        elif side == "ours":
            out = model.draw([PROMPT], [SEED], num_inference_steps=STEPS, guidance_scale=SCALE)
        else:
            out = model(
                PROMPT,
                latents=latents,
                num_inference_steps=STEPS,
                guidance_scale=SCALE,
                output_type="pt",
            ).images
            out = 2 * out - 1
    took, waited = time.process_time() - begin, time.perf_counter() - wall
    peak = memory()["peak"]
    print(
        f"{side:10} {what}: {took:6.1f} processor s, {waited:6.1f} s; peak {peak:.2f} GB",
        flush=True,
    )
    torch.save(out, folder / f"{what}-{side}.pt")


def main() -> None:
    """Make the folder if it is not there, run both sides, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", choices=("load", "call", "picture"))
    parser.add_argument("--float32", action="store_true", help="weights on disk in float32")
    parser.add_argument("--side", choices=("ours", "diffusers"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        return one_side(options.folder, options.side, options.what)
    if not (options.folder / "model_index.json").is_file():
        make(options.folder, torch.float32 if options.float32 else torch.float16)
    for side in ("diffusers", "ours"):
        command = [sys.executable, __file__, str(options.folder), options.what, "--side", side]
        subprocess.run(command, check=True)
    if options.what != "load":
        theirs, ours = (
            torch.load(options.folder / f"{options.what}-{side}.pt", weights_only=True)
            for side in ("diffusers", "ours")
        )
        apart, largest = float((theirs - ours).abs().max()), float(theirs.abs().max())
        print(f"largest difference {apart:.1e}, largest number {largest:.2f}")


if __name__ == "__main__":
    main()
