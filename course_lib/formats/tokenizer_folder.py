"""The tokenizer's folder: vocab.json and merges.txt, or the one tokenizer.json of today."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from course_lib.formats.tensor_files import read_json
from course_lib.formats.textual_inversion import ExtendedTokenizer, plain_words
from course_lib.tokenizer import Pair, Tokenizer, parse_merges


def load(folder: Path, length: int, vocabulary: int) -> Tokenizer:
    """The tokenizer in `folder`, for a text tower with `length` positions and `vocabulary` rows.

    Raises FileNotFoundError where neither kind of file is there, and ValueError where the files do
    not belong together, or not to the text tower.
    """
    whole = folder / "tokenizer.json"
    if (folder / "merges.txt").is_file():
        ids = _ids(read_json(folder / "vocab.json"))
        merges = parse_merges((folder / "merges.txt").read_text("utf-8"))
    elif whole.is_file():
        ids, merges = _from_json(read_json(whole), whole)
    else:
        raise FileNotFoundError(
            f"{folder} holds neither merges.txt with vocab.json nor tokenizer.json. "
            "Usual cause: a half-finished download."
        )
    plain = Tokenizer(merges, length)
    if {piece: i for piece, i in ids.items() if i < len(plain)} != plain.ids:
        raise ValueError(
            f"the vocabulary in {folder} does not list bytes, bytes</w>, the merges, start, end, "
            "in this order. Usual cause: files of two models, or a tokenizer that is not CLIP's."
        )
    for name in ("added_tokens.json", "tokenizer.json"):
        if (folder / name).is_file():
            ids |= _added(read_json(folder / name))
    words = plain_words(ids, len(plain))
    tokenizer = ExtendedTokenizer(merges, length, words) if words else plain
    if len(tokenizer) != vocabulary:
        raise ValueError(
            f"the tokenizer in {folder} knows {len(tokenizer):,} pieces and the text tower has "
            f"{vocabulary:,} rows. Usual cause: a word was added (textual inversion) and its "
            "added_tokens.json is missing."
        )
    _expect_settings(folder, plain)
    return tokenizer


def _ids(found: Mapping[str, object]) -> dict[str, int]:
    return {piece: int(str(i)) for piece, i in found.items()}


def _from_json(found: Mapping[str, Any], file: Path) -> tuple[dict[str, int], list[Pair]]:
    """Vocabulary and merges from the format of the `tokenizers` library."""
    model = found.get("model", {})
    if model.get("type", "BPE") != "BPE" or "merges" not in model:
        raise ValueError(
            f"{file} is a {model.get('type')} tokenizer, CLIP's is BPE (byte pairs). "
            "Usual cause: the tokenizer of another text model, as T5."
        )
    rows = [row.split(" ") if isinstance(row, str) else list(row) for row in model["merges"]]
    return _ids(model["vocab"]), [(first, second) for first, second in rows]


def _added(found: Mapping[str, Any]) -> dict[str, int]:
    """Words that were added: {word: id}, or a list of them as in tokenizer.json."""
    if isinstance(rows := found.get("added_tokens"), list):
        return {str(row["content"]): int(row["id"]) for row in rows}
    return {} if "model" in found else _ids(found)


def _expect_settings(folder: Path, tokenizer: Tokenizer) -> None:
    """Padding changes pictures: Stable Diffusion 1 pads with the end, 2 with "!"."""
    file = folder / "tokenizer_config.json"
    settings: Mapping[str, Any] = read_json(file) if file.is_file() else {}
    pad = settings.get("pad_token") or tokenizer.pieces[tokenizer.end]
    pad = pad.get("content") if isinstance(pad, dict) else pad
    if pad != tokenizer.pieces[tokenizer.end]:
        raise ValueError(
            f"{file} pads with {pad!r}, Stable Diffusion 1 with the end of the text. "
            "Usual cause: Stable Diffusion 2."
        )
    for key, wanted in (("do_lower_case", True), ("add_prefix_space", False)):
        if settings.get(key, wanted) not in (wanted, None):
            raise ValueError(
                f"{file} has {key} = {settings[key]!r}; CLIP's tokenizer has {wanted}."
            )
