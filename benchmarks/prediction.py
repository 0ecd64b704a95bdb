"""What should the UNet answer, noise or v? The text-to-image recipe both ways, much shortened.

    python benchmarks/prediction.py [--steps 2000] [--folder FOLDER]

Noise on Stable Diffusion's own schedule, whose last time still has a trace of the picture in it, as
drawing from pure noise has not (Lin et al. 2023); v on the schedule that was made to end in noise.
Prints the shares of validation questions answered right, and how far the brightness of a drawing
is from that of the true picture, in 255ths. Some 20 minutes for 800 steps on two cores; with the
same folder, a run that was broken off goes on.
"""

import argparse
import json
from pathlib import Path

from safetensors.torch import load_file

from course_lib import recipes, unet
from course_lib.files.pretrained import assemble
from course_lib.metrics.benchmark import default_settings, measures
from course_lib.text_to_image import TextToImage


def brightness_error(model: TextToImage, name: str) -> tuple[float, float]:
    """Mean and mean absolute difference in brightness, drawing less truth, over these questions."""
    [measure] = measures([name])
    apart = (
        measure.drawn(model, default_settings()) - measure.small[measure.true]
    )  # (n, 768), of -1 ... 1
    apart = apart.mean(dim=1) * 255 / 2
    return float(apart.mean()), float(apart.abs().mean())


def main() -> None:
    """Train both, then print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--folder", type=Path, default=Path("my-weights/prediction"))
    options = parser.parse_args()
    for prediction in ("epsilon", "v_prediction"):
        folder = options.folder / prediction
        path = recipes.emoji_text_to_image(folder, (options.steps,), prediction)
        made = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        model = unet.emoji_latent()
        model.load_state_dict(load_file(path))
        whole = assemble(model, prediction, made["schedule"])
        signed, size = brightness_error(whole, "validation_combinations")
        print(f"{prediction}, {made['schedule']}, {options.steps:,} steps")
        for name, share in made["quality"].items():
            print(f"  {name:<26}{share}")
        print(
            f"  brightness, combinations  {signed:+.1f} on average, {size:.1f} in size", flush=True
        )


if __name__ == "__main__":
    main()
