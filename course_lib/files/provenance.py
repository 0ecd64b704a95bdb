"""A generated picture says so, whatever its format, or the format is refused.

The mark is IPTC's "digital source type", in XMP, which is where search engines and picture editors
look for it (PNG, JPEG, WebP); a GIF has a comment. In a PNG, prompt, seed and the rest are stored
beside it as plain text (PNG 1.2, section 4.2.3).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from jaxtyping import Float
from PIL import Image, PngImagePlugin
from torch import Tensor

from course_lib.files.atomic import atomic
from course_lib.files.image_files import to_rgb

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
XMP = "XML:com.adobe.xmp"
COMMENT = "Made by a neural network, not drawn or photographed by anybody."
PACKET = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<Iptc4xmpExt:DigitalSourceType>{escape(SOURCE)}</Iptc4xmpExt:DigitalSourceType>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}


def save(image: Image.Image, path: Path, **facts: str | int | float) -> None:
    """Write a generated picture with its mark; a PNG also keeps `facts`, such as prompt and seed.

    Raises ValueError for a format that cannot hold the mark (BMP, say).
    """
    _save(image, path, facts)


def save_animation(frames: Sequence[Image.Image], path: Path) -> None:
    """A GIF, with its mark, that shows each frame for a seventh of a second, the last for two."""
    each = [150] * (len(frames) - 1) + [2000]  # milliseconds
    _save(
        frames[0],
        path,
        {},
        save_all=True,
        append_images=list(frames[1:]),
        duration=each,
        loop=0,
    )


def save_png(picture: Float[Tensor, "3 h w"], path: Path, **facts: str | int | float) -> None:
    """Write a generated picture in [-1, 1], with its mark and `facts`.

    Raises ValueError for a file name that does not end in .png: only a PNG keeps the facts.
    """
    if path.suffix.lower() != ".png":
        raise ValueError(
            f"prompt and seed are kept in a .png file, got {path.name!r}. Usual cause: another "
            "format was wanted; convert the PNG, and know that the marks may be lost."
        )
    pixels = (to_rgb(picture) * 255).round().astype("uint8")
    save(Image.fromarray(pixels), path, **facts)


def _save(image: Image.Image, path: Path, facts: dict[str, Any], **more: Any) -> None:
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(
            f"a generated picture is saved as {', '.join(FORMATS)}, which can say that it is "
            f"generated; got {path.suffix!r}. Usual cause: another ending; convert the file later."
        )
    if kind == "PNG":
        more["pnginfo"] = _png_texts(facts)
    elif kind == "GIF":
        more["comment"] = f"{COMMENT} {SOURCE}"
    else:
        more["xmp"] = PACKET.encode()
    with atomic(path) as part:
        image.save(part, format=kind, **more)


def _png_texts(facts: dict[str, Any]) -> PngImagePlugin.PngInfo:
    """What no file can hold (half a character, as a terminal may pass on) becomes a "?"."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Comment", COMMENT)
    for name, value in facts.items():
        text = str(value).encode("utf-8", "replace").decode("utf-8")
        info.add_itxt(name.capitalize().replace("_", " "), text)
    info.add_itxt(XMP, PACKET)
    return info


def marks(path: Path) -> dict[str, str]:
    """What a PNG says about itself, without the XMP packet; empty where it says nothing."""
    with Image.open(path) as image:
        texts = dict(getattr(image, "text", {}))
    texts.pop(XMP, None)
    return {name: str(value) for name, value in texts.items()}


def says_generated(path: Path) -> bool:
    """Whether a picture file carries the mark; that it does not proves nothing."""
    with Image.open(path) as image:
        found = [
            dict(getattr(image, "text", {})).get(XMP),
            image.info.get("xmp"),
            image.info.get("comment"),
        ]
    texts = (x.decode("utf-8", "replace") if isinstance(x, bytes) else str(x) for x in found)
    return any(SOURCE in text for text in texts)
