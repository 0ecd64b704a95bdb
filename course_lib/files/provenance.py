"""A made-up picture says so: PNG files that carry how they were made.

The mark is IPTC's "digital source type", in XMP, which is where search engines and picture editors
look for it; prompt, seed and the rest stand beside it as plain text (PNG 1.2, section 4.2.3).
"""

from pathlib import Path
from xml.sax.saxutils import escape

from jaxtyping import Float
from PIL import Image, PngImagePlugin
from torch import Tensor

from course_lib.files.image_files import to_rgb

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
XMP = "XML:com.adobe.xmp"
PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def stamp(**facts: str | int | float) -> PngImagePlugin.PngInfo:
    """What to hand to `Image.save(..., pnginfo=)`: the mark, and these facts as plain text.

    For example prompt="red apple, noto style", seed=3. What no file can hold (half a character, as
    a terminal may hand one over) becomes a question mark.
    """
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Comment", "Made by a neural network, not drawn or photographed by anybody.")
    for name, value in facts.items():
        text = str(value).encode("utf-8", "replace").decode("utf-8")
        info.add_itxt(name.capitalize().replace("_", " "), text)
    info.add_itxt(XMP, PACKET.format(source=escape(SOURCE)))
    return info


def save_png(picture: Float[Tensor, "3 h w"], path: Path, **facts: str | int | float) -> None:
    """Write a generated picture in [-1, 1] to `path`, with its `stamp`.

    Raises ValueError for a file name that does not end in .png: other formats would lose the marks.
    """
    if path.suffix.lower() != ".png":
        raise ValueError(
            f"the marks are kept in a .png file, got {path.name!r}. Usual cause: another format "
            "was wanted; convert the PNG, and know that the marks may go."
        )
    pixels = (to_rgb(picture) * 255).round().astype("uint8")
    Image.fromarray(pixels).save(path, pnginfo=stamp(**facts))


def marks(path: Path) -> dict[str, str]:
    """What a PNG says about itself, the XMP packet left out; empty where it says nothing."""
    with Image.open(path) as image:
        texts = dict(getattr(image, "text", {}))
    texts.pop(XMP, None)
    return {name: str(value) for name, value in texts.items()}


def says_generated(path: Path) -> bool:
    """Whether a picture file carries the mark; that it does not proves nothing."""
    with Image.open(path) as image:
        found = dict(getattr(image, "text", {})).get(XMP) or image.info.get("xmp", b"")
    packet = found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
    return SOURCE in packet
