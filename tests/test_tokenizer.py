"""Our ids against transformers' CLIPTokenizer: CLIP's real vocabulary, and a learned one."""

import json
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from course_lib.datasets import vocabulary
from course_lib.tokenizer import (
    END,
    START,
    Tokenizer,
    clean,
    learn_merges,
    merge,
    parse_merges,
    pieces_of,
    words,
)

CAPTIONS = ["a red apple", "a red car", "a green apple", "the reddest red car of all", "red red"]


@pytest.fixture(scope="module")
def real() -> Tokenizer:
    return Tokenizer(vocabulary.merges())


@pytest.fixture(scope="module")
def reference(real: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    folder = tmp_path_factory.mktemp("clip")
    real.save(folder)
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def sentences(n: int) -> list[str]:
    """Different sentences: languages, accents in two forms, emoji, signs, spaces, far too long."""
    rng = random.Random(0)
    parts = [
        *"A photo of the red apple, isn't it? we'll they've I'M don't 'tis rock'n'roll's".split(),
        *"naïve café Zürich Ærøskøbing smörgåsbord e\u0301te\u0301 A\u030angstro\u0308m".split(),
        *"ΟΔΟΣ Ελλάδα İstanbul ıspanak ПРИВЕТ мир שלום مرحبا हिन्दी".split(),  # noqa: RUF001
        *"ภาษาไทย 한국어 日本語 漢字 ſ ß ﬁ".split(),  # noqa: RUF001
        *"😀 👩🏽‍🚀 🇩🇪 👨‍👩‍👧 ❤️ ☂ 🏴󠁧󠁢󠁳󠁣󠁴󠁿 1️⃣ © ™ ½ ² Ⅷ ٣ 10,000 3.14 2026 €5".split(),
        *"!!! ... -- <b> </w> &amp; #tag @you a_b C++ (x) [y] {z} \"quoted\" `code` ''s".split(),
        *("\u00a0", "\t", "\n\n", "\u3000", "\u200b", "\x1c", "\x85", "\x00", "\ufeff", "\ufffd"),
        *(START, END, "supercalifragilisticexpialidocious", "x" * 40),
    ]
    found: dict[str, None] = {}  # all different, in order
    while len(found) < n:
        glue = rng.choice((" ", " ", "", "\t"))
        found[glue.join(rng.choices(parts, k=rng.choice((1, 3, 6, 9, 12, 40))))] = None
    return list(found)


def test_clips_vocabulary_gives_the_reference_ids_on_1000_sentences(real, reference):
    texts = sentences(1000)
    wanted = reference(texts, padding="max_length", truncation=True, max_length=77)["input_ids"]
    assert sum(row[-2] != reference.eos_token_id for row in wanted) > 20  # the cut is met
    assert [real.encode(text) for text in texts] == wanted


def test_known_ids_of_clip(real):
    assert len(real) == 49408
    assert real.encode("a photo of a cat")[:8] == [49406, 320, 1125, 539, 320, 2368, 49407, 49407]


def test_every_letter_of_unicodes_first_plane_is_split_as_the_reference_does(real, reference):
    letters = [chr(i) for i in range(0x20, 0x3400) if chr(i).isprintable() or chr(i).isspace()]
    texts = [f"a{letter}b1{letter}!" for letter in letters]
    wanted = reference(texts)["input_ids"]
    wrong = [
        text
        for text, ids in zip(texts, wanted, strict=True)
        if real.encode(text)[: len(ids)] != ids
    ]
    assert len(wrong) <= 20, wrong[:20]  # letters that one side's newer Unicode knows


def test_a_learned_vocabulary_is_read_by_transformers_to_the_same_ids(tmp_path):
    ours = Tokenizer(learn_merges(CAPTIONS, 20), length=12)
    ours.save(tmp_path)
    reference = CLIPTokenizer.from_pretrained(tmp_path, model_max_length=12)
    texts = [*CAPTIONS, *sentences(200)]
    wanted = reference(texts, padding="max_length", truncation=True)["input_ids"]
    assert [ours.encode(text) for text in texts] == wanted
    assert reference.pad_token_id == reference.eos_token_id == ours.end == len(ours) - 1


def test_saved_and_loaded_is_the_same(tmp_path):
    ours = Tokenizer(learn_merges(CAPTIONS, 20), length=12)
    ours.save(tmp_path)
    again = Tokenizer.load(tmp_path, length=12)
    assert again.ids == ours.ids
    assert again.encode("reddest apple é") == ours.encode("reddest apple é")


def test_files_of_two_models_are_turned_away(tmp_path):
    Tokenizer(learn_merges(CAPTIONS, 20)).save(tmp_path)
    (tmp_path / "vocab.json").write_text(json.dumps({"a": 0}), "utf-8")
    with pytest.raises(ValueError, match="files of two models"):
        Tokenizer.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        Tokenizer.load(tmp_path / "nothing")


def test_the_commonest_pair_is_merged_first():
    # b c</w> 4 times, a b 3 times, a b</w> twice; joined, bc leaves a bc</w> 3 times
    merges = [("b", "c</w>"), ("a", "bc</w>"), ("a", "b</w>")]
    assert learn_merges(["ab ab abc abc abc bc"], 3) == merges


def test_learning_equals_counting_again_from_scratch():
    """The slow way: recount every pair of every word before each merge."""
    texts = [f"{a}{b}" for a in ("banana", "bandana", "ananas") for b in ("", "s", " nab", "anan")]
    state = [pieces_of(word) for text in texts for word in words(text)]
    slow = []
    while True:
        count = Counter(pair for pieces in state for pair in pairwise(pieces))
        best = min(count, key=lambda pair: (-count[pair], pair), default=None)
        if best is None or count[best] < 2:
            break
        slow.append(best)
        state = [merge(pieces, best) for pieces in state]
    assert learn_merges(texts, 1000) == slow
    assert learn_merges(texts, 3) == slow[:3]


def test_a_common_word_is_one_piece_and_a_rare_one_several():
    tokenizer = Tokenizer(learn_merges(CAPTIONS, 100))
    assert tokenizer.split("red") == ["red</w>"]
    assert len(tokenizer.split("zebra")) == 5


def test_any_text_comes_back_cleaned():
    tokenizer = Tokenizer([], length=400)
    for text in ("a red apple", "Ünïcode 日本 😀", "it's 10 !?"):
        joined = " ".join(words(clean(text)))
        assert tokenizer.decode(tokenizer.encode(text)) == joined


def test_half_a_surrogate_and_a_cut_letter_end_in_no_traceback():
    tokenizer = Tokenizer([], length=4)
    assert len(tokenizer.encode("\ud800 lone")) == 4
    assert "\ufffd" in tokenizer.decode(tokenizer.encode("日本"))


def test_rows_have_the_same_length_and_end_with_the_end():
    tokenizer = Tokenizer([], length=6)
    ids = tokenizer(["", "abc", "abcdefghij"])
    assert ids.shape == (3, 6)
    start, end = tokenizer.start, tokenizer.end
    assert ids[0].tolist() == [start, end, end, end, end, end]
    assert ids[2, -1] == end
    assert tokenizer([]).shape == (0, 6)


def test_wrong_use_is_told():
    with pytest.raises(ValueError, match="at least 2"):
        Tokenizer([], length=1)
    with pytest.raises(ValueError, match=r"Try \[text\]"):
        Tokenizer([])("a red apple")
    with pytest.raises(ValueError, match="line 2 of the merges"):
        parse_merges("#version: 0.2\na b c\n")


def test_the_files_are_text_that_people_can_read(tmp_path: Path):
    Tokenizer([("r", "e"), ("re", "d</w>")]).save(tmp_path)
    assert (tmp_path / "merges.txt").read_text("utf-8") == "#version: 0.2\nr e\nre d</w>\n"
