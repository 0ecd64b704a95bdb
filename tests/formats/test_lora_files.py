"""LoRA files of both naming schemes draw what diffusers' `load_lora_weights` draws."""

import json
import re

import pytest
import specimens
import torch
from safetensors.torch import load_file, save_file

from course_lib import lora
from course_lib.formats import loading, lora_files

pytestmark = pytest.mark.filterwarnings("ignore")
UNET_LAYERS = (
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",
    "down_blocks.1.attentions.1.transformer_blocks.0.attn2.to_k",
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_v",
    "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
    "up_blocks.1.attentions.0.transformer_blocks.0.ff.net.2",
    "up_blocks.2.attentions.0.proj_in",
)
CONVS = ("down_blocks.0.resnets.0.conv1", "down_blocks.0.downsamplers.0.conv")
TEXT_LAYERS = (
    "text_model.encoder.layers.0.self_attn.q_proj",
    "text_model.encoder.layers.1.self_attn.out_proj",
    "text_model.encoder.layers.1.mlp.fc1",
)
ALPHA, RANK = 2.0, 4


def pairs(original, layers, part):
    """Random down and up matrices for these layers of the specimen."""
    stem = "unet/diffusion_pytorch_model" if part == "unet" else "text_encoder/model"
    state = load_file(original / f"{stem}.safetensors")
    g = torch.Generator().manual_seed(4)
    made = {}
    for layer in layers:
        c_out, c_in, *kernel = state[f"{layer}.weight"].shape
        down = torch.randn(RANK, c_in, *kernel, generator=g) / c_in**0.5
        up = torch.randn(c_out, RANK, *(1 for _ in kernel), generator=g)
        made[layer] = down, up
    return made


def kohya(original, convs=()):
    state = {}
    for part, short, layers in (
        ("unet", "lora_unet_", UNET_LAYERS + tuple(convs)),
        ("text_encoder", "lora_te_", TEXT_LAYERS),
    ):
        for layer, (down, up) in pairs(original, layers, part).items():
            name = short + layer.replace(".", "_")
            state[f"{name}.lora_down.weight"], state[f"{name}.lora_up.weight"] = down, up
            state[f"{name}.alpha"] = torch.tensor(ALPHA)
    return state


def peft(original, down_name="lora_A", up_name="lora_B"):
    state = {}
    for part, layers in (("unet", UNET_LAYERS), ("text_encoder", TEXT_LAYERS)):
        for layer, (down, up) in pairs(original, layers, part).items():
            state[f"{part}.{layer}.{down_name}.weight"] = down
            state[f"{part}.{layer}.{up_name}.weight"] = up
    return state


def theirs(original, path, strength=1.0):
    pipeline = specimens.opened(original)
    pipeline.load_lora_weights(path.parent, weight_name=path.name, adapter_name="a")
    pipeline.set_adapters(["a"], [strength])
    return pipeline


@pytest.mark.parametrize(
    ("scheme", "strength"),
    [
        ("kohya", 1.0),
        ("kohya with convolutions", -0.5),
        ("peft", 1.0),
        ("diffusers", 0.7),
        ("alphas in its metadata", 1.0),
    ],
)
def test_a_lora_draws_diffusers_picture(original, tmp_path, scheme, strength):
    path = tmp_path / "lora.safetensors"
    metadata = {"format": "pt"}
    if scheme.startswith("kohya"):
        state = kohya(original, CONVS if "convolutions" in scheme else ())
    elif scheme == "diffusers":
        state = {}
        for key, value in peft(original).items():
            middle = "lora" if key.startswith("unet") else "lora_linear_layer"
            key = key.replace("lora_A", f"{middle}.down").replace("lora_B", f"{middle}.up")
            state[key] = value
    else:
        state = peft(original)
    if scheme == "alphas in its metadata":
        said = {"r": RANK, "lora_alpha": 8, "target_modules": [UNET_LAYERS[0], UNET_LAYERS[2]]}
        said["alpha_pattern"] = {UNET_LAYERS[2]: 2}
        metadata["lora_adapter_metadata"] = json.dumps({f"unet.{k}": v for k, v in said.items()})
        state = {k: v for k, v in state.items() if any(x in k for x in said["target_modules"])}
    save_file(state, path, metadata=metadata)
    model = loading.load(original)
    before = specimens.our_picture(model)
    layers = lora_files.apply(model, path, strength)
    drawn = specimens.our_picture(model)
    assert (drawn - before).abs().max() > 0.01
    if scheme == "alphas in its metadata":
        assert [layer.alpha for layer in layers] == [8.0, 2.0]
    other = specimens.their_picture(theirs(original, path, strength), model.noise([5]))
    specimens.same(drawn, other)
    for part in (model.unet, model.text_tower):
        lora.merge(part)
    specimens.same(specimens.our_picture(model), drawn)


def test_two_loras_add_up_in_any_order(original, tmp_path):
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    save_file(kohya(original), one)
    save_file(peft(original), two)
    drawn = []
    for order in ([(one, 0.5), (two, 1.0)], [(two, 1.0), (one, 0.5)]):
        model = loading.with_extras(loading.load(original), loras=order)
        drawn.append(specimens.our_picture(model))
    specimens.same(*drawn)


def test_what_we_save_diffusers_opens(original, tmp_path):
    model = loading.load(original)
    torch.manual_seed(0)
    layers = lora.attach(model.unet, ["to_q", "to_v", "conv_out"], rank=3, alpha=6.0)
    layers |= lora.attach(model.text_tower, ["to_k"], rank=2, alpha=1.0)
    for layer in layers.values():
        torch.nn.init.normal_(layer.up.weight, std=0.5)
    path = tmp_path / "mine.safetensors"
    lora_files.save(model, path)
    drawn = specimens.our_picture(model)
    other = specimens.their_picture(theirs(original, path), model.noise([5]))
    specimens.same(drawn, other)
    again = loading.with_extras(loading.load(original), loras=[(path, 1.0)])
    specimens.same(specimens.our_picture(again), drawn)
    chosen = [layer for name, layer in layers.items() if name == "conv_out"]
    lora_files.save(model, path, chosen)
    assert set(load_file(path)) == {f"unet.conv_out.lora_{x}.weight" for x in "AB"}
    lora.detach(model.unet)
    lora.detach(model.text_tower)
    with pytest.raises(ValueError, match="no LoRA on this model"):
        lora_files.save(model, path)


def test_names_of_earlier_years(original, tmp_path):
    state = peft(original)
    old = {}
    for key, value in state.items():
        key = key.replace("lora_A", "down").replace("lora_B", "up")
        key = re.sub(r"\.(to_[qkv])\.(down|up)", r".processor.\1_lora.\2", key)
        key = key.replace(".to_out.0.down", ".processor.to_out_lora.down")
        key = key.replace(".to_out.0.up", ".processor.to_out_lora.up")
        key = re.sub(r"self_attn\.([qk])_proj\.(down|up)", r"self_attn.to_\1_lora.\2", key)
        key = re.sub(r"self_attn\.out_proj\.(down|up)", r"self_attn.to_out_lora.\1", key)
        key = re.sub(r"(fc1|proj|net\.2|proj_in)\.(down|up)\.", r"\1.lora.\2.", key)
        old[key] = value
    new, past = tmp_path / "new.safetensors", tmp_path / "old.safetensors"
    save_file(state, new)
    save_file(old, past)
    assert set(old).isdisjoint(state)
    drawn = [
        specimens.our_picture(loading.with_extras(loading.load(original), loras=[(path, 1.0)]))
        for path in (new, past)
    ]
    torch.testing.assert_close(drawn[0], drawn[1], rtol=0, atol=0)


def test_files_that_do_not_fit_change_nothing(original, tmp_path):
    path = tmp_path / "lora.safetensors"
    model = loading.load(original)
    state = kohya(original)
    name = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_v"

    def expect(state, sentence):
        save_file(state, path)
        with pytest.raises(ValueError, match=sentence):
            lora_files.apply(model, path)
        assert not lora.attached(model.unet)

    other = {k.replace("mid_block", "mid_blocks"): v for k, v in state.items()}
    expect(other, "does not have")
    expect(
        state | {f"{name}.lora_up.weight": torch.ones(64, RANK + 1)}, r"matrices are .*\(64, 5\)"
    )
    expect(
        {k: v for k, v in state.items() if k != f"{name}.lora_up.weight"}, "has only alpha, down"
    )
    expect(state | {f"{name}.lora_down.weight": torch.full((RANK, 64), torch.nan)}, "not .* finite")
    expect(state | {"lora_unet_x.bias": torch.ones(2)}, "neither half of a LoRA")
    expect({"conv_in.weight": torch.ones(2, 4, 3, 3)}, "not a LoRA that the course opens")
