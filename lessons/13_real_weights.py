# title: Real weights
# box: all
# read: 45
# run: 50
# build: a loader: the weights of the real Stable Diffusion in the classes that drew your emoji.
# before: [lesson 12](12_stable_diffusion.ipynb), and lessons [06](06_autoencoders.ipynb), [10](10_clip.ipynb) and [11](11_cross_attention.ipynb).
# gpu: yes

# %%
import json
import pickle
import tempfile
import time
import warnings
from copy import deepcopy
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import save_file

from course_lib import autoencoder, clip, unet
from course_lib.datasets import vocabulary
from course_lib.display.plots import (
    PALETTE,
    new_figure,
    pictures_figure,
    show_figure,
    show_pictures,
)
from course_lib.display.widgets import choice, explore
from course_lib.files.pretrained import load_pretrained
from course_lib.formats import diffusers_folder, downloads, loading, parts
from course_lib.formats.diffusers_keys import UNET, to_diffusers
from course_lib.formats.inspect import inspect
from course_lib.formats.tensor_files import TensorFiles
from course_lib.metrics.attention_maps import attention_maps, record_attention
from course_lib.metrics.flops import cost
from course_lib.precision import half_of
from course_lib.tokenizer import Tokenizer

HAVE_DIFFUSERS = find_spec("diffusers") is not None and find_spec("transformers") is not None
folder = Path(tempfile.mkdtemp())
print("diffusers is here to compare with:", "yes" if HAVE_DIFFUSERS else "no, those cells say so")

# %% [markdown]
# ## 1  The same classes, other sizes
#
# Lesson 12 drew emoji with three networks. Stable Diffusion 1.5 has the same three. Our classes
# take sizes, so we give them the real ones, on PyTorch's **meta device**: there a weight has a
# shape and no numbers, so nothing is allocated. **Guess** how many times larger the real UNet is.

# %%
model = load_pretrained()
with torch.device("meta"):
    real = {
        "text tower": clip.stable_diffusion_text(),
        "UNet": unet.stable_diffusion(),
        "autoencoder": autoencoder.stable_diffusion(),
    }
for part in (model.text_tower, model.unet, model.vae):
    part.to(device)
ours = {"text tower": model.text_tower, "UNet": model.unet, "autoencoder": model.vae}
count = {name: sum(p.numel() for p in part.parameters()) for name, part in real.items()}
for name, part in ours.items():
    small = sum(p.numel() for p in part.parameters())
    print(f"{name:12}{count[name]:>13,} weights, {count[name] / small:4.0f} times the course's")

# %% [markdown]
# Three numbers that you can look up: they are exactly those of Stable Diffusion 1.5. A published
# file of it is as large as its weights, at four bytes each, and a little more. What is the rest?

# %%
published = downloads.PUBLISHED["sd-v1-5"]
print(f"the published file        {published.size:>13,} bytes")
print(f"our three parts, 4 bytes  {4 * sum(count.values()):>13,} bytes")
print(f"the rest                  {published.size - 4 * sum(count.values()):>13,} bytes")

# %% [markdown]
# The rest is a list of names and shapes, and a few small tables. We will look at such a list soon.
#
# How much memory do you need? It depends on how many bytes each number gets: four (**float32**) or
# two (**float16**, **bfloat16**).

# %%
fig, (ax,) = new_figure(height=200)
left = [0.0, 0.0]
for i, (name, n) in enumerate(count.items()):
    style, sizes = PALETTE[i], [4 * n / 1e9, 2 * n / 1e9]
    ax.barh(
        ["float32", "16 bits"],
        sizes,
        left=left,
        label=name,
        color=style.colour,
        hatch=style.hatch,
        edgecolor="w",
    )
    left = [a + b for a, b in zip(left, sizes, strict=True)]
ax.axvline(8, color=PALETTE[3].colour, linestyle="--")
ax.set(xlabel="GB of memory for the weights (dashed: a laptop with 8 GB)", xlim=(0, 9))
ax.legend()
show_figure(
    fig,
    caption="the weights of the three parts, in 32 and in 16 bits. Both fit below 8 GB; the system and "
    "the pictures on their way need room as well.",
    numbers=f"{left[0]:.2f} GB in float32, {left[1]:.2f} GB in 16 bits",
)

# %% [markdown]
# And the work? One call of the UNet at 512 x 512 pixels, counted as in lesson 12.


# %%
def inputs(side, m, d):
    return torch.zeros(1, 4, side, side), torch.zeros(1, dtype=torch.long), torch.zeros(1, m, d)


large = cost(unet.stable_diffusion, lambda: inputs(64, 77, 768), trained=False).flops
little = cost(unet.emoji_latent, lambda: inputs(8, 24, 128), trained=False).flops
print(
    f"one call: {large / 1e9:.0f} GFLOP, {large / little:,.0f} times the course's {little / 1e9:.2f}"
)

# %% [markdown]
# A GFLOP is a billion additions and multiplications. A picture of 25 steps with guidance takes 50
# such answers: seconds on a GPU, many minutes on a laptop's processor.

# %% [markdown]
# ## 2  Whose names are these?
#
# A weight file is a dictionary: name, shape, numbers. The numbers fit any class of the same
# structure, but everybody names the parts differently. The library **diffusers** has its own
# names, and most files follow them. **Guess** which of its names below is our `down.1.resize`.

# %%
theirs = [
    to_diffusers(f"{place}.x", UNET).removesuffix(".x")
    for place in ("down.0.resize", "up.1.layers.2.transformer", "middle.1.block")
]
print(theirs[2], theirs[0], theirs[1], sep="\n")

# %% [markdown]
# A name has two halves: *where* a block is, and *what* is in it. You write the first half.


# %%
def block_name(place):
    """diffusers' name for a place in our UNet."""
    # BEGIN SOLUTION
    parts = place.split(".")
    kinds = {"block": "resnets", "transformer": "attentions"}
    if parts[0] == "middle":
        return f"mid_block.{kinds[parts[2]]}.{parts[1]}"
    side, level = parts[0], parts[1]
    if parts[2] == "resize":
        return f"{side}_blocks.{level}.{side}samplers.0"
    return f"{side}_blocks.{level}.{kinds[parts[4]]}.{parts[3]}"
    # END SOLUTION


block_name = check("13.block_name", block_name)

# %% [markdown]
# Try it on every block of the real UNet. No two places may get the same name: each weight of the
# file must have one place and each place one weight.

# %%
kinds = (unet.ResBlock, unet.SpatialTransformer, unet.Downsample, unet.Upsample)
places = [name for name, part in real["UNet"].named_modules() if isinstance(part, kinds)]
names = [block_name(place) for place in places]
print(f"{len(places)} blocks, {len(set(names))} different names; for example")
for i in (0, 1, 2, 20, len(places) - 1):
    print(f"   {places[i]:32}-> {names[i]}")

# %% [markdown]
# ## 3  A file, byte by byte
#
# We save the course's own model in diffusers' layout (`course export` does the same). It makes a
# folder for each part, with a `config.json` for its sizes and a `.safetensors` for its numbers.

# %%
diffusers_folder.save(model, folder / "emoji")
for file in sorted((folder / "emoji").rglob("*")):
    if file.is_file():
        print(f"{file.stat().st_size / 1e6:8.2f} MB  {file.relative_to(folder / 'emoji')}")

# %% [markdown]
# **Safetensors** is the simplest file format you will meet. Eight bytes say how long the list is;
# then comes the list, as text; then the numbers, one after another.

# %%
raw = (folder / "emoji" / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
length = int.from_bytes(raw[:8], "little")
listed = json.loads(raw[8 : 8 + length])
name = "conv_in.weight"
first, last = listed[name]["data_offsets"]
numbers = torch.frombuffer(
    bytearray(raw[8 + length + first : 8 + length + last]), dtype=torch.float32
)
kernels = numbers.reshape(listed[name]["shape"]).to(device)
print(name, listed[name])
print(
    f"largest difference to the model's own: {float((kernels - model.unet.conv_in.weight).abs().max())}"
)

# %% [markdown]
# You have read a weight by hand. Nothing was executed, only read. That was not always so: the older
# formats, `.ckpt` and `.bin`, are **pickles**. A pickle is a small program that rebuilds objects.
# **Guess** what the next cell prints.


# %%
class Gift:
    def __reduce__(self):
        return print, ("I am code. I ran because you opened a file, and could have done anything.",)


_ = (folder / "model.ckpt").write_bytes(pickle.dumps(Gift()))
opened = pickle.loads((folder / "model.ckpt").read_bytes())

# %%
try:
    loading.load(folder / "model.ckpt")
except ValueError as error:
    print(str(error).replace(str(folder), "..."))

# %% [markdown]
# ## 4  Every weight once
#
# Now the loader. It reads the settings, builds each part on the meta device, looks up each weight
# under its new name, and puts the tensor itself in its place. Nothing is made up first and
# overwritten later; numbers that are already float32 are not even copied but **mapped**: the system
# fetches them from disk when they are used.

# %%
again = loading.load(folder / "emoji", parts.Target(torch.float32, device))
prompt, seed = "red apple, noto style", 5
drawn = torch.cat([m.draw([prompt], [seed]) for m in (model, again)])
show_pictures(
    drawn,
    ["the model", "saved and opened"],
    size=130,
    caption="one prompt and one seed, before saving and after opening: the same apple.",
    numbers=f"largest difference {float((drawn[0] - drawn[1]).abs().max()):.0f} on a scale from -1 to 1",
)

# %% [markdown]
# Is the folder right, or do we only agree with ourselves? The independent witness is diffusers.

# %%
if HAVE_DIFFUSERS:
    import diffusers
    import transformers

    transformers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = diffusers.StableDiffusionPipeline.from_pretrained(folder / "emoji")
        pipeline.set_progress_bar_config(disable=True)
        told = {"num_inference_steps": 20, "guidance_scale": 3.0, "output_type": "pt"}
        witness = 2 * pipeline(prompt, latents=again.noise([seed]).cpu(), **told).images - 1
    apart = (witness[0] - drawn[1].cpu()).abs() > 1e-3
    print(
        f"numbers in which the two pictures differ by more than 0.001: {int(apart.sum())} of {apart.numel():,}"
    )
else:
    print("diffusers is not installed, so nothing is compared here.")

# %% [markdown]
# And the other way: a UNet that *diffusers* made, with Stable Diffusion's four levels and small
# widths, opened by our loader. We follow one input through both, block by block.

# %%
if HAVE_DIFFUSERS:
    torch.manual_seed(0)
    made = diffusers.UNet2DConditionModel(
        block_out_channels=(32, 32, 64, 64), cross_attention_dim=64, sample_size=8
    ).eval()
    mine = parts.unet(dict(made.config), made.state_dict())
    seen = {"theirs": [], "ours": []}

    def note(side):
        return lambda _, inputs, out: seen[side].append(out[0] if isinstance(out, tuple) else out)

    for block in (made.conv_in, *made.down_blocks, made.mid_block, *made.up_blocks, made.conv_out):
        block.register_forward_hook(note("theirs"))
    for block in (mine.conv_in, *mine.down, mine.middle[1], *mine.up, mine.conv_out):
        block.register_forward_hook(note("ours"))
    x, t, context = torch.randn(1, 4, 8, 8), torch.tensor([500]), torch.randn(1, 77, 64)
    with torch.no_grad():
        made(x, t, context), mine(x, t, context)
    differences = [float((a - b).abs().max()) for a, b in zip(*seen.values(), strict=True)]
    small = sum(d < 1e-4 for d in differences)
    print(
        f"{small} of {len(differences)} blocks give the same to 0.0001, with every weight used once"
    )
else:
    print("diffusers is not installed, so nothing is compared here.")

# %% [markdown]
# ## 5  Break it: right shapes, wrong place
#
# A wrong name usually raises an error, since shapes do not fit. The dangerous mistakes are those
# that fit. Exchange the keys and the values of a single cross-attention layer: both matrices have the same
# shape, so nothing complains. **Guess** whether you would see it.

# %%
wrong = replace(model, unet=deepcopy(model.unet))
attention = wrong.unet.down[0].layers[0].transformer.block.cross_attn
attention.to_k.weight, attention.to_v.weight = attention.to_v.weight, attention.to_k.weight

# %%
setting = replace(model, unet=deepcopy(model.unet))
times = setting.unet.time_embedding[0]
times.weight = torch.nn.Parameter(times.weight.roll(times.in_features // 2, dims=1))
broken = [m.draw([prompt], [seed]) for m in (wrong, setting)]
show_pictures(
    torch.cat([drawn[:1], *broken]).cpu(),
    ["right", "keys and values exchanged", "sines before cosines"],
    size=130,
    caption="the same prompt and seed with two silent mistakes, one in each of the last two pictures. "
    "Neither raised an error.",
    numbers="mean difference to the right picture, on a scale from -1 to 1: "
    + " and ".join(f"{float((p[0] - drawn[0]).abs().mean()):.1f}" for p in broken),
)

# %% [markdown]
# For the second mistake no weight was touched by accident: it is what one *setting* does,
# `flip_sin_to_cos`. A dozen settings in a `config.json` change every picture and no shape: the
# activation function, the order of sines and cosines, what the UNet predicts. So the loader goes
# through **all** of them. Each is used, or known to change nothing, or the model is refused.

# %%
file = folder / "emoji" / "unet" / "config.json"
config = json.loads(file.read_text())
for key, value in (("act_fn", "gelu"), ("flip_sin_to_cos", False), ("in_channels", 9)):
    file.write_text(json.dumps(config | {key: value}))
    try:
        loading.load(folder / "emoji")
    except ValueError as error:
        print("-", str(error).replace(str(folder), "...").partition(". ")[0])
_ = file.write_text(json.dumps(config))

# %% [markdown]
# ## 6  A scale, folded away
#
# Latents have a size that diffusion does not like, so Stable Diffusion multiplies them by 0.18215
# after encoding and divides before decoding. Right behind that division stands a 1x1 convolution.
# Two linear steps in a row are one linear step: you can **fold** the first into the second, so that
# it costs nothing and cannot be forgotten. (The course's own autoencoder carries such a fold.)


# %%
def fold(weight, bias, scale, shift):
    """Weight and bias of a 1x1 convolution that gives of x what the old gave of scale * x + shift."""
    # BEGIN SOLUTION
    return weight * scale[None, :, None, None], bias + weight[:, :, 0, 0] @ shift
    # END SOLUTION


fold = check("13.fold", fold)

# %%
vae, latents = model.vae, model.encode(drawn[:1])
folded = deepcopy(vae)
conv = folded.post_quant_conv
with torch.no_grad():
    four = torch.ones(4, device=device)
    weight, bias = fold(conv.weight, conv.bias, four / vae.scale, 0 * four)
    conv.weight.copy_(weight), conv.bias.copy_(bias)
    both = torch.cat([vae.decode(latents / vae.scale), folded.decode(latents)]).cpu()
    forgotten = vae.decode(latents).cpu()
show_pictures(
    torch.cat([both, forgotten]).clamp(-1, 1),
    ["divided, then decoded", "folded", "division forgotten"],
    size=120,
    caption="the same latents decoded with the division, with the division folded into the convolution, "
    "and without any.",
    numbers=f"pixels that the fold changes by more than 0.001: {int(((both[0] - both[1]).abs() > 1e-3).sum())}",
)

# %% [markdown]
# ## 7  Exactly 77
#
# The real text tower reads exactly 77 ids. Its vocabulary has 49,408 pieces, and it comes with the
# course. A short text is filled up, a long one is cut. What fills it is part of the model: Stable
# Diffusion 1 fills with the end sign again.


# %%
def pad(ids, length, start, end):
    """A row of exactly `length` ids."""
    # BEGIN SOLUTION
    kept = list(ids[: length - 2])
    return [start, *kept, *[end] * (length - 1 - len(kept))]
    # END SOLUTION


pad = check("13.pad", pad)

# %%
tokenizer = Tokenizer(vocabulary.merges())
sentence = "An astronaut riding a horse, photorealistic"
pieces = tokenizer.split(sentence)
ids = [tokenizer.ids[piece] for piece in pieces]
row = pad(ids, 77, tokenizer.start, tokenizer.end)
print(" ".join(pieces))
print(f"{len(pieces)} pieces -> {len(row)} ids: {row[:12]} ...")
print(
    "places that differ from the course's tokenizer:",
    sum(a != b for a, b in zip(row, tokenizer.encode(sentence), strict=True)),
)

# %% [markdown]
# **Guess** what happens to a prompt of a hundred words. Many people write such prompts.

# %%
long = " ".join(["very detailed"] * 40 + ["with a red hat"])
kept = tokenizer.decode(tokenizer.encode(long))
print(
    f"{len(long.split())} words in, {len(kept.split())} kept; 'red hat' is {'still' if 'hat' in kept else 'not'} among them"
)

# %% [markdown]
# No error, no hat. Say what matters first.

# %% [markdown]
# ## 8  Which file is this?
#
# People who draw with Stable Diffusion have a folder full of files. Some are whole models, some
# change one, and some belong to other families. You can tell from names and shapes alone.

# %% [markdown]
# - A **whole model** in one file keeps the names of the first authors: `model.diffusion_model.`,
#   `first_stage_model.` and `cond_stage_model.` are UNet, autoencoder and text tower.
# - A **UNet** alone begins at `conv_in`. If that takes 9 channels instead of 4, it also wants a mask
#   and a picture: it is made for **inpainting**.
# - An **autoencoder** has a `decoder.` and no text tower.

# %% [markdown]
# - A **LoRA** holds small matrices that change a model (lesson 14 trains one). Its names contain
#   `lora` and the layer that it changes.
# - A **new word** (textual inversion) is a single tensor, whose last size is 768.


# %%
def which_file(names, shapes):
    """LoRA, whole model, inpainting UNet, UNet, autoencoder, new word or unknown."""
    # BEGIN SOLUTION
    size = dict(zip(names, shapes, strict=True))
    if any("lora" in name for name in names):
        return "LoRA"
    if any(name.startswith("cond_stage_model.") for name in names):
        return "whole model"
    if "conv_norm_out.weight" in size and "conv_in.weight" in size:
        return "inpainting UNet" if size["conv_in.weight"][1] == 9 else "UNet"
    if any(name.startswith("decoder.") for name in names):
        return "autoencoder"
    if len(names) == 1 and shapes[0][-1] == 768:
        return "new word"
    return "unknown"
    # END SOLUTION


which_file = check("13.which_file", which_file)

# %%
few = torch.zeros(4, 8)
save_file(
    {"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": few}, folder / "a.safetensors"
)
save_file({"<zib>": torch.zeros(2, 768)}, folder / "b.safetensors")
save_file({"double_blocks.0.img_attn.qkv.weight": few}, folder / "c.safetensors")
for file in (
    *sorted(folder.glob("?.safetensors")),
    *sorted((folder / "emoji").rglob("diffusion*.safetensors")),
):
    shapes = TensorFiles([file]).shapes
    said = which_file(list(shapes), list(shapes.values()))
    name = file.name if file.parent == folder else f"{file.parent.name}/..."
    print(f"{name:15} you: {said:12} course inspect: {inspect(file).kind.name}")

# %% [markdown]
# `course inspect FILE` asks more questions than seven and says what to do. What the course does not
# open, it refuses in a sentence: a pickle; Stable Diffusion 2 (another text tower), XL (two of
# them), 3 and Flux (no UNet: lesson 17); models distilled to a few steps, which our samplers would
# ruin; ControlNets. A model that opens and draws nonsense would be worse.

# %% [markdown]
# ## 9  Half the bytes
#
# 16 bits need half the memory and are several times faster on a GPU. What do they cost? We load the
# course's model in **bfloat16**, which keeps the range of float32 and only about three digits.
# **Guess** whether you will see a difference.

# %%
half = loading.load(folder / "emoji", parts.Target(torch.bfloat16, device))
wishes, seeds = ["rocket, twemoji style", "cat face, fluent 3d style"], [1, 2]
full, short = (m.draw(wishes, seeds).cpu() for m in (model, half))
show_pictures(
    torch.cat([full, short]),
    [*(f"{w}, 32 bits" for w in wishes), *(f"{w}, 16 bits" for w in wishes)],
    columns=4,
    size=100,
    caption="two prompts, each in 32 and in 16 bits with the same seed: the same pictures but for details.",
    numbers=f"a weight has {half.unet.conv_in.weight.element_size()} bytes instead of "
    f"{model.unet.conv_in.weight.element_size()}; mean difference below 0.1 in "
    f"{int(((full - short).abs().mean(dim=(1, 2, 3)) < 0.1).sum())} of 2 pictures",
)

# %% [markdown]
# ## 10  Your own copy
#
# Set `CHECKPOINT` to a Stable Diffusion 1 that you have, a folder or a `.safetensors` file, and run
# the cells from here on again: they use **your** model. (`course download sd-v1-5` fetches the
# published one, 4.3 GB, when you ask for it; read its licence.) Without one, they use the course's
# own. Nobody judges its pictures: the published pipeline has a *safety checker*, the course has none.

# %%
CHECKPOINT = None  # or "path/to/v1-5-pruned-emaonly.safetensors"
big, steps, guidance = model, 20, 3.0
wish, away, second = "red apple, noto style", "green", "blue heart, noto style"
if CHECKPOINT:
    print(inspect(CHECKPOINT))
    big, steps, guidance = loading.load(CHECKPOINT, parts.Target(half_of(device), device)), 20, 7.5
    wish, away, second = "a photograph of a red apple on a table", "leaf", "a glass apple"
    a, b = torch.randn(2, 2048, 2048).to(device)
    begin = time.perf_counter()
    float((a @ b).sum())
    speed = 2 * 2048**3 / (time.perf_counter() - begin)
    print(f"a picture: about {2 * steps * large / speed / 60:.1f} minutes on {device}")
print(f"drawing with a UNet of {sum(p.numel() for p in big.unet.parameters()):,} weights")

# %% [markdown]
# Everything of lesson 12 works on it, since it is the same class: a prompt, a negative prompt, picture
# to picture, and a part drawn again.

# %%
how = {"num_inference_steps": steps, "guidance_scale": guidance}
plain = big.draw([wish], [0], **how)
minus = big.draw([wish], [0], negative=away, **how)
moved = big.img2img(plain, [second], [1], strength=0.8, **how)
mask = torch.zeros(1, 1, *plain.shape[-2:])
mask[..., : mask.shape[-1] // 2] = 1
mended = big.inpaint(plain, mask, [second], [2], **how)
show_pictures(
    torch.cat([plain, minus, moved, mended]).cpu(),
    [wish, f"away from: {away}", f"image to image: {second}", f"left half: {second}"],
    columns=4,
    size=112,
    caption="one model, four uses: from noise, with a negative prompt, from a picture, and with the left "
    "half drawn again.",
    numbers=f"the right half of the last one is kept: mean change {float((mended - plain)[..., mask.shape[-1] * 5 // 8 :].abs().mean()):.1f}, "
    f"of the left half {float((mended - plain)[..., : mask.shape[-1] * 3 // 8].abs().mean()):.1f}",
)

# %% [markdown]
# ## 11  A look inside
#
# Which word did which pixel listen to? Lesson 11's maps, recorded in the middle of a run.

# %%
latents = big.encode(plain)
t = torch.full((1,), 500, device=latents.device)
noisy = big.schedule.at(t).sqrt() * latents + (1 - big.schedule.at(t)).sqrt() * big.noise([3])
context = big.context([wish]).to(big.unet.conv_in.weight.dtype)
with torch.no_grad(), record_attention(big.unet) as recorded:
    big.unet(noisy.to(context.dtype), t, context)
maps = attention_maps([r.float() for r in recorded], *latents.shape[-2:])[0].cpu()
words = [piece.removesuffix("</w>") for piece in big.tokenizer.split(wish)][:6]
shown = [m / m.max() * 2 - 1 for m in maps[1 : len(words) + 1, None]]
show_pictures(
    [plain[0].cpu(), *shown],
    ["the picture", *words],
    columns=7,
    size=72,
    caption="for each word, how much each place of the latent listens to it (white: most), over all layers.",
    numbers=f"{len(recorded)} layers listen; a map has {maps.shape[1]} x {maps.shape[2]} places",
)

# %% [markdown]
# ## 12  Play
#
# The first kernels of a layer: nine or one numbers each, as small pictures. Choose a layer; with
# your own checkpoint they are the real ones, beside the course's.

# %%
LAYERS = ("UNet, first convolution", "encoder, first convolution", "decoder, last convolution")


def kernels_of(m, layer):
    weight = (m.unet.conv_in, m.vae.encoder.conv_in, m.vae.decoder.conv_out)[
        LAYERS.index(layer)
    ].weight
    some = weight.detach().float().cpu().flatten(0, 1)[:16, None]
    return some / some.abs().amax(dim=(1, 2, 3), keepdim=True)


def show_kernels(layer):
    shown = [kernels_of(m, layer) for m in ((model,) if big is model else (model, big))]
    figure = pictures_figure(torch.cat(shown), columns=16, size=32)
    return figure, "White is positive, black is negative. With your own checkpoint: its own below."


explore(
    show_kernels,
    caption="sixteen kernels of 3 x 3 weights from one layer, each scaled to its own largest.",
    layer=choice(LAYERS),
)

# %% [markdown]
# ## Check yourself
#
# {fold 1. Why can our UNet hold weights that another program trained?}
# The numbers know nothing of names or programs. If the same operations follow one another with the
# same settings, the same numbers give the same answer.
# {end}
# {fold 2. A file has every name and shape that you expect. Can it still be wrong?}
# Yes: two matrices of the same shape may be exchanged, or a setting such as the activation differs.
# Only comparing answers shows it.
# {end}
# {fold 3. Why does the course open no .ckpt?}
# It is a pickle: opening it runs a program that its maker wrote.
# {end}

# %% [markdown]
# {fold 4. What does a prompt of 100 words lose?}
# Everything after the 75th piece: 77 places, less start and end.
# {end}
# {fold 5. How much memory do the weights of Stable Diffusion 1.5 need in 16 bits?}
# About 2.1 GB: 1.07 billion weights of two bytes.
# {end}

# %%
print(f"question 4: {77 - 2} pieces; question 5: {2 * sum(count.values()) / 1e9:.2f} GB")

# %% [markdown]
# ## Recap
#
# 1. Stable Diffusion 1.5 is the course's three classes with larger sizes: 1.07 billion weights.
# 2. A weight file is a list of names and shapes, and then numbers. Loading is renaming, with every
#    weight used exactly once.
# 3. What fits may still be wrong. Settings must be read, and answers compared.
# 4. Names and shapes tell what a file is before a number is read; what cannot be drawn correctly is
#    refused.
# 5. Half the bytes give nearly the same picture, and mapped files need no second copy.

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# Every box is lit, and now at true size. From a terminal: `course draw "a red apple" --model
# FILE.safetensors`, and `--lora FILE:0.8` for what lesson 14 is about.

# %% [markdown]
# ## Further reading
#
# - Rombach et al. 2022, *High-Resolution Image Synthesis with Latent Diffusion Models*
# - Radford et al. 2021, *Learning Transferable Visual Models From Natural Language Supervision*
# - Hu et al. 2021, *LoRA: Low-Rank Adaptation of Large Language Models*
# - Gal et al. 2022, *An Image is Worth One Word: Personalizing Text-to-Image Generation using Textual Inversion*
# - Micikevicius et al. 2018, *Mixed Precision Training*
