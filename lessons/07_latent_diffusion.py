# title: Latent diffusion
# box: latent diffusion
# read: 35
# run: 50
# build: diffusion on 256 numbers instead of 12,288, and emoji that nobody drew.
# before: lessons [05](05_diffusion.ipynb) (diffusion) and [06](06_autoencoders.ipynb) (latents).
# gpu: no

# %%
import time
from itertools import pairwise

import torch
from torch.utils.flop_counter import FlopCounterMode

from course_lib import autoencoder
from course_lib.datasets import emoji
from course_lib.diffusion import V_PREDICTION, add_noise, v_loss
from course_lib.display.plots import (
    PALETTE,
    new_figure,
    pictures_figure,
    show_curves,
    show_figure,
    show_pictures,
)
from course_lib.display.widgets import explore, slider
from course_lib.files import weights
from course_lib.metrics.image import energy_distance
from course_lib.samplers import ddim, times
from course_lib.schedule import scaled_linear, zero_terminal
from course_lib.training import random_batches, train
from course_lib.unet import UNet, emoji_unconditional

# %% [markdown]
# ## 1  Where does the time go?
#
# In lesson 05 the UNet looked at 1,024 grey pixels. A colour picture of 64 x 64 has 12,288 numbers,
# and one of Stable Diffusion's pictures 786,432. Lesson 06 offers a way out: work on the code.
# **Guess:** if the same UNet works on 8 x 8 places instead of 64 x 64, how many times less work is
# that?

# %%
torch.manual_seed(0)
on_latents = emoji_unconditional()  # 4 channels, 8 x 8
# the same widths, but attention (lesson 09) in the middle only
on_pixels = UNet(3, (64, 128), (False, False))
for name, unet in (("on latents", on_latents), ("on pixels", on_pixels)):
    print(f"{name}: {sum(p.numel() for p in unet.parameters()) / 1e6:.1f} million weights")


# %%
def work(unet, x):
    """Multiplications and additions of one call."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        unet(x, torch.zeros(len(x), dtype=torch.long))
    return counter.get_total_flops()


def kept(unet, x):
    """Bytes that the way forward keeps for the way back."""
    total = 0

    def pack(tensor):
        nonlocal total
        total += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        unet(x, torch.zeros(len(x), dtype=torch.long))
    return total


# %%
latent, pixel = torch.randn(1, 4, 8, 8), torch.randn(1, 3, 64, 64)
flops = work(on_pixels, pixel), work(on_latents, latent)
# what a second picture adds: the weights, which are kept once, drop out
stored = [
    kept(unet, torch.cat([x, x])) - kept(unet, x)
    for unet, x in ((on_pixels, pixel), (on_latents, latent))
]
print(f"work:   {flops[0] / 1e9:.1f} against {flops[1] / 1e9:.2f} GFLOP a picture")
print(f"memory: {stored[0] / 1e6:.0f} against {stored[1] / 1e6:.0f} MB a picture")
print(f"{flops[0] / flops[1]:.0f} times less work, {stored[0] / stored[1]:.0f} times less memory")

# %% [markdown]
# A GFLOP is a billion additions and multiplications. 64 times fewer places would be 64 times less
# of them. The gain is a little smaller: the UNet for latents has attention at the top as well,
# which 64 x 64 places would make far too dear.
#
# And by the clock? One training step each, on eight pictures.


# %%
def seconds_a_step(unet, x, repeats=2):
    schedule = scaled_linear()
    v_loss(unet, x, schedule).backward()  # the first one warms up
    start = time.perf_counter()
    for _ in range(repeats):
        v_loss(unet, x, schedule).backward()
    return (time.perf_counter() - start) / repeats


took = {
    "on pixels": seconds_a_step(on_pixels, pixel.expand(8, -1, -1, -1)),
    "on latents": seconds_a_step(on_latents, latent.expand(8, -1, -1, -1)),
}

# %%
fig, (ax,) = new_figure(height=140)
for i, (name, value) in enumerate(took.items()):
    ax.barh([name], [value * 1000], color=PALETTE[i].colour, hatch=PALETTE[i].hatch, edgecolor="w")
ax.set(xlabel="milliseconds a training step")
faster = took["on pixels"] / took["on latents"]
show_figure(
    fig,
    caption="how long a training step took on this computer, just now: the latent one is far "
    "shorter.",
    numbers=f"at least 3 times faster on latents: {faster > 3}",
)

# %% [markdown]
# ## 2  Encode once, train often
#
# The encoder is **frozen**: its weights are not trained any more. So each picture needs it only
# **once**, and training then never sees a pixel. Encode in batches and without gradients, or memory
# fills up.


# %%
def encode_all(encode, pictures, batch_size):
    """The codes of all pictures (n, 3, h, w), `batch_size` at a time."""
    # BEGIN SOLUTION
    with torch.no_grad():
        return torch.cat([encode(batch) for batch in pictures.split(batch_size)])
    # END SOLUTION


encode_all = check("07.encode_all", encode_all)

# %%
coder = weights.load_into(autoencoder.emoji(), "emoji_vae")
noto = emoji.load(["noto"], split="train")
faces = noto.pictures[:1000]  # (1000, 3, 64, 64): faces, hearts, hands, people
codes = encode_all(lambda x: coder.encode(x).mean, faces, 50)
print(f"{faces.numel():,} numbers became {codes.numel():,}: {faces.numel() // codes.numel()} to 1")

# %% [markdown]
# Diffusion's noise has spread 1, and the codes should have the same (lesson 06, section 9). They do
# not have it yet. One number mends that.


# %%
def latent_scale(codes):
    """One number, a tensor: times it, codes (n, c, h, w) have a spread of 1."""
    # BEGIN SOLUTION
    return 1 / codes.std()
    # END SOLUTION


latent_scale = check("07.latent_scale", latent_scale)

# %%
scale = latent_scale(codes)
latents = codes * scale
print(f"spread before and after: {codes.std().item():.1f}, {latents.std().item():.1f}")
close = abs(scale.item() / coder.scale.item() - 1) < 0.25
print(f"within a quarter of the scale in the VAE's weights, found on all styles: {close}")

# %%
show_pictures(
    [*faces[::125], *(code for i in range(4) for code in latents[::125, i : i + 1] / 2.5)],
    ["picture", *[""] * 7, *(t for i in range(4) for t in (f"channel {i}", *[""] * 7))],
    size=64,
    caption="below each picture its latent, four channels of 8 x 8. This is all the UNet will "
    "ever see.",
)

# %% [markdown]
# ## 3  What does noise look like in there?
#
# In pixels noise is coloured snow. **Guess:** what does a latent with noise look like, decoded?

# %%
schedule = zero_terminal(scaled_linear())  # at the last step nothing of the picture is left
g = torch.Generator().manual_seed(0)
ts = torch.tensor([0, 150, 300, 450, 600, 999])
face, code = faces[:1].expand(6, -1, -1, -1), latents[:1].expand(6, -1, -1, -1)
snow = add_noise(face, torch.randn(face.shape, generator=g), ts, schedule)
blobs = add_noise(code, torch.randn(code.shape, generator=g), ts, schedule)
with torch.no_grad():
    blobs = coder.decode(blobs / scale)
show_pictures(
    torch.cat([snow, blobs]),
    [f"t = {t}" for t in ts.tolist()] + ["decoded", *[""] * 5],
    columns=6,
    size=64,
    caption="above, noise on pixels: snow. Below, noise on the latent: the drawing melts into "
    "coloured blobs.",
)

# %% [markdown]
# ## 4  What should the network answer?
#
# At the last time our latent is *only* noise. If we ask a network for the noise there, it can hand
# its input back and learn nothing. So it is asked for **v**, a mixture (Salimans and Ho 2022): near
# the clean end v is the noise, near the other end it is minus the picture. The function `V_PREDICTION.to_noise`
# turns the answer into noise again, so the samplers of lesson 05 need no change.

# %% [markdown]
# {fold And Stable Diffusion?}
# Version 1.5 is asked for the noise itself: its schedule never comes quite to the end, at the last
# time a trace of the picture (alpha-bar 0.005) is left. Version 2, for its larger pictures, changed
# to v.
# {end}
# {fold In symbols}
# $$v = \sqrt{\bar\alpha_t}\,\varepsilon - \sqrt{1-\bar\alpha_t}\,x_0, \qquad
# \varepsilon = \sqrt{\bar\alpha_t}\,v + \sqrt{1-\bar\alpha_t}\,x_t$$
# {end}

# %%
abar, x0, noise = torch.tensor(0.3), torch.randn(5), torch.randn(5)
xt = abar.sqrt() * x0 + (1 - abar).sqrt() * noise
v = abar.sqrt() * noise - (1 - abar).sqrt() * x0
again = abar.sqrt() * v + (1 - abar).sqrt() * xt
print("the second formula gives the noise back:", torch.allclose(again, noise, atol=1e-6))

# %% [markdown]
# ## 5  Pixels against latents, in about equal time
#
# Both train from scratch on the same thousand pictures: 70 steps of 32 pictures on latents, 5 steps
# of 8 pictures on pixels. How many seconds each took stands in a picture below. **Guess** what each
# draws afterwards. (Not counted: the autoencoder, which took over an hour to train, and the
# encoding. They are paid once, and every later training shares them.)


# %%
def batches(data, batch_size):
    rows = random_batches(len(data), batch_size, torch.Generator().manual_seed(0))
    return (data[i] for i in rows)


def learn(unet, data, steps, batch_size):
    """Train for `steps` steps of `batch_size`; the seconds it took."""
    g, start = torch.Generator().manual_seed(1), time.perf_counter()
    train(
        unet.parameters(),
        batches(data, batch_size),
        lambda x: v_loss(unet, x, schedule, g),
        steps=steps,
        lr=2e-3,
    )
    return time.perf_counter() - start


# %%
torch.manual_seed(0)
on_latents, on_pixels = emoji_unconditional(), UNet(3, (64, 128), (False, False))
latent_seconds = learn(on_latents, latents, steps=70, batch_size=32)
pixel_seconds = learn(on_pixels, faces, steps=5, batch_size=8)
share = pixel_seconds / latent_seconds
print(f"the pixels had at least a quarter of the latents' time: {share > 0.25}")

# %% [markdown]
# Now the sampler, for latents. You have written its moves in lesson 05. New are two things at the
# end: undo the scale, and decode. `guess_noise(x, t)` takes a whole number `t`. At t = -1 alpha-bar
# is 1.


# %%
def sample_and_decode(guess_noise, decode, x, alpha_bar, ts, scale):
    """DDIM over the times `ts`, the last of which is -1; then a picture."""
    # BEGIN SOLUTION
    for t, t_next in pairwise(ts):
        abar = alpha_bar[t]
        abar_next = alpha_bar[t_next] if t_next >= 0 else torch.tensor(1.0)
        noise = guess_noise(x, t)
        x0 = (x - (1 - abar) ** 0.5 * noise) / abar**0.5
        x = abar_next**0.5 * x0 + (1 - abar_next) ** 0.5 * noise
    return decode(x / scale)
    # END SOLUTION


sample_and_decode = check("07.sample_and_decode", sample_and_decode)


# %%
@torch.no_grad()
def draw(unet, decode, shape, scale, num_inference_steps=20, seed=0):
    """Pictures (n, 3, 64, 64) from plain noise of `shape`."""
    denoiser = V_PREDICTION.to_noise(unet, schedule)

    def guess_noise(x, t):
        return denoiser(x, torch.full((len(x),), t))

    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    grid = times(schedule.num_train_timesteps, num_inference_steps)
    return sample_and_decode(guess_noise, decode, x, schedule.alpha_bar, grid, scale).clamp(-1, 1)


# %%
by_latents = draw(on_latents, coder.decode, (64, 4, 8, 8), scale)
by_pixels = draw(on_pixels, lambda x: x, (8, 3, 64, 64), 1.0, num_inference_steps=6)
show_pictures(
    torch.cat([by_pixels, by_latents[:8]]),
    ["on pixels", *[""] * 7, "on latents", *[""] * 7],
    size=64,
    caption="after about equal time: above snow and stains (6 steps of drawing), below first coloured "
    "shapes on paper (20 steps).",
)

# %% [markdown]
# To save time, the pixels were drawn in 6 steps and the latents in 20. The difference can be seen,
# but a number is better. The **energy distance** compares two *sets* of pictures: twice the mean
# distance from one set to the other, minus the mean distance within each set, here of pictures
# shrunk to 16 x 16. It is about 0 if pictures of the two sets could be swapped and nobody would
# notice at that size.

# %%
unseen = emoji.load(["noto"], split="validation").pictures[:]
distance = {
    f"pixels, {pixel_seconds:.0f} s": energy_distance(by_pixels, unseen),
    f"latents, {latent_seconds:.0f} s": energy_distance(by_latents, unseen),
    "real pictures": energy_distance(emoji.load(["noto"]).pictures[::40], unseen),
}
of_pixels, of_latents, of_real = distance.values()
fig, (ax,) = new_figure(height=170)
for i, (name, value) in enumerate(distance.items()):
    ax.barh([name], [value], color=PALETTE[i].colour, hatch=PALETTE[i].hatch, edgecolor="w")
    ax.text(max(value, 0) + 0.005, i, f"{value:.3f}", va="center")
ax.set(xlabel="energy distance to unseen pictures (0 is best)", xlim=(-0.02, 1.2 * of_pixels))
show_figure(
    fig,
    caption="latents are nearer to real pictures than pixels after about equal time; real ones are "
    "nearest.",
    numbers=f"in this order: {of_real < of_latents < of_pixels}",
)

# %% [markdown]
# ## 6  With more patience
#
# The course comes with weights for the same UNet, trained for longer, on all five styles.

# %%
patient = weights.load_into(emoji_unconditional(), "emoji_unconditional")
print(f"trained for {weights.card('emoji_unconditional')['steps']:,} steps of 64 latents")
new = draw(patient, coder.decode, (24, 4, 8, 8), coder.scale)
show_pictures(
    new,
    size=64,
    caption="24 drawings that nobody made: paper, colours and outlines as emoji have them, but "
    "hardly a thing one could name yet.",
)

# %% [markdown]
# Are these new, or copied? Beside each drawing we put the nearest of all training pictures.

# %%
everything = emoji.load(split="train")
small = torch.nn.functional.avg_pool2d(new[:8], 4).flatten(1)
rows = torch.arange(len(everything)).split(1000)
known = torch.cat(
    [torch.nn.functional.avg_pool2d(everything.pictures[r], 4).flatten(1) for r in rows]
)
apart, nearest = torch.cdist(small, known).min(dim=1)
pairs = torch.stack([new[:8], everything.pictures[nearest]], dim=1).flatten(0, 1)
show_pictures(
    pairs,
    ["drawn", "nearest"] * 8,
    size=64,
    caption="in each pair left the drawing, right the nearest training picture: alike in colour and "
    "outline, not the same thing.",
    numbers=f"none is an exact copy: {bool((apart > 0.5).all())}",
)

# %% [markdown]
# ## 7  Break it on purpose: forget the scale
#
# The UNet learned on latents of spread 1. What if we decode its latents with the wrong scale, half
# or twice the right one? **Guess** what the drawings look like.

# %%
wrong = {
    "right": coder.scale.item(),
    "twice too large": coder.scale.item() / 2,
    "half": coder.scale.item() * 2,
}
rows = [draw(patient, coder.decode, (8, 4, 8, 8), s) for s in wrong.values()]
ink = {name: (1 - r).mean().item() for name, r in zip(wrong, rows, strict=True)}
show_pictures(
    torch.cat(rows),
    [t for name in wrong for t in (name, *[""] * 7)],
    size=64,
    caption="the same latents, decoded at three sizes: too large they turn glaring, too small they "
    "fade to paper.",
    numbers=f"ink on the paper: more than right if too large, "
    f"{ink['twice too large'] > ink['right']}; less if half, {ink['half'] < ink['right']}",
)

# %% [markdown]
# ## 8  A look inside: what it guesses on the way
#
# After every move the sampler has a guess of the clean latent. Decoded, this guess shows what is
# decided early, and what late. And how wrong is it, from the first time to the last?

# %%
start = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(5))
run = list(ddim(V_PREDICTION.to_noise(patient, schedule), start, schedule, times(1000, 20)))
shown = [*run[::3], run[-1]]
with torch.no_grad():
    guesses = torch.cat([coder.to_pictures(step.x0) for step in shown])
n = len(shown)
show_pictures(
    guesses.unflatten(0, (n, 3)).transpose(0, 1).flatten(0, 1),
    [f"move {i}" for i in (1, 4, 7, 10, 13, 16, 19, 20)] + [""] * (2 * n),
    columns=n,
    size=64,
    caption="first an average of everything, then colour and outline, at last the marks inside.",
)

# %%
levels = torch.arange(25, 1000, 50)
with torch.no_grad():
    x0 = coder.to_latents(unseen[:40])
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    errors = []
    for t in levels:
        ts = t.expand(len(x0))
        xt = add_noise(x0, noise, ts, schedule)
        root, rest = schedule.at(ts).sqrt(), (1 - schedule.at(ts)).sqrt()
        errors.append((root * xt - rest * patient(xt, ts) - x0).square().mean().item())
show_curves(
    {"error of the guessed x0": (levels.tolist(), errors)},
    x_label="time t",
    y_label="mean squared error",
    caption="the later the time, the less it can know: the error of its guess climbs to about 1, that "
    "of a blind guess.",
    numbers=f"larger at the end than at the start: {errors[-1] > errors[0]}",
)

# %% [markdown]
# ### Play: walk between two seeds
#
# A seed gives a starting noise, and a starting noise becomes a picture. What lies between two of
# them? Half-way on the straight line the spread of the noise would be too small, so we walk on an
# arc, which keeps it.


# %%
def arc(a, b, share):
    """From a to b, keeping the spread of plain noise all the way."""
    angle = torch.tensor(share * torch.pi / 2)
    return angle.cos() * a + angle.sin() * b


@torch.no_grad()
def between(share, first, second):
    a, b = (
        torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(s)) for s in (first, second)
    )
    *_, last = ddim(
        V_PREDICTION.to_noise(patient, schedule), arc(a, b, share), schedule, times(1000, 20)
    )
    return coder.to_pictures(last.x)


# %%
walk = torch.cat([between(i / 7, 3, 8) for i in range(8)])
show_pictures(
    walk,
    size=64,
    caption="eight stops from seed 3 (left) to seed 8 (right), each a whole picture of its own.",
)


# %%
def stop(share, first, second):
    shown = pictures_figure(between(share, first, second), [f"{share:.2f} of the way"], size=160)
    return shown, f"from seed {first} to seed {second}"


explore(
    stop,
    caption="one stop on the walk between two seeds.",
    share=slider(0.0, 1.0, 0.5, step=0.05),
    first=slider(0, 50, 3),
    second=slider(0, 50, 8),
)

# %% [markdown]
# ## Check yourself
#
# {fold 1. Why is the encoder run only once for each picture?}
# It is frozen: its code never changes, so it can be kept.
# {end}
# {fold 2. Why does noise on latents decode to blobs?}
# Each latent place stands for 8 x 8 pixels, so a wrong number there changes a whole patch.
# {end}

# %% [markdown]
# {fold 3. Where nothing but noise is left, why is v a better question than the noise?}
# There the noise is the input itself, so there is nothing to learn. v asks for the picture.
# {end}
# {fold 4. How many numbers does Stable Diffusion's UNet look at, for 512 x 512 pixels?}
# 4 x 64 x 64 = 16,384 instead of 786,432.
# {end}
# {fold 5. What limits the sharpness of the drawings, besides the UNet?}
# The autoencoder: no latent decodes to more than it can give back.
# {end}

# %%
small, large = 4 * 64 * 64, 512 * 512 * 3
print(f"question 4: {small:,} instead of {large:,}, one {large // small}th")

# %% [markdown]
# ## Recap
#
# 1. Diffusion does not mind what its numbers mean: it works on latents as on pixels.
# 2. Latents are 48 times fewer numbers, and a step costs a small part of the time and memory.
# 3. A data set is encoded once; a scale brings it to spread 1; after sampling it is undone.
# 4. With v-prediction there is something to learn at every time, pure noise included.
# 5. In about equal time, the autoencoder not counted, latents get to coloured shapes while pixels are
#    still at snow.

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# This *is* Stable Diffusion, without the text: the loop in the middle of the diagram, and the
# decoder after it. What is missing is a way to say what to draw. It starts with words as numbers:
# [lesson 08](08_word2vec.ipynb).

# %% [markdown]
# ## Further reading
#
# - R. Rombach and others: High-Resolution Image Synthesis with Latent Diffusion Models (2022).
# - T. Salimans, J. Ho: Progressive Distillation for Fast Sampling of Diffusion Models (2022): v.
# - S. Lin and others: Common Diffusion Noise Schedules and Sample Steps are Flawed (2023).
# - G. Szekely, M. Rizzo: Energy statistics (2013).
