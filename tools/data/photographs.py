"""Ten photographs: small copies of those inside scikit-image and scikit-learn."""

import io
from pathlib import Path
from typing import Any

from PIL import Image

from tools.data.archives import contents
from tools.data.sources import Made, Source

SOURCES = (
    Source(
        "pypi",
        "scikit-image",
        "0.26.0",
        "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        "CC0 or public domain",
        "coffee: Rachel Michetti, by courtesy of Pikolo Espresso Bar; chelsea (a cat): Stefan van "
        "der Walt; astronaut (Eileen Collins): NASA; camera: Lav Varshney; rocket: SpaceX; brick, "
        "gravel: CC0 Textures; grass: linolafett.",
    ),
    Source(
        "pypi",
        "scikit-learn",
        "1.9.1",
        "52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
        "CC BY 2.0",
        "china.jpg (a Chinese temple): danielbuechele, Flickr photograph 6061409035; flower.jpg: "
        "vultilion, Flickr photograph 6056698931. Made smaller, otherwise unchanged.",
    ),
)
_IN_SKIMAGE = {
    "coffee": "a cup of coffee",
    "chelsea": "a cat",
    "astronaut": "an astronaut",
    "camera": "a photographer with his camera, grey",
    "rocket": "a rocket on its pad",
    "brick": "a brick wall, grey",
    "grass": "grass, grey",
    "gravel": "gravel, grey",
}
_IN_SKLEARN = {"china": "a Chinese temple", "flower": "a dahlia"}
FILES = {
    **{f"photographs/{n}.webp": Made(a, ("scikit-image",)) for n, a in _IN_SKIMAGE.items()},
    **{f"photographs/{n}.webp": Made(a, ("scikit-learn",)) for n, a in _IN_SKLEARN.items()},
}
LONG_SIDE = 384


def build(taken: dict[str, Path], out: Path) -> dict[str, Any]:
    """Scale each photograph so that its longer side has 384 pixels, and save it as WebP."""
    (out / "photographs").mkdir()
    for package, folder, names in (
        ("scikit-image", "skimage/data/", _IN_SKIMAGE),
        ("scikit-learn", "sklearn/datasets/images/", _IN_SKLEARN),
    ):
        files = contents(taken[package], folder)
        for name in names:
            (original,) = (data for file, data in files.items() if Path(file).stem == name)
            photograph = Image.open(io.BytesIO(original)).convert("RGB")
            photograph.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
            file = out / "photographs" / f"{name}.webp"
            photograph.save(file, quality=90, method=6)
    return {}
