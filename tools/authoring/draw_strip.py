"""The README's pictures drawn from sentences: python tools/authoring/draw_strip.py [--seed 0].

The seed picks six captions of each kind, and the noise; nobody picks a picture. The first row was
trained on, the second never in any style, the third never in this style. The steps and the guidance
are those of the measure.
"""

import argparse
from pathlib import Path

import torch

from course_lib.datasets import emoji
from course_lib.display.plots import pictures_figure, png
from course_lib.files.pretrained import load_pretrained
from course_lib.metrics.benchmark import default_settings
from course_lib.text_to_image import TextToImage

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "drawn.png"
KINDS = {  # questions of the measure -> what stands over their pictures
    "train_seen": "",
    "test_combinations": "NEW: ",
    "test_style_pairs": "NEW in this style: ",
}
COLUMNS = 6


def captions(seed: int) -> list[tuple[str, str]]:
    """(mark, caption) for COLUMNS captions of each kind, picked by the seed."""
    names, g = emoji.captions("all"), torch.Generator().manual_seed(seed)
    found = []
    for kind, mark in KINDS.items():
        true = emoji.questions(kind)[:, 0]
        picked = true[torch.randperm(len(true), generator=g)[:COLUMNS]]
        found += [(mark, names[i]) for i in picked.tolist()]
    return found


def strip(model: TextToImage, seed: int) -> bytes:
    """The PNG: each picture under its caption."""
    chosen, settings = captions(seed), default_settings()
    pictures = model.draw(
        [caption for _, caption in chosen],
        [seed + i for i in range(len(chosen))],
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale,
    )
    titles = [mark + caption for mark, caption in chosen]
    return png(pictures_figure(pictures, titles, columns=COLUMNS))


def main() -> None:
    """Draw, write the picture, and print what is on it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=PICTURE)
    options = parser.parse_args()
    options.out.write_bytes(strip(load_pretrained(), options.seed))
    for i, (mark, caption) in enumerate(captions(options.seed)):
        print(f"seed {options.seed + i:3}  {mark}{caption}")
    print(f"-> {options.out}, {options.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
