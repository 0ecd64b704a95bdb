"""English text to learn words from: an encyclopaedia, a dictionary and the Bible."""

import lzma

from course_lib.datasets import registry

PARTS = ("wikipedia", "wordnet", "bible")


def sentences(*parts: str) -> list[list[str]]:
    """Sentences as lists of words, in lower case, of all parts or of those named, in that order.

    Words hold a to z and inner apostrophes only. ValueError for an unknown part. Sources: lead
    paragraphs of Wikipedia's vital articles (CC BY-SA 4.0), the glosses of WordNet 3.0, the King
    James Version (public domain).
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise ValueError(f"the corpus has no part {unknown[0]!r}; it has {', '.join(PARTS)}")
    return [
        line.split()
        for part in parts or PARTS
        for line in lzma.decompress(registry.path(f"corpus/{part}.txt.xz").read_bytes())
        .decode("ascii")
        .splitlines()
    ]


def words(*parts: str) -> list[str]:
    """The same words as one long list, without the borders of sentences."""
    return [word for sentence in sentences(*parts) for word in sentence]
