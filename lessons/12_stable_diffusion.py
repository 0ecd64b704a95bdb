# title: Stable Diffusion
# box: all
# read: 60
# run: 60
# build: the whole of it: a sentence in, a picture out, from parts you have built.
# before: all lessons, most of all [05](05_diffusion.ipynb), [10](10_clip.ipynb) and [11](11_cross_attention.ipynb).
# gpu: yes

# %%
import json
import tempfile
import time
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import torch
from PIL import Image

from course_lib import unet
from course_lib.datasets import emoji
from course_lib.datasets.prompt_vocabulary import about_unknown
from course_lib.display.plots import (
    PALETTE,
    new_figure,
    pictures_figure,
    show_figure,
    show_pictures,
)
from course_lib.display.widgets import choice, explore, slider, text
from course_lib.files import weights
from course_lib.files.paths import bundled, cache
from course_lib.files.pretrained import load_pretrained
from course_lib.files.provenance import marks, save_png, says_generated
from course_lib.metrics.attention_maps import attention_maps, record_attention
from course_lib.metrics.benchmark import default_settings, measures, shrunk
from course_lib.metrics.flops import cost
from course_lib.precision import half_of
from course_lib.recipes.finetune import diffusion_loss, finetune, prepare
from course_lib.samplers import guided, times

# %% [markdown]
# ## 1  Every box, once more
#
# Each box of the diagram has had its lesson. What is missing are the wires between them. The
# weights are the course's own: they were trained without a GPU, on five styles of emoji, and come
# with the course. **Guess** which of the three networks has the most weights.

# %%
model = load_pretrained()
parts = {"text tower": model.text_tower, "UNet": model.unet, "autoencoder": model.vae}
for name, part in parts.items():
    part.to(device)
    print(f"{name:12}{sum(p.numel() for p in part.parameters()) / 1e6:5.1f} million weights")

# %% [markdown]
# **Tokenizer and text tower** (lessons 08 to 10). The sentence becomes numbers, and these become a
# vector a token: the context.

# %%
prompt = "red apple, noto style"
ids = model.tokenizer([prompt]).to(device)
context = model.text_tower(ids)
print(" ".join(model.tokenizer.split(prompt)))
print("ids", tuple(ids.shape), "-> context", tuple(context.shape))

# %% [markdown]
# **Noise and times** (lessons 03 to 05). The picture begins as 256 random numbers: a latent of four
# channels, 8 x 8. The seed decides which numbers. Twenty times will be visited, from all noise down
# to little; the last step ends at the clean picture.

# %%
settings = default_settings()  # steps and guidance, chosen on validation captions
ts = times(model.schedule.num_train_timesteps, settings.num_inference_steps)
start = model.noise([5])
show_pictures(
    [*(start[0, :, None] / 2), model.decode(start)[0]],
    ["channel 1", "channel 2", "channel 3", "channel 4", "decoded"],
    columns=5,
    size=88,
    caption="the four channels of the starting noise, and what the decoder makes of noise: blots.",
    numbers=f"{start.numel()} numbers; times {', '.join(map(str, ts[:3]))} ... {ts[-2]}, {ts[-1]}",
)


# %% [markdown]
# **UNet, step, decoder** (lessons 02 to 07 and 11). Here they all are as functions, each under the
# name of its box. `step` is your `ddim_step` of lesson 05.


# %%
def answer(x, t, context):
    """The UNet's guess of the noise in x at time t, after listening to the context."""
    return model.prediction.to_noise(lambda x, t: model.unet(x, t, context), model.schedule)(x, t)


def step(x, noise, t, t_next):
    abar, abar_next = model.schedule.item(t), model.schedule.item(t_next)
    x0 = (x - (1 - abar) ** 0.5 * noise) / abar**0.5
    return abar_next**0.5 * x0 + (1 - abar_next) ** 0.5 * noise


boxes = SimpleNamespace(
    tokenize=lambda texts: model.tokenizer(texts).to(device),  # lesson 10
    read=model.text_tower,  # lessons 09 and 10
    unet=answer,  # lessons 02, 04 and 11
    step=step,  # lessons 03 and 05
    decode=model.vae.to_pictures,  # lessons 06 and 07
)
print("boxes:", ", ".join(vars(boxes)))

# %% [markdown]
# {fold In symbols: what this UNet answers}
# It was taught to answer $v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0$, of which
# `model.prediction.to_noise` makes the noise: $\epsilon = \sqrt{\bar\alpha_t}\,v + \sqrt{1-\bar\alpha_t}\,x_t$.
# So there is something to learn even at the last time, where nothing is left of the picture and
# the noise is the input itself (Salimans and Ho 2022; Lin et al. 2023).
# {end}
#

# %% [markdown]
# ## 2  Louder, please: guidance
#
# A network that half listens to the words draws something that half fits. So ask it twice, with the
# words and without any, and go **further** in the direction in which the words have moved its
# answer. **Guess** what scale 0 gives, and what scale 1.


# %%
def guided_answer(unet, x, t, words, nothing, scale):
    """From the answer to `nothing`, go `scale` times the way to the answer to `words`."""
    # BEGIN SOLUTION
    both = unet(torch.cat([x, x]), torch.cat([t, t]), torch.cat([nothing, words]))
    plain, told = both.chunk(2)
    return plain + scale * (told - plain)
    # END SOLUTION


guided_answer = check("12.guided_answer", guided_answer)

# %%
empty, now = model.context([""]), torch.tensor([700], device=device)
mine = guided_answer(boxes.unet, start, now, context, empty, 3.0)
course = guided(
    lambda x, t: boxes.unet(x, t, context), lambda x, t: boxes.unet(x, t, empty), guidance_scale=3.0
)
print("the same as the course's `guided`:", torch.allclose(mine, course(start, now), atol=1e-4))

# %% [markdown]
# {fold In symbols}
# $$\hat\epsilon = \epsilon(x_t, \varnothing) + s\,\bigl(\epsilon(x_t, c) - \epsilon(x_t, \varnothing)\bigr)$$
#
# Simplified, this draws from $p(x)\,p(c \mid x)^s$ instead of $p(x)\,p(c \mid x)$: those pictures
# win that a reader would caption with $c$ (Ho and Salimans 2022).
# {end}
#
# ## 3  The wires
#
# Now the function that the whole course leads up to, and the shortest description of Stable
# Diffusion there is: read, walk, decode. `boxes.unet` wants its time as a tensor, a number for each
# picture; `boxes.step` wants two plain numbers.


# %%
def draw(boxes, prompts, negative, x, ts, scale):
    """From prompts and noise x (b, c, h, w), by way of the times ts, to pictures."""
    # BEGIN SOLUTION
    words = boxes.read(boxes.tokenize(prompts))
    nothing = boxes.read(boxes.tokenize([negative] * len(prompts)))
    for t, t_next in pairwise(ts):
        now = torch.full((len(x),), t, device=x.device)
        noise = guided_answer(boxes.unet, x, now, words, nothing, scale)
        x = boxes.step(x, noise, t, t_next)
    return boxes.decode(x)
    # END SOLUTION


draw = check("12.draw", draw)

# %%
picture = draw(boxes, [prompt], "", start, ts, settings.guidance_scale)
same = torch.allclose(
    picture,
    model.draw(
        [prompt],
        [5],
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale,
    ),
    atol=1e-2,
)
show_pictures(
    picture.cpu(),
    [prompt],
    size=150,
    caption="your picture, drawn from your sentence by your parts.",
    numbers=f"the course's own pipeline draws the same: {same}",
)

# %% [markdown]
# Watch the picture come about. At each step the network has a guess of the finished picture; we
# decode that guess. **Guess** yourself: how many steps does it take until one can say what it is?

# %%
film = list(
    model.denoise(
        [prompt],
        [5],
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale,
    )
)
moments = [0, 1, 2, 4, 6, 9, 14, len(film) - 1]
show_pictures(
    torch.cat([model.decode(film[i].x0) for i in moments]).cpu(),
    [f"step {i + 1}" for i in moments],
    size=80,
    caption="what the network believes after some of the steps: an apple from the first guess on; the steps "
    "sharpen it.",
)


# %% [markdown]
# And now anything that the training captions speak of.


# %%
def drawn(prompts, seeds, scale=settings.guidance_scale, negative=""):
    """A picture for each prompt and its seed, on the CPU."""
    return draw(boxes, prompts, negative, model.noise(seeds), ts, scale).cpu()


# %%
wishes = [
    "grinning face, noto style",
    "rocket, twemoji style",
    "cat face, fluent 3d style",
    "hamburger, fluent flat style",
    "evergreen tree, openmoji style",
    "blue heart, noto style",
    "sun with face, twemoji style",
    "woman firefighter: dark skin tone, noto style",
]
show_pictures(
    drawn(wishes, range(8)),
    wishes,
    columns=4,
    size=84,
    caption="eight captions that were in the training set, each with another seed.",
)

# %%
toned = [c for c in emoji.captions("train") if "skin tone" in c]
share = len(toned) / len(emoji.captions("train"))
print(f"captions of people with a skin tone: {share:.0%} of all in training")

# %% [markdown]
# Captions that it has met many times come out well: it has had the time to learn them by heart.
# Captions that it never met are the real question (section 9), and so is what *by heart* means here
# (section 10). About half of the captions are of people. They share their words, so each teaches
# about the others; a thing has a word of its own.

# %% [markdown]
# ## 4  Turning the knob
#
# Two prompts and one seed at six guidance scales, all in one batch: a tensor will do as a scale,
# too.

# %%
scales = (0.0, 1.0, 2.0, 3.0, 7.0, 15.0)
two = ["red apple, noto style", "man pilot: medium skin tone, noto style"]
each = torch.tensor(scales * 2, device=device)[:, None, None, None]
rows = drawn([p for p in two for _ in scales], [5] * 12, each)
show_pictures(
    rows,
    [f"scale {s:g}" for s in scales] + [""] * len(scales),
    columns=len(scales),
    size=72,
    caption="from left to right more guidance. At 0 the words are not heard, at 1 the answer is the "
    "words' own, at 15 all is overdone.",
    numbers=f"at scale 0 both prompts give one picture: "
    f"{torch.allclose(rows[0], rows[6], atol=1e-2)}",
)

# %% [markdown]
# ### Negative prompts
#
# Guidance goes away from the answer to *no words*. Put words there, and the picture moves away from
# those: a **negative prompt**. Your `draw` can do it already. **Guess** what stays the same.

# %%
wish, unwanted = "face with medical mask, noto style", "medical mask"
pair = torch.cat([drawn([wish], [1], 5.0), drawn([wish], [1], 5.0, negative=unwanted)])
moved = (pair[0] - pair[1]).abs().mean()
show_pictures(
    pair,
    [wish, f"away from: {unwanted}"],
    size=120,
    caption="the same prompt and seed, without and with a negative prompt: the mask fades and "
    "something like a mouth shows in it; the face stays.",
    numbers=f"the negative prompt changed the picture clearly: {bool(moved > 0.05)}",
)

# %% [markdown]
# ### Seeds
#
# The words say what, the seed says which. The less the words say, the more is left to the seed.

# %%
seeds = list(range(6))
silent, told = drawn([""] * 6, seeds), drawn(["grinning face, noto style"] * 6, seeds)
spread = [float(x.std(dim=0).mean()) for x in (silent, told)]
again = drawn([""], [0])
show_pictures(
    torch.cat([silent, told]),
    [f"seed {s}" for s in seeds] + [""] * 6,
    columns=6,
    size=72,
    caption="six seeds. Above, without any words; below, for a caption, which leaves less open.",
    numbers=f"without words they differ more: {spread[0] > spread[1]}; the same seed twice "
    f"is the same picture: {torch.allclose(again, silent[:1], atol=1e-2)}",
)

# %% [markdown]
# ## 5  From picture to picture
#
# Why begin with noise alone? Take a sketch, encode it, add **some** noise, and walk only the rest
# of the way. What is coarse stays, what is fine is drawn anew.


# %%
def redraw_start(latents, noise, ts, strength, alpha_bar):
    """The noised latents, and the times left; a strength of 0.6 walks the last 60 %."""
    # BEGIN SOLUTION
    moves = round(strength * (len(ts) - 1))
    left = list(ts[-moves - 1 :])
    abar = alpha_bar[left[0]]
    return abar**0.5 * latents + (1 - abar) ** 0.5 * noise, left
    # END SOLUTION


redraw_start = check("12.redraw_start", redraw_start)

# %%
down, across = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
sketch = torch.ones(3, 64, 64)
disc = (down - 37) ** 2 + (across - 32) ** 2 < 21**2
leaf = 2 * (down - 10) ** 2 + (across - 41) ** 2 < 10**2
sketch[:, disc] = torch.tensor([0.8, -0.7, -0.7])[:, None]
sketch[:, leaf] = torch.tensor([-0.8, 0.2, -0.8])[:, None]

# %%
strengths = (0.3, 0.5, 0.7, 0.8, 0.9)
latents, noise = model.encode(sketch[None].to(device)), model.noise([1])
redrawn = []
for strength in strengths:
    x, left = redraw_start(latents, noise, ts, strength, model.schedule.alpha_bar)
    redrawn.append(draw(boxes, [prompt], "", x, left, settings.guidance_scale)[0].cpu())
# shrunk: 16 x 16 averages, so that shape and colour count, and no single pixel
far = [float((shrunk(p[None]) - shrunk(sketch[None])).norm()) for p in redrawn]
show_pictures(
    [sketch, *redrawn],
    ["your sketch", *(f"strength {s}" for s in strengths)],
    columns=6,
    size=88,
    caption="a sketch of a disc and a leaf, and what 'red apple' makes of it at growing strength.",
    numbers=f"the strongest is farther from the sketch than the weakest: {far[-1] > far[0]}",
)

# %% [markdown]
# ## 6  Only this part: inpainting
#
# A **mask** says where something new is wanted. After each step, what lies outside the mask is
# replaced by the known picture. It must be as noisy as the part inside is at that moment, or the
# two would not match.


# %%
def put_back(x, known, noise, mask, abar):
    """x where the mask (b, 1, h, w) is 1; elsewhere the known latents, as noisy as x is."""
    # BEGIN SOLUTION
    there = abar**0.5 * known + (1 - abar) ** 0.5 * noise
    return mask * x + (1 - mask) * there
    # END SOLUTION


put_back = check("12.put_back", put_back)


# %%
def inpaint(picture, mask, prompts, seeds, merge=put_back):
    """Draw anew where mask (1, 1, 8, 8) is 1: another `step`, all other boxes as they are."""
    known, noise = model.encode(picture.to(device)), model.noise(seeds)

    def step_and_merge(x, guess, t, t_next):
        return merge(step(x, guess, t, t_next), known, noise, mask, model.schedule.item(t_next))

    inside = SimpleNamespace(**vars(boxes) | {"step": step_and_merge})
    return draw(inside, prompts, "", noise, ts, settings.guidance_scale).cpu()


# %%
held = measures(["test_combinations"])[0]  # all pictures, and questions about unseen ones
every = held.every
known = every.pictures[[every.captions.index("man firefighter: medium skin tone, noto style")]]
mask = torch.zeros(1, 1, 8, 8, device=device)
mask[:, :, :4] = 1  # the upper half
roles = ["man pilot", "man police officer"]
others = [f"{role}: medium skin tone, noto style" for role in roles]
shown = known[0].clone()
shown[:, :32] = shown[:, :32] * 0.3 + 0.3

# %%
new = [inpaint(known, mask, [p], [2]) for p in others]
kept = [float((p[0] - known[0])[:, 40:].abs().mean()) for p in new]
changed = [float((p[0] - known[0])[:, :24].abs().mean()) for p in new]
show_pictures(
    [known[0], shown, *(p[0] for p in new)],
    ["a picture", "what is to go", *others],
    columns=4,
    size=112,
    caption="the upper half drawn anew for another caption; the lower half stays.",
    numbers=f"more changes above than below: {all(c > k for c, k in zip(changed, kept, strict=True))}",
)

# %% [markdown]
# ## 7  Break it on purpose: take out one box
#
# What is each box good for? Take one out at a time. **Guess** the picture before you run it.

# %%
noto = "woman firefighter: dark skin tone, noto style"
first = model.noise([7])
whole = draw(boxes, [noto], "", first, ts, settings.guidance_scale)


def without(**changed):
    """The same drawing with some boxes replaced."""
    broken = SimpleNamespace(**vars(boxes) | changed)
    return draw(broken, [noto], "", first, ts, settings.guidance_scale)


# %%
def timeless(x, t, c):
    """The UNet always hears t = 500; the arithmetic around it keeps the true time."""

    def deaf(x, t):
        return model.unet(x, torch.full_like(t, 500), c)

    return model.prediction.to_noise(deaf, model.schedule)(x, t)


# %%
broken = {
    "all boxes": whole,
    "no text": without(read=lambda ids: empty.expand(len(ids), -1, -1)),
    "no sense of time": without(unet=timeless),
    "no small steps": draw(boxes, [noto], "", first, [ts[0], -1], settings.guidance_scale),
    "no guidance": draw(boxes, [noto], "", first, ts, 1.0),
    "no decoder": without(
        decode=lambda z: (z[:, :3] / 2).repeat_interleave(8, 2).repeat_interleave(8, 3)
    ),
}

# %%
lost = [float((shrunk(x) - shrunk(whole)).norm()) for x in broken.values()]
show_pictures(
    torch.cat(list(broken.values())).cpu(),
    list(broken),
    columns=6,
    size=88,
    caption="one prompt and one seed, with all boxes and with one of them taken out at a time. Without "
    "the decoder: three of the four channels, as red, green and blue.",
    numbers=f"every loss changes the picture: {min(lost[1:]) > 1}",
)

# %% [markdown]
# ## 8  A look inside: who listens to which word?
#
# We look as in lesson 11, now with the whole model. Each map is the mean of all cross-attentions
# over all steps.

# %%
asked = "woman pilot: dark skin tone, noto style"
walk = list(
    model.denoise(
        [asked],
        [2],
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale,
    )
)
words, pilot = model.context([asked]), model.decode(walk[-1].x).cpu()
with torch.no_grad(), record_attention(model.unet) as recorded:
    for step in walk[:-1]:  # each x of the way once more, with the words alone
        model.unet(step.x, torch.tensor([step.t], device=device), words)
maps = attention_maps([h.cpu() for h in recorded], 8, 8)[0]
names = ["start", *(n.removesuffix("</w>") for n in model.tokenizer.split(asked)), "end"]
maps = maps[: len(names)]
low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
scaled = (2 * (maps - low) / (high - low) - 1)[:, None]
show_pictures(
    [pilot[0], *scaled.repeat_interleave(8, 2).repeat_interleave(8, 3)],
    ["the picture", *names],
    columns=7,
    size=80,
    caption="bright: these places listened to this token more than others did. Each map has its own scale.",
    numbers=f"{len(recorded)} maps, from {len(walk) - 1} steps",
)

# %% [markdown]
# ## 9  Does it compose?
#
# Some captions were kept out of **all** training, in every style, though each of their words was
# in it: this role with that tone, this colour with that shape. Drawing them needs more than a good
# memory. Nobody chose what is below: twenty captions, evenly spaced among the test questions, and
# every third of them shown.

# %%
few = torch.arange(0, len(held.captions), len(held.captions) // 20)[:20]
unseen = [held.captions[i] for i in few.tolist()]
composed = drawn(unseen, few.tolist())
true = every.pictures[held.questions[few, 0]]
shown = range(0, 18, 3)
show_pictures(
    torch.cat([x[i : i + 1] for i in shown for x in (composed, true)]),
    [title for i in shown for title in (unseen[i], "kept back")],
    columns=6,
    size=80,
    caption="six unseen captions: what was drawn, and right of it the picture that was kept back.",
)

# %% [markdown]
# Six pictures are no measure, so here is a score. Put the true picture among 99 others of its
# style, the easiest to confuse with it first (other tones, genders and roles). Is the drawing
# nearest to the true one, when all are shrunk to 16 x 16 pixels?

# %%
apart = (held.small[held.questions[few]] - shrunk(composed)[:, None]).norm(dim=2)  # (20, 100)
hits = apart.argmin(dim=1) == 0
print(len(hits), "captions never trained on; by chance right:", len(hits) / 100)
print("right for more than half of them:", bool(hits.float().mean() > 0.5))
print("`course evaluate text_to_image` asks all", len(held.captions))

# %% [markdown]
# ## 10  Memorised or new?
#
# For each drawing, the nearest of all training pictures. **Guess:** where will it look like a copy,
# for captions it has seen or for those it has not?

# %%
training = torch.tensor([i for i, kind in enumerate(every.kinds) if kind == "train"])
seen = [every.captions[i] for i in training[:: len(training) // 3][:3].tolist()]
both = torch.cat([drawn(seen, range(3)), composed[[4, 10, 16]]])
apart = torch.cdist(shrunk(both), held.small[training]) / held.small.shape[1] ** 0.5
nearest = training[apart.argmin(dim=1)]
show_pictures(
    torch.cat([both, every.pictures[nearest]]),
    [*(f"seen: {c}" for c in seen), *(f"unseen: {unseen[i]}" for i in (4, 10, 16))]
    + [every.captions[i] for i in nearest.tolist()],
    columns=6,
    size=80,
    caption="above, drawn; below, the nearest training picture and its caption.",
    numbers="the seen captions find their own pictures: "
    f"{[every.captions[i] for i in nearest[:3].tolist()] == seen}; none is a pixel-for-pixel copy: "
    f"{bool(apart.min() > 0.01)}",
)

# %% [markdown]
# A training caption names the style, too, so nearly every one had only **one** picture, and
# remembering it is the best answer. A model trained on many pictures for each caption has less
# reason to remember, and still does so with what it saw often (Carlini et al. 2023). For a caption
# that was kept out there is nothing to remember: the picture has to be put together.

# %% [markdown]
# ## 11  Where does the time go?
#
# **Guess** the slowest box, and how much faster a picture would be without guidance.


# %%
def seconds(call, tries=5):
    """The shortest of some tries: what else the computer does only makes it longer."""
    tried = []
    for _ in range(tries):
        begin = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()  # a GPU answers before it has finished
        tried.append(time.perf_counter() - begin)
    return min(tried)


# %%
now = torch.tensor([500], device=device)
twice = [x.repeat_interleave(2, dim=0) for x in (start, now, context)]  # with words and without
took = {
    "tokenizer": seconds(lambda: model.tokenizer([prompt])),
    "text tower, twice": 2 * seconds(lambda: model.text_tower(ids)),
    "UNet": (len(ts) - 1) * seconds(lambda: boxes.unet(*twice)),
    "decoder": seconds(lambda: model.decode(start)),
}
share = took["UNet"] / sum(took.values())
took["UNet, no guidance"] = (len(ts) - 1) * seconds(lambda: boxes.unet(start, now, context))

# %%
fig, (ax,) = new_figure(height=190)
for i, (name, value) in enumerate(took.items()):
    style = PALETTE[i % len(PALETTE)]
    ax.barh([name], [1000 * value], color=style.colour, hatch=style.hatch, edgecolor="w")
ax.set(xlabel=f"milliseconds a picture, {settings.num_inference_steps} steps with guidance")
show_figure(
    fig,
    caption="how long each box took for one picture, on this computer, just now; and how long the UNet "
    "would take without guidance.",
    numbers=f"the UNet takes more than half of it: {share > 0.5}",
)

# %% [markdown]
# So a picture costs `2 x steps` answers of the UNet, two in each call. Without guidance it is half
# as many. How much faster that is, the last bar shows: one call for two costs less than two calls.
# That is why so much work went into samplers that need fewer steps. And guidance is often
# *distilled*: a second network learns to give the guided answer at once.

# %% [markdown]
# ## 12  What does it take to train one?
#
# We take our UNet class in three sizes. What cannot be run here can be **counted**: on fake
# tensors, which have shapes and no numbers (`course_lib/metrics/flops.py`, with PyTorch's FakeTensorMode and
# FlopCounterMode).

# %%
card = weights.card("emoji_text_to_image")
sizes = {  # the UNet, side of its latents, tokens, numbers a token, pictures in a batch
    "this course's": (unet.emoji_latent, 8, 24, 128, card["batch_size"]),
    "for one GPU": (unet.emoji_large, 8, 24, 128, 256),
    "Stable Diffusion 1.5": (unet.stable_diffusion, 64, 77, 768, 4),
}
needs = {}
for name, (build, side, m, d, batch) in sizes.items():

    def inputs(side=side, m=m, d=d, n=batch):
        t = torch.zeros(n, dtype=torch.long)
        return torch.zeros(n, 4, side, side), t, torch.zeros(n, m, d)

    needs[name] = cost(build, inputs, half=True)

# %%
print(f"{'computed':22}{'weights':>9}{'a picture':>13}{'batch':>7}{'a step':>14}{'memory':>11}")
for name, c in needs.items():
    n = sizes[name][-1]
    print(
        f"{name:22}{c.parameters / 1e6:7.0f} M{c.flops / n / 1e9:7.1f} GFLOP{n:7}"
        f"{c.training_flops / 1e12:8.1f} TFLOP{c.memory / 1e9:7.1f} GB"
    )

# %% [markdown]
# In this table *a picture* is one call of the UNet for one picture, and *a step* is one training
# step for a whole batch, forwards and back. A GFLOP is a billion additions and multiplications, a
# TFLOP a thousand of these. *Memory* is what the weights need, their gradients, AdamW, a slow
# average of the weights (the one that draws), and what is kept for the way back.
#
# And hours? What was **measured** is written on the card of the weights. What is **computed**
# assumes that a GPU reaches three tenths of what its data sheet promises for 16 bits.

# %%
done, hours = sum(card["steps"]), card["minutes"] / 60
speed = needs["this course's"].training_flops * done / hours / 3600
print(
    f"measured: {done:,} steps in {hours:.1f} h on {card['machine']}, {speed / 1e9:.0f} GFLOP a second"
)
machines = {"Colab's T4": 0.3 * 65e12, "an A100": 0.3 * 312e12}  # operations a second
runs = {"this course's": (done, 1), "for one GPU": (20_000, 1)}
runs["Stable Diffusion 1.5"] = (1_304_000, 2048 // sizes["Stable Diffusion 1.5"][-1])
for name, (steps, more) in runs.items():
    least = [needs[name].hours(steps * more, v) for v in machines.values()]
    said = " or ".join(f"{h:,.0f}" if h > 10 else f"{h:.1g}" for h in least)
    print(f"computed: {name}, {steps:,} steps: about {said} h on {' or '.join(machines)}")

# %% [markdown]
# A computed time is more likely too short than too long: reading files, encoding pictures and
# waiting are not in it, and a small network cannot keep a GPU busy. For Stable Diffusion 1.5 we count the steps at 512
# pixels that its makers' model cards name, with batches of 2,048 pictures. The makers themselves
# give 150,000 hours of an A100. Nobody trains that at home. Going on from its weights is another
# matter.

# %% [markdown]
# ## 13  Train on
#
# With an NVIDIA GPU the next cells take the larger UNet and train it in mixed precision, from a
# checkpoint if there is one. That is 20,000 steps: half an hour or much more on Colab's T4
# (section 12). Stop the cell when you like: what was learned is kept, and the next run goes on from
# the last checkpoint. Without such a GPU the same code takes four steps from the course's weights.
#
# With `OPENAI = True` OpenAI's text tower reads the captions instead (a download of 605 MB; only
# with an NVIDIA GPU). It knows far more words, but the UNet has to learn from the start to listen
# to it.

# %%
OPENAI = False
big, teacher = device.type == "cuda", model
if OPENAI and big:
    from course_lib.formats.openai_clip import download

    openai, tokenizer = download()
    teacher = replace(model, tokenizer=tokenizer, text_tower=openai.text.to(device))
width = teacher.context([""]).shape[2]
print("a context has", width, "numbers a token")

# %%
torch.manual_seed(0)
young = unet.emoji_large(width).to(device) if big else deepcopy(model.unet)
pupil = replace(teacher, unet=young)
chosen = training if big else training[::150]
lesson = prepare(pupil, every.pictures[chosen], [every.captions[i] for i in chosen.tolist()])
print(f"{len(lesson)} pictures encoded and captions read; computes in {half_of(device)}")

# %% [markdown]
# The loss asks for v (lesson 07), with lesson 11's dropped captions. It runs under **autocast**:
# large products are computed in 16 bits, what needs more care in 32 (everything in 32 where 16 bits
# would not be faster, as on most processors). The run is stopped after two steps, as if somebody
# had closed the computer, and then goes on.

# %%
folder = cache() / f"lesson_12_{width}" if big else Path(tempfile.mkdtemp())
steps, batch, rate = (20_000, 256, 5e-4) if big else (4, 16, 1e-4)


def go_on(until):
    """Train until that step, from the last checkpoint in the folder if there is one."""
    return finetune(pupil, lesson, folder, steps=until, batch_size=batch, lr=rate)


go_on(2)
taught = go_on(steps)

# %%
g = torch.Generator().manual_seed(0)
with torch.no_grad():
    loss = float(diffusion_loss(taught, lesson, g, batch_size=32))
show_pictures(
    taught.draw(
        two,
        [5, 5],
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale,
    ).cpu(),
    two,
    size=110,
    caption="drawn after training on. Without a GPU it was four careful steps: nothing is lost.",
    numbers=f"loss below 0.9, where knowing nothing costs 1: {loss < 0.9}",
)

# %% [markdown]
# On Colab the checkpoint is lost when a session ends. Mount your Drive and set `folder` to a place
# there, and the next session goes on.

# %% [markdown]
# ## 14  Whose pictures?
#
# Everything that this model can draw it has learned from people who draw.

# %%
files = json.loads((bundled("data") / "manifest.json").read_text("utf-8"))["files"]
print("pictures, with those held out:")
for style in emoji.STYLES:
    (source,) = files[f"emoji/{style.replace(' ', '_')}.webp"]["sources"]
    made = source["credit"].split(";")[0].split(". ")[0]
    print(f"{every.styles.count(style):5} {style:12} {source['licence']:13} {made}")
print("so the weights are under", card["licence"].split(",")[0])

# %% [markdown]
# These five styles may be copied, on terms that the course keeps. *Noto style* is somebody's
# handwriting nevertheless, and the model imitates it. Stable Diffusion learned from billions of
# pictures found on the web, whose makers were not asked; courts in several countries are still busy
# with what that means.
#
# What a caption leaves open, the model fills in from what it has seen: about people, too.

# %% [markdown]
# A made-up picture can show what never happened, and put a person where they never were. So say
# what it is. The course's own files carry a mark, where search engines and editors look for it.

# %%
here = Path(tempfile.mkdtemp())
save_png(picture[0], here / "apple.png", prompt=prompt, seed=5, model="emoji_text_to_image")
for name, value in marks(here / "apple.png").items():
    print(f"{name}: {value}")
Image.open(here / "apple.png").convert("RGB").save(here / "sent.jpg")
for file in ("apple.png", "sent.jpg"):
    print(f"{file} says that it is generated: {says_generated(here / file)}")

# %% [markdown]
# One conversion, and the mark is gone. A mark helps those who want to be honest; that it is missing
# proves nothing. Marks inside the pixels, and signed ones (C2PA), are harder to lose.

# %% [markdown]
# ## 15  Play
#
# Where this notebook is live, write your own prompt below the figure. Try what cannot be in the
# training set. Try words that no caption had.


# %%
def play(prompt, style, seed, guidance):
    made = drawn([emoji.caption(prompt, style)] * 4, range(seed, seed + 4), guidance)
    figure = pictures_figure(made, [f"seed {s}" for s in range(seed, seed + 4)], size=96)
    return figure, about_unknown(prompt) or "All words are known from training."


explore(
    play,
    caption="four seeds of one prompt.",
    prompt=text("house"),
    style=choice(emoji.STYLES),
    seed=slider(0, 999, 0),
    guidance=slider(0.0, 12.0, settings.guidance_scale, step=0.5),
)

# %% [markdown]
# ## Check yourself
#
# {fold 1. How many answers does the UNet give for one picture of 20 steps with guidance?}
# 40: each step asks with the words and without. (Both in one call, as in `guided_answer`.)
# {end}
# {fold 2. Why does a negative prompt need no extra call of the UNet?}
# Guidance compares with some context anyway. It need not be that of the empty text.
# {end}
# {fold 3. At strength 0.3 of 20 steps, how many are walked, and what can they change?}
# Six, and they change only what a little noise hides: details, not the layout.
# {end}

# %% [markdown]
# {fold 4. Why is the known part noised before it is put back?}
# The UNet expects one noise level everywhere; a clean patch would look like a part of the picture
# that is finished and wrong.
# {end}
# {fold 5. Why are pictures that are very like the true one among the 99 others?}
# Among random ones a drawing with the wrong tone or gender would still be nearest to the true one.
# {end}

# %%
print(
    "question 1:",
    2 * settings.num_inference_steps,
    "  question 3:",
    round(0.3 * settings.num_inference_steps),
)

# %% [markdown]
# ## Recap
#
# 1. A sentence becomes a context; noise becomes a latent, step by step, while listening to it; the
#    decoder makes the picture.
# 2. Guidance asks twice and goes further. What it goes away from may be words as well.
# 3. Start from a noised picture, or put known parts back after each step, and the same model edits.
# 4. Whether it composes is asked with captions that were held out, against pictures that are easy
#    to confuse.
# 5. Between this model and Stable Diffusion 1.5 lie size and data above all; what size costs can be
#    counted. (And its UNet is asked for the noise, not for v.)

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# This **is** Stable Diffusion, small: the same classes, given other sizes, have its UNet's 860
# million weights (section 12 counts them). `course draw "a red apple" --out apple.png` draws from a
# terminal.
#

# %% [markdown]
# ## Further reading
#
# - Rombach et al. 2022, *High-Resolution Image Synthesis with Latent Diffusion Models*
# - Ho and Salimans 2022, *Classifier-Free Diffusion Guidance*
# - Meng et al. 2021, *SDEdit: Guided Image Synthesis and Editing with Stochastic Differential Equations*
# - Lugmayr et al. 2022, *RePaint: Inpainting Using Denoising Diffusion Probabilistic Models*
# - Lin et al. 2023, *Common Diffusion Noise Schedules and Sample Steps Are Flawed*
# - Carlini et al. 2023, *Extracting Training Data from Diffusion Models*
# - Schuhmann et al. 2022, *LAION-5B: An Open Large-Scale Dataset for Training Next Generation Image-Text Models*
