"""One 64x64 picture from a sentence: ours and diffusers' pipeline from the exported folder.

    python benchmarks/picture.py [--times 10] [--threads 2]

20 steps with guidance, decoded, model loaded, by turns in one run. Prints seconds and processor
seconds a picture, their ratio (at most 1 is asked for) and how far the two pictures are apart.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from course_lib.files.pretrained import load_pretrained
from course_lib.formats import diffusers_folder
from course_lib.text_to_image import TextToImage

PROMPT, SEED, STEPS, SCALE = "red apple, noto style", 0, 20, 3.0
Draw = Callable[[], NDArray[np.float32]]


def runs(ours: TextToImage, folder: Path) -> dict[str, Draw]:
    """Both ways to the same picture, (1, 64, 64, 3) in [0, 1]."""
    diffusers_folder.save(ours, folder)
    theirs = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    theirs.set_progress_bar_config(disable=True)

    def draw_ours() -> NDArray[np.float32]:
        picture = ours.draw([PROMPT], [SEED], num_inference_steps=STEPS, guidance_scale=SCALE)
        return (picture.permute(0, 2, 3, 1).numpy() + 1) / 2

    def draw_theirs() -> NDArray[np.float32]:
        return theirs(
            PROMPT,
            latents=ours.noise([SEED]),
            num_inference_steps=STEPS,
            guidance_scale=SCALE,
            output_type="np",
        ).images

    return {"ours": draw_ours, "diffusers": draw_theirs}


def main() -> None:
    """Time both, by turns, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        draw = runs(load_pretrained(), Path(folder))
        pictures = {name: once() for name, once in draw.items()}  # these warm up as well
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in draw}
        for _ in range(options.times):
            for name, once in draw.items():
                start = time.perf_counter(), time.process_time()
                once()
                taken[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    for name, each in taken.items():
        wall, cpu = (median(seconds) for seconds in zip(*each, strict=True))
        best = min(each)[0]
        print(f"{name:10} {wall:.3f} s a picture (best {best:.3f}), {cpu:.3f} processor seconds")
    ratios = [a[1] / b[1] for a, b in zip(taken["ours"], taken["diffusers"], strict=True)]
    apart = float(np.abs(pictures["ours"] - pictures["diffusers"]).mean()) * 255
    print(f"ratio in processor seconds {median(ratios):.2f} (median of {options.times} pairs)")
    print(f"mean difference of the pictures {apart:.4f} of 255")
    print(f"{options.threads} threads, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
