# title: Positional encoding
# box: positional encoding
# read: 35
# run: 35
# build: a code of cosines and sines that tells a network how noisy its picture is.
# before: the denoiser of [lesson 03](03_denoising.ipynb).
# gpu: no

# %% [markdown]
# ## 1. Why not just say "10"?
#
# The denoiser of lesson 03 did harm at faint noise: nobody had told it how little there was. So let us *tell* it the
# level. A colour picture of 64x64 is 12,288 numbers; why not append one more, the level?
#
# **Guess:** suppose a network adds up all its inputs, each with a random weight. How much of the sum is due to the one
# appended number?

# %%
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.display.plots import (
    PALETTE,
    new_figure,
    show_curves,
    show_figure,
    show_heatmap,
    show_pictures,
)

# %%
torch.manual_seed(0)
first = nn.Linear(12_288 + 1, 256)
picture = 2 * torch.rand(1, 12_288) - 1
heard = {}
for number in (0.1, 1.0, 10.0, 999.0):
    from_number = (number * first.weight[:, -1]).std()
    from_picture = F.linear(picture, first.weight[:, :-1]).std()
    heard[number] = (from_number / from_picture).item()
    print(f"appending {number:5g}: {heard[number]:8.2%} as loud as the picture")

# %% [markdown]
# A small number is not heard among 12,288, and a large one drowns the picture. Does it matter? A network *learns* its
# weights, after all. We try four small fully connected denoisers on tiny scenes of 16x16. One is told nothing. The
# others are told the level as a number from 0 to 0.1, from 0 to 10, or from 0 to 999.
#
# **Guess** their order, from worst to best.

# %%
from course_lib.toys.denoising import small_scenes
from course_lib.training import train

scenes = F.avg_pool2d(small_scenes(300, seed=1), 2).flatten(1)  # (300, 768)
test = F.avg_pool2d(small_scenes(150, seed=2, split="test"), 2).flatten(1)


def denoising_error(net, tell, pictures):
    """Mean squared error of the guessed noise; `tell` turns levels (b,) into extra inputs."""
    levels = torch.rand(len(pictures))
    noise = levels[:, None] * torch.randn(pictures.shape)
    return F.mse_loss(net(torch.cat([pictures + noise, tell(levels)], dim=1)), noise)


# %%
def network(extra):
    """768 pixels and `extra` numbers in, 768 numbers of noise out."""
    sizes = [(768 + extra, 256), (256, 256), (256, 768)]
    first, second, third = (nn.Linear(*size) for size in sizes)
    return nn.Sequential(first, nn.SiLU(), second, nn.SiLU(), third)


def try_out(tell):
    """Train one for 250 steps, told by `tell`; its error on unseen scenes."""
    torch.manual_seed(0)
    net = network(extra=tell(torch.zeros(1)).shape[1])
    batches = [scenes[i] for i in torch.randint(300, (250, 64))]
    train(net.parameters(), batches, lambda x: denoising_error(net, tell, x), steps=250)
    torch.manual_seed(1)
    with torch.no_grad():
        return denoising_error(net, tell, test.repeat(8, 1)).item()


# %%
error = {
    "nothing": try_out(lambda levels: torch.zeros(len(levels), 0)),
    "0 to 0.1": try_out(lambda levels: 0.1 * levels[:, None]),
    "0 to 10": try_out(lambda levels: 10 * levels[:, None]),
    "0 to 999": try_out(lambda levels: 999 * levels[:, None]),
}


# %%
def bars(error, caption, numbers):
    fig, (ax,) = new_figure(width=420, height=200)
    ax.barh(list(error), list(error.values()), color=PALETTE[0].colour)
    ax.set(
        xlabel="error on unseen scenes (axis not from 0)", xlim=(0.9 * min(error.values()), None)
    )
    ax.invert_yaxis()
    show_figure(fig, caption=caption, numbers=numbers)


bars(
    error,
    "a number told too softly is hardly better than none; told too loudly it is worse than none.",
    f"0 to 10 is better than nothing: {error['0 to 10'] < error['nothing']}; "
    f"0 to 999 is worse than nothing: {error['0 to 999'] > error['nothing']}",
)

# %% [markdown]
# So one appended number *can* work, if it happens to have the right size. (Each was tried once, so small differences
# prove nothing.) But a UNet takes the level as a **time**, a whole number from 0 (level 0) to 999 (level 1); places in a
# sentence run from 0 to 76; and nobody wants to tune a size for each. And to a convolution one would have to append a whole channel, the same number at every pixel.
#
# We want a code that is always of the same size, and different for every number.

# %% [markdown]
# ## 2. A number as the hands of many clocks
#
# A clock shows the time of day with hands. One hand alone could not do it: the second hand points at 12 once a minute.
# Together, fast and slow hands tell all moments apart. And each hand is only a direction: it never becomes too large or
# too small.
#
# Each clock gives two numbers, where its hand points: a cosine and a sine.


# %%
def clocks(position, rates=(1.0, 0.3, 0.05)):
    """One dial for each rate, its hand where it points at this position."""
    fig, axes = new_figure(1, len(rates), width=420, height=150)
    rim = torch.linspace(0, 6.3, 100)
    for ax, rate in zip(axes, rates, strict=True):
        angle = torch.tensor(position * rate)
        ax.plot(rim.cos(), rim.sin(), color="black", linewidth=1)
        ax.plot([0, angle.cos()], [0, angle.sin()], linewidth=3, color=PALETTE[5].colour)
        ax.set(aspect="equal", title=f"rate {rate:g}")
        ax.axis("off")
    return fig


show_figure(
    clocks(20),
    caption="position 20 on three clocks. Hands start on the right and turn anticlockwise, by the "
    "rate in radians a step: the fast one has gone round three times, the slow one not once.",
    numbers="turns so far: " + ", ".join(f"{20 * rate / 6.283:.1f}" for rate in (1.0, 0.3, 0.05)),
)

# %% [markdown]
# Stable Diffusion writes a code of `width` numbers with `width / 2` clocks. Clock number $i$ moves on by
# $10000^{-i / (\text{width}/2)}$ radians at each step (a full turn is $2\pi$, about 6.28). The first clock, $i = 0$, moves
# by 1, the last, when there are many, by little more than 1/10000.


# %%
def encode(positions, width):
    """The codes (n, width) of positions (n,): width/2 cosines, then width/2 sines."""
    # BEGIN SOLUTION
    half = width // 2
    rate = 10_000 ** (-torch.arange(half) / half)
    angle = positions[:, None] * rate
    return torch.cat([angle.cos(), angle.sin()], dim=1)
    # END SOLUTION


encode = check("04.encode", encode)

# %%
codes = encode(torch.arange(100), 32)
show_heatmap(
    codes.T,
    x_label="position",
    y_label="number in the code",
    width=640,
    caption="each column is the code of one position: fast stripes at the top of each half, slow ones below.",
    numbers=f"100 codes of 32 numbers, all within [-1, 1]: {bool(codes.abs().max() <= 1)}",
)

# %% [markdown]
# {fold In symbols}
# With $\omega_i = 10000^{-i/h}$ and $h = \text{width}/2$ the code of $p$ is
# $(\cos \omega_0 p, \dots, \cos \omega_{h-1} p,\ \sin \omega_0 p, \dots, \sin \omega_{h-1} p)$. Vaswani et al. (2017) take sine
# and cosine by turns. Which column is which does not matter to what is learned, but it does if you want to load
# somebody's weights: the order here is Stable Diffusion's.
# {end}

# %% [markdown]
# ## 3. Every code is different, near ones are alike
#
# **Guess:** compare the code of 50 with all the others. Where is it most alike, and how does likeness fall with distance?


# %%
def likeness(codes):
    """All codes against all (n, n): dot products, divided by the number of clocks."""
    # BEGIN SOLUTION
    return codes @ codes.T / (codes.shape[1] / 2)
    # END SOLUTION


likeness = check("04.likeness", likeness)

# %%
table = likeness(codes)
off = table - 2 * torch.eye(100)
show_heatmap(
    table,
    x_label="position",
    y_label="position",
    caption="a bright diagonal that fades, with ripples, to both sides: near positions have similar codes.",
    numbers=f"each is most like itself: {bool((off.max(dim=1).values < 1).all())}; "
    f"next in line are its neighbours: {bool((off.argmax(1) - torch.arange(100)).abs().max() == 1)}",
)

# %%
all_codes = encode(torch.arange(1000), 32)
apart = torch.cdist(all_codes, all_codes) + 9 * torch.eye(1000)
print(
    "1000 positions, 32 numbers each; the nearest two codes are more than 0.5 apart:",
    bool(apart.min() > 0.5),
)
print(
    "row 50 and row 80 of the table are the same, shifted by 30:",
    torch.allclose(table[50, 40:60], table[80, 70:90], atol=1e-4),
)

# %% [markdown]
# The last line is the beautiful part. How alike two codes are depends only on *how far apart* their positions are, not on
# where they are: $\cos a \cos b + \sin a \sin b = \cos(a - b)$, clock by clock.
#
# ## 4. A shift is a turn
#
# Somebody gives you the code of a position, but not the position. Can you make the code of the position seven further on?
# Yes: each clock turns on by seven of its steps.


# %%
def turned(code, steps):
    """From the code (width,) of some position p, the code of p + steps."""
    # BEGIN SOLUTION
    half = len(code) // 2
    cos, sin = code[:half], code[half:]
    angle = steps * 10_000 ** (-torch.arange(half) / half)
    return torch.cat([cos * angle.cos() - sin * angle.sin(), sin * angle.cos() + cos * angle.sin()])
    # END SOLUTION


turned = check("04.turned", turned)

# %%
same = [torch.allclose(turned(codes[p], 7), codes[p + 7], atol=1e-3) for p in range(93)]
print(f"turning by 7 leads from p to p + 7, for every p: {all(same)}")
shifts = {k: turned(codes[20], k) for k in (-20, -10, 0, 10, 30)}
found = [int((codes - code).norm(dim=1).argmin()) for code in shifts.values()]
print(f"from 20 by {list(shifts)}: {found}")

# %% [markdown]
# A turn is a multiplication by a fixed matrix, the same for all positions, and multiplying by matrices is what networks
# do. So "three words earlier" should be easy to learn, wherever the word stands. Lesson 09 gives positions to words.
#
# ## 5. Into the UNet
#
# How does a code reach a convolution? Once for the whole network, two linear layers make an **embedding** of it, `emb`. In
# every block a small linear layer turns that into *one number for each channel*, which is added at every pixel. A channel
# is raised or lowered as a whole.
#
# `F.silu` is a smooth ReLU: x times the sigmoid of x, 1 / (1 + exp(-x)). A **ResBlock** is two convolutions, each after a
# norm (group by group, channels get mean 0 and spread 1) and a SiLU; at the end its input is added.


# %%
def add_time(y, emb, weight, bias):
    """y (b, c, h, w) plus one number a picture and channel: linear(silu(emb)), emb (b, d)."""
    # BEGIN SOLUTION
    return y + F.linear(F.silu(emb), weight, bias)[:, :, None, None]
    # END SOLUTION


add_time = check("04.add_time", add_time)

# %%
from course_lib.blocks import ResBlock

torch.manual_seed(0)
block = ResBlock(8, 8, d_emb=32)
nn.init.normal_(block.conv2.weight, std=0.1)  # a new block does nothing; wake it up
x, emb = torch.randn(2, 8, 6, 6), encode(torch.tensor([10, 900]), 32)
y = block.conv1(F.silu(block.norm1(x)))  # the bare code serves as emb here
y = add_time(y, emb, block.from_emb.weight, block.from_emb.bias)
by_hand = x + block.conv2(F.silu(block.norm2(y)))
print(
    "the course's ResBlock is two convolutions with your add_time between:",
    torch.allclose(by_hand, block(x, emb), atol=1e-5),
)

# %% [markdown]
# The two layers before all blocks are called `time_embedding`: what they learn about times, all blocks share.

# %%
from course_lib.unet import tiny

told_at = [name for name, part in tiny().named_modules() if isinstance(part, ResBlock)]
print(f"{len(told_at)} blocks of the small UNet are told the time:")
print(", ".join(told_at))

# %%
from course_lib.unet import stable_diffusion

with torch.device("meta"):  # shapes only, no numbers: the real one would take 3.4 GB
    real = stable_diffusion()
blocks = [part for part in real.modules() if isinstance(part, ResBlock)]
print(
    f"Stable Diffusion: {real.width // 2} clocks, {real.width} numbers, then "
    f"{real.time_embedding[0].out_features}, told to {len(blocks)} blocks"
)

# %% [markdown]
# ## 6. Told against not told
#
# The course has six denoisers: three that were told the level and three that were not (their time was always 0), trained
# for the same number of steps on the same scenes, from three seeds. Everything else is equal.
#
# **Guess:** where does telling help most: at faint, middle or strong noise?

# %%
from course_lib.files.pretrained import load_denoiser
from course_lib.toys.denoising import noise_conditioned, unconditioned

unseen = small_scenes(32, seed=9, split="test")


@torch.no_grad()
def left(guesser, level):
    """The mean squared error that is left in 32 unseen scenes."""
    noise = level * torch.randn(unseen.shape, generator=torch.Generator().manual_seed(5))
    return F.mse_loss(guesser(unseen + noise, torch.full((32,), level)), noise).item()


levels = [0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0]
knows = [noise_conditioned(load_denoiser("noise_conditioned", seed)) for seed in range(3)]
guesses = [unconditioned(load_denoiser("unconditioned", seed)) for seed in range(3)]
with_it = torch.tensor([[left(net, level) for level in levels] for net in knows])
without = torch.tensor([[left(net, level) for level in levels] for net in guesses])

# %%
show_curves(
    {
        "as it came": (levels, [level**2 for level in levels]),
        "not told": (levels, without.mean(0).tolist()),
        "told": (levels, with_it.mean(0).tolist()),
    },
    x_label="noise level",
    y_label="error left (mean of 3 seeds)",
    log_x=True,
    log_y=True,
    caption="told leaves less error at faint noise; at strong noise both are close. At the two faintest "
    "levels both leave more than there was.",
)

# %%
gap = 1 - with_it / without  # the share of the error that telling saves, seed by seed
print("level   told leaves less, in how many of 3 seeds")
for level, g in zip(levels, gap.T, strict=True):
    print(f"{level:5g}   {int((g > 0).sum())}")

# %%
fig, (ax,) = new_figure(width=480, height=240)
ax.errorbar(
    levels, 100 * gap.mean(0), yerr=100 * gap.std(0), marker="o", capsize=4, color=PALETTE[0].colour
)
ax.axhline(0, color="black", linewidth=1)
ax.set(xscale="log", xlabel="noise level", ylabel="error saved by telling, %")
show_figure(
    fig,
    caption="the gap at each level, with its spread over three seeds; above the line, telling helps.",
    numbers=f"saved at level 0.02: {gap[:, 0].mean():.0%}, spread {gap[:, 0].std():.0%}; "
    f"at level 1: {gap[:, -1].mean():.0%}, spread {gap[:, -1].std():.0%}",
)

# %% [markdown]
# The dots are means of three seeds, the bars their spread (one standard deviation up and down). Telling helps most at
# faint noise. A likely reason: strong noise a network can *see*, as the noise meter of lesson 03 showed.
#
# Telling does not mend everything. At the two faintest levels even the told network leaves more error than there was:
# the loss still hardly looks there. In lesson 05 the level goes all the way from nothing to everything, so we will tell.

# %% [markdown]
# ## 7. Play
#
# Choose a position: its code, and how alike the codes around it are.

# %%
from course_lib.display.widgets import explore, slider


def neighbours(position, clocks):
    width = 2 * clocks
    code, around = encode(torch.tensor([position]), width), encode(torch.arange(200), width)
    fig, axes = new_figure(2, 1, width=560, height=300)
    axes[0].bar(range(width), code[0], color=PALETTE[0].colour)
    axes[0].set(title=f"the code of {position}: {clocks} cosines, {clocks} sines", ylim=(-1.1, 1.1))
    axes[1].plot(around @ code[0] / clocks, color=PALETTE[5].colour)
    axes[1].axvline(position, color="black", linewidth=1)
    axes[1].set(xlabel="position", ylabel="likeness")
    return fig, f"{width} numbers, likeness 1 at position {position}"


# %%
explore(
    neighbours,
    position=slider(0, 199, 60),
    clocks=slider(1, 32, 16),
    caption="above, one code; below, how alike all others are. With one clock, many positions look the same.",
)

# %% [markdown]
# ## 8. Break it on purpose
#
# We lie. The pictures have noise of level 0.4; the network is told less, or more. **Guess:** what does a lie do to the
# picture, in one direction and in the other?

# %%
net = noise_conditioned(load_denoiser("noise_conditioned", seed=0))
noise = 0.4 * torch.randn(unseen.shape, generator=torch.Generator().manual_seed(6))
lies = [0.05, 0.2, 0.4, 0.7, 1.0]
with torch.no_grad():
    off = [net(unseen + noise, torch.full((32,), lie)) for lie in lies]
errors = [F.mse_loss(guess, noise).item() for guess in off]
show_pictures(
    [(unseen + noise)[3], *((unseen + noise - guess)[3].clamp(-1, 1) for guess in off)],
    ["noisy: level 0.4", *(f"told {lie:g}" for lie in lies)],
    caption="told too little, it leaves noise in; told far too much, it subtracts more than there "
    "was, and grain comes back as a negative.",
    numbers=f"the truth does best: {min(errors) == errors[2]}; "
    f"the worst lie leaves over twice the error: {max(errors) > 2 * errors[2]}",
)

# %% [markdown]
# And with a single fast clock in place of many? Then times that lie almost exactly some full turns apart have almost the
# same code, and nothing that comes after can tell them apart.

# %%
for clocks in (1, 2, 4, 16):
    few = encode(torch.arange(1000), 2 * clocks)
    nearest = (torch.cdist(few, few) + 9 * torch.eye(1000)).min().item()
    print(f"clocks: {clocks:2}, the two most similar of 1000 codes are {nearest:.3f} apart")

# %% [markdown]
# ## 9. A look inside
#
# What did the trained network make of the time? In each block one number for each channel is added. We draw it for the
# four channels of the first block where it changes most, as the level goes from 0 to 1. **Guess:** will the curves wiggle
# like the clocks?

# %%
unet = load_denoiser("noise_conditioned", seed=0)
t = torch.arange(0, 1000, 10)
with torch.no_grad():
    emb = unet.time_embedding(encode(t, unet.width))
    added = unet.down[0].layers[0].block.from_emb(F.silu(emb))  # (100, channels)
moves = added.std(dim=0)
most = moves.argsort(descending=True)[:4].tolist()
along = [torch.corrcoef(torch.stack([t.float(), added[:, c]]))[0, 1].abs() for c in most]
show_curves(
    {f"channel {c}": ((t / 999).tolist(), added[:, c].tolist()) for c in most},
    x_label="level",
    y_label="added to the channel",
    caption="no clocks any more: each channel has become a dial that rises or falls with the level. The random_affine is "
    "what the fast clocks leave behind.",
    numbers=f"all four go along with the level (correlation above 0.8): {bool(min(along) > 0.8)}",
)

# %%
codes_in, codes_out = encode(t, unet.width), emb
shown = [F.cosine_similarity(c[:, None], c[None], dim=2) for c in (codes_in, codes_out)]
fig, axes = new_figure(1, 2, width=520, height=260)
for ax, table, title in zip(
    axes, shown, ("the codes", "after two layers of learning"), strict=True
):
    ax.imshow(table, vmin=-1, vmax=1, cmap="PuOr_r", extent=(0, 1, 1, 0))
    ax.set(title=title, xlabel="level", ylabel="level")
show_figure(
    fig,
    caption="how alike times are (brown: alike, white: unrelated, violet: opposite), before and after the "
    "network's own two layers.",
    numbers=f"levels 0.1 and 0.9 are less alike than 0.1 and 0.2: {bool(shown[1][10, 90] < shown[1][10, 20])}",
)

# %% [markdown]
# ## Check yourself
#
# **1.** Why not append the level as one more number?
# {fold Answer}
# It works only if its size happens to fit: too small is not heard, too large drowns the rest. And to a convolution it
# would have to be appended as a whole channel.
# {end}
# **2.** Why does each clock need a cosine *and* a sine?
# {fold Answer}
# One of them alone is the same for two directions of the hand, and a shift could not be written as a turn.
# {end}
# **3.** What would go wrong with fast clocks only?
# {fold Answer}
# They come round again: some times that lie far apart would have nearly the same code.
# {end}

# %% [markdown]
# **4.** How does the code get into a convolution block?
# {fold Answer}
# Through a linear layer, as one number for each channel, added at every pixel.
# {end}
# **5.** Is it certain that telling helps at every level?
# {fold Answer}
# No. In the table above it did at every level, in all three seeds. But three seeds are few, and where noise is strong the
# gain is only a few per cent.
# {end}

# %% [markdown]
# ## Recap
#
# A number is told to a network as the hands of many clocks, from fast to slow. All codes have the same size, no two are
# equal, near numbers have similar codes, and a shift is a turn. Two layers make an embedding of the code, and every block
# adds it to its channels. Told the noise level, the denoiser does better, above all at faint noise. A wrong level does harm.

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# This is the lit box in the UNet. It says at which of the 1,000 noise levels we are: 160 clocks, 320 numbers, two layers to
# 1,280, and from there into each of the 22 ResBlocks. The text tower has positions too, one for each place in the prompt.
# There they are *learned*, a list of 77 vectors. Lesson 09 shows why words need them.

# %% [markdown]
# **Further reading.** Vaswani et al., *Attention is all you need* (2017), section 3.5. Ho et al., *Denoising diffusion
# probabilistic models* (2020), appendix B. Tancik et al., *Fourier features let networks learn high frequency functions* (2020).
