"""Byte-pair encoding as CLIP does it: text becomes a short row of whole numbers.

Sennrich, Haddow and Birch 2016; byte alphabet: Radford et al. 2019; CLIP: Radford et al. 2021.
The numbers are those that transformers' CLIPTokenizer gives with the same two files.
"""

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"  # marks the last piece of a word, so that "art" is not the start of "artist"

Pair = tuple[str, str]

_SPECIAL = re.compile(f"({re.escape(START)}|{re.escape(END)})")
_CONTRACTION = re.compile("'(?:s|t|re|ve|m|ll|d)")
_SPACE = re.compile(r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")


def byte_letters() -> dict[int, str]:
    """A printable letter for each of the 256 bytes, in CLIP's order: readable bytes first."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    return letters | {byte: chr(256 + i) for i, byte in enumerate(others)}


_LETTER = byte_letters()
_BYTE = {letter: byte for byte, letter in _LETTER.items()}


def clean(text: str) -> str:
    """Lower case, composed accents (Unicode's NFC), one space for any run of white space."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(letter.lower() for letter in _SPACE.sub(" ", composed))


def words(text: str) -> Iterator[str]:
    """Split cleaned text into words, single numerals, runs of signs, and endings such as 's."""

    def kind(letter: str) -> str:
        category = unicodedata.category(letter)[0]
        return " " if _SPACE.match(letter) else category if category in "LN" else "sign"

    place = 0
    while place < len(text):
        first = kind(text[place])
        end = place + 1
        if ending := _CONTRACTION.match(text, place):
            end = ending.end()
        elif first in ("L", "sign"):
            while end < len(text) and kind(text[end]) == first:
                end += 1
        if first != " ":
            yield text[place:end]
        place = end


def pieces_of(word: str) -> tuple[str, ...]:
    """A word as one piece for each byte, the last one marked: "red" -> ("r", "e", "d</w>")."""
    letters = [_LETTER[byte] for byte in word.encode("utf-8", errors="replace")]
    return (*letters[:-1], letters[-1] + WORD_END)


def merge(pieces: Sequence[str], pair: Pair) -> tuple[str, ...]:
    """Join every neighbouring `pair` in `pieces`, from left to right."""
    merged: list[str] = []
    i = 0
    while i < len(pieces):
        together = tuple(pieces[i : i + 2]) == pair
        merged.append("".join(pair) if together else pieces[i])
        i += 2 if together else 1
    return tuple(merged)


def learn_merges(texts: Iterable[str], num_merges: int) -> list[Pair]:
    """The commonest neighbouring pair is joined, `num_merges` times over; ties go by the alphabet.

    Stops early once no pair occurs twice: joining more would only memorise single words.
    """
    count_of = Counter(word for text in texts for word in words(clean(text)))
    counts = [(pieces_of(word), n) for word, n in count_of.items()]
    total: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)
    for i, (pieces, n) in enumerate(counts):
        for pair in pairwise(pieces):
            total[pair] += n
            where[pair].add(i)
    merges: list[Pair] = []
    while len(merges) < num_merges and total:
        best = min(total, key=lambda pair: (-total[pair], pair))
        if total[best] < 2:
            break
        merges.append(best)
        for i in sorted(where[best]):  # only these words change, so only their pairs are recounted
            old, n = counts[i]
            new = merge(old, best)
            counts[i] = (new, n)
            total.subtract({pair: n * k for pair, k in Counter(pairwise(old)).items()})
            for pair in pairwise(new):
                total[pair] += n
                where[pair].add(i)
        del total[best], where[best]
    return merges


class Tokenizer:
    """Text to ids and back: 256 bytes, 256 bytes that end a word, the merges, start, end.

    `length` is the number of ids a text becomes: start, pieces, end, and the end again as padding.
    A longer text is cut, and still ends with the end. Raises ValueError for a `length` below 2.
    """

    def __init__(self, merges: Sequence[Pair], length: int = 77) -> None:
        if length < 2:
            raise ValueError(
                f"Tokenizer: a length of at least 2 (start, end) is needed, got {length}"
            )
        letters = list(_LETTER.values())
        self.merges = [(first, second) for first, second in merges]
        self.length = length
        self.pieces = [
            *letters,
            *(letter + WORD_END for letter in letters),
            *("".join(pair) for pair in self.merges),
            START,
            END,
        ]
        self.ids = {piece: i for i, piece in enumerate(self.pieces)}
        self.start, self.end = self.ids[START], self.ids[END]
        self._rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self._known: dict[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        """The number of different ids."""
        return len(self.pieces)

    def split(self, text: str) -> list[str]:
        """The pieces of `text`, without start, end, padding or cut."""
        found: list[str] = []
        for part in _SPECIAL.split(text):
            if part in (START, END):
                found.append(part)
            else:
                for word in words(clean(part)):
                    found.extend(self._pieces(word))
        return found

    def _pieces(self, word: str) -> tuple[str, ...]:
        if word not in self._known:
            pieces = pieces_of(word)
            while ranked := [pair for pair in pairwise(pieces) if pair in self._rank]:
                pieces = merge(pieces, min(ranked, key=self._rank.__getitem__))
            self._known[word] = pieces
        return self._known[word]

    def encode(self, text: str) -> list[int]:
        """Exactly `length` ids: start, the pieces (cut to fit), the end as often as it takes."""
        ids = [self.ids[piece] for piece in self.split(text)][: self.length - 2]
        return [self.start, *ids, *[self.end] * (self.length - 1 - len(ids))]

    def __call__(self, texts: Sequence[str]) -> Int[Tensor, "b m"]:
        """The ids of several texts, one row each.

        Raises ValueError for a single text.
        """
        if isinstance(texts, str):
            raise ValueError("Tokenizer wants a list of texts, got one text. Try [text].")
        ids = torch.tensor([self.encode(text) for text in texts], dtype=torch.long)
        return ids.reshape(len(texts), self.length)

    def decode(self, ids: Iterable[int]) -> str:
        """The words and signs of these ids, a space between any two, up to the first end.

        "it's red" comes back as "it 's red"; half letters become U+FFFD.
        """
        letters = ""
        for i in ids:
            if i == self.end:
                break
            if i != self.start:
                letters += self.pieces[i].replace(WORD_END, " ")
        raw = b"".join(b" " if a == " " else bytes([_BYTE[a]]) for a in letters)
        return raw.decode("utf-8", errors="replace").strip()

    def save(self, folder: Path) -> None:
        """Write vocab.json and merges.txt, the two files transformers' CLIPTokenizer reads."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "vocab.json").write_text(json.dumps(self.ids, ensure_ascii=False), "utf-8")
        lines = ["#version: 0.2", *(" ".join(pair) for pair in self.merges), ""]
        (folder / "merges.txt").write_text("\n".join(lines), "utf-8")

    @classmethod
    def load(cls, folder: Path, length: int = 77) -> "Tokenizer":
        """Read what `save` wrote, or the tokenizer folder of any CLIP.

        Raises FileNotFoundError where a file is missing, ValueError where the two do not belong
        together.
        """
        tokenizer = cls(parse_merges((folder / "merges.txt").read_text("utf-8")), length)
        if json.loads((folder / "vocab.json").read_text("utf-8")) != tokenizer.ids:
            raise ValueError(
                f"{folder / 'vocab.json'} does not list bytes, bytes{WORD_END}, the merges.txt "
                "beside it, start, end, in this order. Usual cause: files of two models."
            )
        return tokenizer


def parse_merges(text: str) -> list[Pair]:
    """The pairs of a merges.txt: one a line, two pieces apart by a space, after a version line.

    Raises ValueError, naming the line, where there are not two pieces.
    """
    merges: list[Pair] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line or (number == 1 and line.startswith(("#version", '"'))):
            continue
        pair = line.split(" ")
        if len(pair) != 2:
            raise ValueError(f"line {number} of the merges should be two pieces, got {line!r}")
        merges.append((pair[0], pair[1]))
    return merges
