"""The road to OpenAI's CLIP, walked with random weights of its shape and without the internet."""

import pytest
import torch
import torch.nn.functional as F
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from course_lib.formats import openai_clip


@torch.no_grad()
def test_weights_of_its_sizes_give_its_numbers_in_our_classes(monkeypatch):
    theirs = CLIPModel(CLIPConfig()).eval()  # its defaults are ViT-B/32
    monkeypatch.setattr(CLIPModel, "from_pretrained", lambda name: theirs)
    clip, tokenizer = openai_clip.download()
    ids = tokenizer(["a photo of a cat", "two dogs"])
    pictures = torch.randn(1, 3, 224, 224)
    wanted = theirs(input_ids=ids, pixel_values=pictures)
    torch.testing.assert_close(clip.encode_text(ids), wanted.text_embeds, atol=1e-5, rtol=0)
    torch.testing.assert_close(clip(pictures, ids), wanted.logits_per_image, atol=1e-3, rtol=0)


def test_pictures_are_prepared_as_its_own_processor_does():
    smooth = F.interpolate(torch.rand(2, 3, 5, 5), size=(64, 64), mode="bilinear")
    pictures = (255 * smooth).round()
    processor = CLIPImageProcessor(size={"shortest_edge": 224}, resample=3)
    wanted = processor(list(pictures.byte()), return_tensors="pt")["pixel_values"]
    ours = openai_clip.prepare(pictures / 127.5 - 1)
    torch.testing.assert_close(ours, wanted, atol=0.02, rtol=0)  # one grey level in 255 is 0.015


def test_without_the_internet_there_is_a_sentence(monkeypatch):
    def offline(name):
        raise OSError("We couldn't connect")

    monkeypatch.setattr(CLIPModel, "from_pretrained", offline)
    with pytest.raises(ConnectionError, match="The lesson goes on without it"):
        openai_clip.download()


def test_without_transformers_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(ConnectionError, match="pip install transformers"):
        openai_clip.download()
