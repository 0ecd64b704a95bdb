"""New words draw what diffusers' `load_textual_inversion` draws."""

import pytest
import specimens
import torch
from safetensors.torch import save_file

from course_lib import lora
from course_lib.formats import loading, textual_inversion
from course_lib.formats.textual_inversion import ExtendedTokenizer, extended, plain_words

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("word", ["<cat-toy>", "zib"])
def test_a_word_draws_diffusers_picture(original, tmp_path, word, rows):
    path = tmp_path / "learned_embeds.safetensors"
    vectors = torch.randn(rows, 64)
    save_file({word: vectors[0] if rows == 1 else vectors}, path)
    pipeline = specimens.opened(original)
    pipeline.load_textual_inversion(path.parent, weight_name=path.name)
    model = loading.load(original)
    prompt = f"a {word} on the table, {word}"
    before = specimens.our_picture(model, prompt)
    new = loading.with_extras(model, words=[path])
    drawn = specimens.our_picture(new, prompt)
    assert (drawn - before).abs().max() > 1e-3
    specimens.same(drawn, specimens.their_picture(pipeline, model.noise([5]), prompt))
    torch.testing.assert_close(specimens.our_picture(model, prompt), before, rtol=0, atol=0)


def test_automatic1111s_files_are_called_as_their_word(original, tmp_path):
    path = tmp_path / "Zib-Style.safetensors"
    save_file({"emb_params": torch.randn(2, 64)}, path)
    model = loading.with_extras(loading.load(original), words=[path])
    assert model.tokenizer.split("in zib-style, red") == [
        "in</w>",
        "zib-style",
        "zib-style_1",
        ",</w>",
        "red</w>",
    ]
    assert model.tokenizer(["zib-style"])[0, :5].tolist() == [49406, 49408, 49409, 49407, 49407]


def test_several_words_and_the_longest_first(original):
    model = loading.load(original)
    one = extended(model, {"<a>": torch.randn(1, 64)})
    two = extended(one, {"<a>b": torch.randn(1, 64)})
    assert two.tokenizer.split("<A>b <a>") == ["<a>b", "<a>"]
    assert len(two.tokenizer) == two.text_tower.tokens.num_embeddings == 49410
    assert two.text_tower.end == model.text_tower.end == 49407
    assert two.unet is model.unet


def test_mistakes_are_named(original, tmp_path):
    model = loading.load(original)
    with pytest.raises(ValueError, match=r"are 64 wide.*another model"):
        extended(model, {"<x>": torch.randn(1, 768)})
    with pytest.raises(ValueError, match="may not be a piece of the vocabulary"):
        extended(model, {"cat</w>": torch.randn(1, 64)})
    new = extended(model, {"<x>": torch.randn(1, 64)})
    with pytest.raises(ValueError, match="is there already"):
        extended(new, {"<x>": torch.randn(1, 64)})
    path = tmp_path / "x.safetensors"
    save_file({"<x>": torch.full((64,), torch.nan)}, path)
    with pytest.raises(ValueError, match="not made of finite numbers"):
        textual_inversion.read(path)
    save_file({"a.weight": torch.ones(2, 2), "b.weight": torch.ones(2)}, path)
    with pytest.raises(ValueError, match="not a textual inversion"):
        textual_inversion.read(path)
    lora.attach(model.text_tower, ["to_q"], rank=1, alpha=1.0)
    with pytest.raises(ValueError, match="new words first, then a LoRA"):
        extended(model, {"<y>": torch.randn(1, 64)})


def test_saved_words_come_back(original, tmp_path):
    model = extended(loading.load(original), {"<x>": torch.randn(2, 64)})
    model.tokenizer.save(tmp_path)
    from course_lib.formats import tokenizer_folder

    again = tokenizer_folder.load(tmp_path, 77, 49410)
    assert isinstance(again, ExtendedTokenizer)
    assert again.ids == model.tokenizer.ids
    assert again.split("a <x>") == model.tokenizer.split("a <x>")


def test_ids_must_go_on():
    assert plain_words({"<a>": 10, "<a>_1": 11, "b_1": 12, "old": 3}, 10) == {"<a>": 2, "b_1": 1}
    with pytest.raises(ValueError, match="should go on from 10"):
        plain_words({"<a>": 11}, 10)
