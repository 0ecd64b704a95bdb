"""New words: rows added to the text tower's table, each with a word that stands for them.

Gal et al. 2022: everything stays frozen, and only the vector of one new word is learned from a few
pictures. So the file is tiny: a vector, or several that are always used in a row.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.clip import TextTower
from course_lib.formats import inspect
from course_lib.formats.tensor_files import TensorFiles
from course_lib.text_to_image import TextToImage
from course_lib.tokenizer import Pair, Tokenizer


class ExtendedTokenizer(Tokenizer):
    """A tokenizer with new words: each stands for one or more new ids, in the order given.

    A new word is found wherever it stands in a text, in capitals or not, before anything is split.
    Raises ValueError for an empty word, and for one that is a piece already.
    """

    def __init__(self, merges: Sequence[Pair], length: int, added: Mapping[str, int]) -> None:
        super().__init__(merges, length)
        self.added = {word.lower(): count for word, count in added.items()}
        self._row: dict[str, tuple[str, ...]] = {}
        for word, count in self.added.items():
            if not word.strip() or word in self.ids or count < 1:
                raise ValueError(
                    f"a new word wants letters, and may not be a piece of the vocabulary; got "
                    f"{word!r}. Usual cause: the same file was given twice."
                )
            self._row[word] = (word, *(f"{word}_{i}" for i in range(1, count)))
            for piece in self._row[word]:
                self.ids[piece] = len(self.pieces)
                self.pieces.append(piece)
        longest_first = sorted(self.added, key=len, reverse=True)
        self._added = re.compile("(" + "|".join(map(re.escape, longest_first)) + ")", re.IGNORECASE)

    def split(self, text: str) -> list[str]:
        """The pieces of `text`, the new words among them."""
        found: list[str] = []
        for part in self._added.split(text):
            row = self._row.get(part.lower())
            found.extend(row if row else super().split(part))
        return found

    def save(self, folder: Path) -> None:
        """Write vocab.json, merges.txt and added_tokens.json, as transformers does."""
        Tokenizer(self.merges, self.length).save(folder)
        plain = len(self.pieces) - sum(self.added.values())
        ids = {piece: plain + i for i, piece in enumerate(self.pieces[plain:])}
        (folder / "added_tokens.json").write_text(json.dumps(ids, indent=2), encoding="utf-8")


def read(path: Path | str) -> dict[str, Float[Tensor, "n d"]]:
    """The words of a textual inversion file and their vectors.

    AUTOMATIC1111's files do not say their word: it is the file's own name. Raises ValueError for a
    file of another kind, and for numbers that are not finite.
    """
    path = Path(path)
    files = TensorFiles([path])
    kind = inspect.kind_of(files.shapes)
    if kind is not inspect.WORDS:
        raise ValueError(
            f"{path} is not a textual inversion that the course opens: {kind.name}. {kind.sentence}"
        )
    found = {}
    for name, value in files.read().items():
        vectors = value.float().reshape(-1, value.shape[-1])
        if not torch.isfinite(vectors).all():
            raise ValueError(f"{path} is not made of finite numbers. Get it again.")
        found[path.stem if name in ("emb_params", "string_to_param") else name] = vectors
    return found


def extended(model: TextToImage, words: Mapping[str, Float[Tensor, "n d"]]) -> TextToImage:
    """The same model with new words; the old one, and all the other parts, stay as they are.

    Raises ValueError for vectors of another width, for words that are there already, and where a
    LoRA is on the text tower (put it on afterwards).
    """
    old, tower = model.tokenizer, model.text_tower
    width = tower.tokens.embedding_dim
    for word, vectors in words.items():
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise ValueError(
                f"the word {word} has vectors {tuple(vectors.shape)}; this text tower's are "
                f"{width} wide. Usual cause: a textual inversion made for another model."
            )
    before = old.added if isinstance(old, ExtendedTokenizer) else {}
    clash = sorted(set(words) & set(before))
    if clash:
        raise ValueError(f"the word {clash[0]} is there already. Usual cause: a file given twice.")
    counts = {word: len(vectors) for word, vectors in words.items()}
    tokenizer = ExtendedTokenizer(old.merges, old.length, before | counts)
    table = tower.tokens.weight
    rows = torch.cat([table, *(v.to(table) for v in words.values())])
    return replace(model, tokenizer=tokenizer, text_tower=with_table(tower, rows))


def with_table(tower: TextTower, rows: Float[Tensor, "n d"]) -> TextTower:
    """The same text tower with another table of words; all its other weights are shared.

    Raises ValueError where a LoRA is on the tower.
    """
    state = tower.state_dict()
    with torch.device("meta"):
        made = TextTower(
            len(rows),
            length=len(tower.positions),
            width=rows.shape[1],
            layers=len(tower.blocks),
            heads=tower.heads,
        )
    if set(state) != set(made.state_dict()):
        raise ValueError("new words first, then a LoRA: this text tower has a LoRA on it.")
    made.load_state_dict(state | {"tokens.weight": rows}, assign=True)
    made.end = tower.end
    return made.eval().requires_grad_(False)


def plain_words(ids: Mapping[str, int], first: int) -> dict[str, int]:
    """Words and how many ids each has, from an added_tokens.json whose new ids begin at `first`.

    diffusers writes `<cat>`, `<cat>_1`, `<cat>_2` for a word with three vectors. Raises ValueError
    unless the new ids follow one another.
    """
    new = sorted((i, piece) for piece, i in ids.items() if i >= first)
    if [i for i, _ in new] != list(range(first, first + len(new))):
        raise ValueError(
            f"the ids of the added words should go on from {first}, and are "
            f"{[i for i, _ in new][:5]}. Usual cause: an added_tokens.json of another tokenizer."
        )
    words: dict[str, int] = {}
    for _, piece in new:
        word, _, number = piece.rpartition("_")
        if word in words and number == str(words[word]):
            words[word] += 1
        else:
            words[piece] = 1
    return words
