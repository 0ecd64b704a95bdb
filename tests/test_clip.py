"""The towers against transformers', the loss against a plain loop, and what each part must do."""

import math

import pytest
import torch
import torch.nn.functional as F
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPVisionConfig

from course_lib.clip import (
    CLIP,
    ImageTower,
    TextTower,
    contrastive_loss,
    emoji,
    from_transformers,
    openai_vit_b_32,
    stable_diffusion_text,
    to_transformers,
)

VOCABULARY, LENGTH = 40, 9


def small() -> CLIP:
    """A small CLIP whose weights are all random: no zero bias hides a part that is left out."""
    text = TextTower(VOCABULARY, length=LENGTH, width=12, layers=2, heads=3)
    image = ImageTower(size=12, patch=4, width=16, layers=3, heads=2)
    clip = CLIP(text, image, d_shared=8)
    for p in clip.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return clip.eval()


def text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=LENGTH,
        hidden_size=12,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=3,
        projection_dim=8,
        bos_token_id=VOCABULARY - 2,
        eos_token_id=VOCABULARY - 1,
        pad_token_id=VOCABULARY - 1,
    )


def theirs() -> CLIPModel:
    vision = CLIPVisionConfig(
        image_size=12,
        patch_size=4,
        hidden_size=16,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        projection_dim=8,
    )
    config = CLIPConfig(
        text_config=text_config().to_dict(), vision_config=vision.to_dict(), projection_dim=8
    )
    model = CLIPModel(config).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return model


def some_ids() -> torch.Tensor:
    """Texts of several lengths: start, words, end, and the end again as padding."""
    ids = torch.randint(0, VOCABULARY - 2, (5, LENGTH))
    ids[:, 0] = VOCABULARY - 2
    for row, n in enumerate((1, 2, 4, 7, 8)):
        ids[row, n:] = VOCABULARY - 1
    return ids


@torch.no_grad()
def test_our_weights_in_transformers_give_the_same_numbers():
    clip, other = small(), theirs()
    other.load_state_dict(to_transformers(clip.state_dict()))
    pictures, ids = torch.randn(4, 3, 12, 12), some_ids()
    out = other(input_ids=ids, pixel_values=pictures)
    torch.testing.assert_close(clip.encode_text(ids), out.text_embeds)
    torch.testing.assert_close(clip.encode_image(pictures), out.image_embeds)
    clip.logit_scale.fill_(1.5)
    other.logit_scale.fill_(1.5)
    torch.testing.assert_close(
        clip(pictures, ids), other(input_ids=ids, pixel_values=pictures).logits_per_image
    )


@torch.no_grad()
def test_transformers_weights_in_ours_give_the_same_numbers():
    clip, other = small(), theirs()
    clip.load_state_dict(from_transformers(other.state_dict()))
    pictures, ids = torch.randn(4, 3, 12, 12), some_ids()
    clip.logit_scale.fill_(0.5)
    other.logit_scale.fill_(0.5)
    torch.testing.assert_close(
        clip(pictures, ids), other(input_ids=ids, pixel_values=pictures).logits_per_image
    )


@torch.no_grad()
def test_the_text_tower_is_clip_text_model():
    text, other = small().text, CLIPTextModel(text_config()).eval()
    state = to_transformers({f"text.{key}": value for key, value in text.state_dict().items()})
    assert all(key.startswith("text_model.") for key in state)
    bare = not any(key.startswith("text_model.") for key in other.state_dict())
    other.load_state_dict({k.removeprefix("text_model.") if bare else k: state[k] for k in state})
    ids = some_ids()
    out = other(input_ids=ids)
    torch.testing.assert_close(text(ids), out.last_hidden_state)
    torch.testing.assert_close(text.at_end(text(ids), ids), out.pooler_output)


def test_names_go_to_transformers_and_back():
    state = small().state_dict()
    assert list(from_transformers(to_transformers(state))) == list(state)


def test_the_keys_of_another_model_are_turned_away():
    with pytest.raises(ValueError, match=r"decoder\.conv\.weight is not a part of CLIP"):
        from_transformers({"decoder.conv.weight": torch.zeros(1)})


@torch.no_grad()
def test_a_word_changes_its_own_state_and_later_ones_and_no_earlier_one():
    text, ids = small().text, some_ids()[4:]
    before = text(ids)
    for place in range(1, 8):
        changed = ids.clone()
        changed[0, place] = (ids[0, place] + 1) % (VOCABULARY - 2)
        gap = (text(changed) - before).abs().amax(dim=2)[0]  # (m,)
        assert gap[:place].max() == 0
        assert gap[place:].min() > 1e-5


@torch.no_grad()
def test_padding_and_a_shorter_row_change_nothing_up_to_the_end():
    clip, ids = small(), some_ids()[:3]
    torch.testing.assert_close(clip.encode_text(ids), clip.encode_text(ids[:, :5]))


def test_the_loss_is_the_plain_loop():
    similarity = torch.randn(5, 5, dtype=torch.float64) * 3
    total = 0.0
    for i in range(5):
        row = sum(math.exp(similarity[i, j]) for j in range(5))
        column = sum(math.exp(similarity[j, i]) for j in range(5))
        total -= (2 * similarity[i, i] - math.log(row) - math.log(column)).item()
    assert contrastive_loss(similarity).item() == pytest.approx(total / 10)


def test_the_loss_of_no_idea_is_the_log_of_the_batch_and_of_certainty_zero():
    assert contrastive_loss(torch.zeros(7, 7)).item() == pytest.approx(math.log(7))
    assert contrastive_loss(1000 * torch.eye(7)).item() == pytest.approx(0)


def test_the_scale_starts_where_clip_starts_and_stops_at_100():
    clip = small()
    assert CLIP(clip.text, clip.image, 8).scale().item() == pytest.approx(1 / 0.07)
    clip.logit_scale.data.fill_(9.0)
    assert clip.scale().item() == 100


def test_every_weight_gets_a_gradient():
    clip = small().train()
    contrastive_loss(clip(torch.randn(5, 3, 12, 12), some_ids())).backward()
    unused = [name for name, p in clip.named_parameters() if p.grad is None or not p.grad.any()]
    assert unused == []


def test_it_learns_to_match_five_pairs():
    clip, pictures, ids = small().train(), torch.randn(5, 3, 12, 12), some_ids()
    optimizer = torch.optim.AdamW(clip.parameters(), lr=3e-3)  # at 1e-2 most seeds collapse
    for _ in range(100):
        loss = contrastive_loss(clip(pictures, ids))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert clip(pictures, ids).argmax(dim=1).tolist() == [0, 1, 2, 3, 4]


def test_embeddings_have_length_one():
    clip = small()
    for vectors in (clip.encode_text(some_ids()), clip.encode_image(torch.randn(2, 3, 12, 12))):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))
    assert not torch.equal(F.normalize(vectors[0], dim=0), F.normalize(vectors[1], dim=0))


def test_presets_have_the_sizes_of_the_real_ones():
    with torch.device("meta"):
        real, text, ours = openai_vit_b_32(), stable_diffusion_text(), emoji(2000)
    assert sum(p.numel() for p in real.parameters()) == 151_277_313
    assert sum(p.numel() for p in text.parameters()) == 123_060_480
    assert ours.text(torch.zeros(1, 24, dtype=torch.long, device="meta")).shape == (1, 24, 128)


def test_wrong_sizes_are_told():
    with pytest.raises(ValueError, match="width of 10 does not split into 3 heads"):
        TextTower(5, length=4, width=10, layers=1, heads=3)
    with pytest.raises(ValueError, match="side of 10 does not split into patches of 4"):
        ImageTower(size=10, patch=4, width=8, layers=1, heads=2)
    with pytest.raises(ValueError, match="holds 9 positions, got 10 ids"):
        small().text(torch.zeros(1, 10, dtype=torch.long))


@pytest.mark.usefixtures("plain_shapes")
def test_what_is_no_batch_of_texts_or_no_square_table_is_told():
    with pytest.raises(ValueError, match=r"TextTower expects shape \(b, m\), got \(4,\)"):
        small().text(torch.zeros(4, dtype=torch.long))
    with pytest.raises(ValueError, match=r"contrastive_loss expects shape \(b, 5\), got \(5, 6\)"):
        contrastive_loss(torch.zeros(5, 6))


@pytest.mark.usefixtures("plain_shapes")
def test_a_picture_of_another_size_is_told():
    with pytest.raises(ValueError, match=r"ImageTower expects shape \(b, 3, 12, 12\)"):
        small().encode_image(torch.zeros(1, 3, 16, 16))
