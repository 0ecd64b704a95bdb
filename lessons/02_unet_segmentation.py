# title: UNet: a mask for every fish
# box: unet
# read: 45
# run: 45
# build: a UNet, down, up and across; a fair score for masks, and a loss to train it with.
# before: [lesson 01](01_convolutions.ipynb): convolutions, channels, field of view.
# gpu: no

# %%
import torch
import torch.nn.functional as F

from course_lib import plain_unet
from course_lib.datasets import fish
from course_lib.display.plots import (
    PALETTE,
    new_figure,
    pictures_figure,
    show_curves,
    show_figure,
    show_pictures,
)
from course_lib.display.widgets import choice, explore, slider
from course_lib.files import weights
from course_lib.plain_unet import PlainUNet, WithoutSkips
from course_lib.segmentation import accuracy
from course_lib.training import random_batches, train

# %%
WIDTHS = (8, 24, 64, 96, 96)  # channels of our network, from the top level to the bottom


def as_picture(mask):
    """A mask of zeros and ones (b, 1, h, w) as black and white in three channels."""
    return mask.expand(-1, 3, -1, -1) * 2.0 - 1


# %% [markdown]
# ## 1  Which pixels?
# In 2015 biologists wanted the outline of every cell under a microscope, and had some thirty
# pictures with outlines drawn by hand. "There is a cell" was no help; they needed an answer for
# **every pixel**. The network made for them, the UNet, is the kind that Stable Diffusion, up to
# SDXL, runs on (version 3 of 2024 has a transformer in its place). We use fish. Before you run the
# next cell: how would *you* tell which pixels are fish?

# %%
pictures, masks = fish.fixed_500()
shown = torch.cat([pictures[:6], as_picture(masks[:6])])
show_pictures(
    shown,
    columns=6,
    size=90,
    caption="above, pictures; below, their masks, white for fish. Not all that is pasted in is a "
    "fish, and some fish have the colours of what is behind them.",
)

# %% [markdown]
# These are not photographs of the sea. Fish were cut out of pictures and pasted by a program on
# other pictures, so the true mask is known to the pixel, for as many scenes as we like. There is a
# trap in that: **a pasted thing has a cut edge**, and a network could learn to find cut edges and
# know nothing of fish. That is why hens, flowers and lemons are pasted in as well.
#
# (If you have Kaggle's "A Large Scale Fish Dataset", `course_lib.datasets.fish_folder` reads it.)

# %% [markdown]
# ## 2  A test that cannot be learned by heart
# A network with a million weights can learn five hundred pictures by heart. So some kinds of fish,
# some things that are not fish and some backgrounds are set aside, and no training in this course
# sees them. **Guess:** what will be harder, an unknown fish on a known background, or an unknown
# fish on an unknown background?

# %%
easier = fish.scenes(200, seed=1, split="test", backgrounds="train")
harder = fish.scenes(200, seed=1, split="test", backgrounds="test")
kinds = {split: set(fish.kinds(split)) for split in ("train", "validation", "test")}
show_pictures(
    torch.cat([easier[0][:6], harder[0][:6]]),
    columns=6,
    size=90,
    caption="fish that are never trained on: above on known backgrounds, below on unknown ones.",
    numbers=f"{len(kinds['train'])} kinds of fish to train on, {len(kinds['test'])} to test on, "
    f"in both: {len(kinds['train'] & kinds['test'])}",
)

# %% [markdown]
# ## 3  How good is a mask?
# The first idea: count the pixels that are right. **Guess** what a "network" gets that answers "no
# fish" everywhere, without even looking at the picture.

# %%
nothing = torch.zeros(500, 1, 64, 64, dtype=torch.bool)
right = accuracy(nothing, masks).mean().item()
print(f"no fish anywhere: more than 80 % of the pixels right: {right > 0.8}")
print(f"the picture that suits it best: {accuracy(nothing, masks).max():.0%} right")

# %% [markdown]
# Most of a picture is not fish, so saying nothing looks clever. A fairer measure looks at the fish
# only: the pixels that prediction and mask **share**, over the pixels that **either** of them has.
# It is called *intersection over union*, IoU: 1 for a perfect mask, 0 for one that misses.
#
# Write it for a batch: `predicted` holds True or False, `mask` zeros and ones, both (b, 1, h, w).


# %%
def iou(predicted, mask):
    """Intersection over union of each picture: one number a picture, (b,)."""
    # BEGIN SOLUTION
    true = mask > 0.5
    both = (predicted & true).sum(dim=(1, 2, 3))
    either = (predicted | true).sum(dim=(1, 2, 3))
    return both / either
    # END SOLUTION


iou = check("02.iou", iou)

# %%
true = masks[:1] > 0.5
moved = [true.roll(pixels, dims=3) for pixels in (0, 2, 6, 12)]
scores = [iou(m, masks[:1]).item() for m in moved]
show_pictures(
    [torch.cat([m, true, true], dim=1)[0] * 2.0 - 1 for m in moved],
    [f"IoU {score:.2f}" for score in scores],
    columns=4,
    caption="the true mask (cyan) and itself moved to the right (red; both: white). The measure "
    "falls fast: two pixels cost a good part of it.",
    numbers=f"moved by 0, 2, 6, 12 pixels: {', '.join(f'{s:.2f}' for s in scores)}; "
    f"saying nothing: {iou(nothing[:1], masks[:1]).item():.0f}",
)

# %% [markdown]
# ## 4  Down: look wider
# To know that a pixel is fish one has to see the fish. A 3x3 kernel sees nine pixels. Larger
# kernels cost more weights. There is a trick that costs none: **make the picture smaller**. When
# height and width are halved, the same 3x3 kernel covers four times the area.

# %%
torch.manual_seed(0)
net = PlainUNet(WIDTHS)
outs = net.levels(pictures[:1])
for block, out in zip(net.encoder, outs, strict=False):
    print(
        f"{block.conv1.weight.numel() + block.conv2.weight.numel():>8,} weights", tuple(out.shape)
    )

# %% [markdown]
# Each level is one **conv block**: two 3x3 convolutions, each followed by a ReLU (negative numbers
# become 0). Before each, the numbers are **normalised**: shifted and scaled to mean 0 and variance
# 1, over the whole picture and eight channels at a time. Then comes a *max pooling*, which keeps
# the largest of every 2x2 pixels. Height and width halve, the number of channels grows: less
# *where*, more *what*.

# %% [markdown]
# After the bottom it goes up again, level by level, to the size of the picture: one block a level,
# which gives out as many channels as that level had on the way down.
#
# What shapes come out of the blocks, all the way down and up again?


# %%
def block_shapes(h, w, widths):
    """[(channels, height, width), ...] after every block; `widths` are the channels, top down."""
    # BEGIN SOLUTION
    down = [(c, h // 2**i, w // 2**i) for i, c in enumerate(widths)]
    return down + down[-2::-1]
    # END SOLUTION


block_shapes = check("02.block_shapes", block_shapes)

# %%
shapes = block_shapes(64, 64, WIDTHS)
fig, (ax,) = new_figure(width=600, height=220)
for i, (c, h, w) in enumerate(shapes):
    ax.bar(i, h, width=c / 120, color=PALETTE[0].colour, edgecolor="black")
    ax.text(i, h + 1, f"{c} x {h} x {w}", ha="center", fontsize=9)
ax.set(xticks=[], ylabel="height in pixels", ylim=(0, 74))
same = [tuple(out.shape[1:]) for out in outs] == [tuple(shape) for shape in shapes]
show_figure(
    fig,
    caption="the U: tall bars are large pictures, thick bars are many channels. Down the left "
    "side, up the right one.",
    numbers=f"the network's own shapes are these: {same}",
)

# %% [markdown]
# ## 5  Up: and where exactly was that?
# At the bottom a pixel stands for 16x16 pixels of the picture: it may know "fish", but not where
# the fin ends. What each block made before the pooling still knew it. So the UNet hands that
# **across**: what comes from below is enlarged, and the channels of the same size from the way down
# are laid beside it. This is a *skip connection*.
#
# In the exercise `up` is a function that doubles height and width.


# %%
def step_up(below, skip, up):
    """Enlarge `below` (b, c, h, w) and lay `skip` (b, d, 2h, 2w) before it, as channels."""
    # BEGIN SOLUTION
    return torch.cat([skip, up(below)], dim=1)
    # END SOLUTION


step_up = check("02.step_up", step_up)

# %%
below = F.avg_pool2d(pictures[:1], 16)
joined = step_up(below, pictures[:1], torch.nn.Upsample(scale_factor=16))
show_pictures(
    [joined[:, :3][0], joined[:, 3:][0]],
    ["across: sharp, knows where", "from below: coarse, knows what"],
    columns=2,
    caption="what one step up lays on top of each other. Both stay: the next block picks.",
    numbers=f"{joined.shape[1]} channels, of which {pictures.shape[1]} came across",
)

# %% [markdown]
# Skips are sometimes called *residual connections*. The two are cousins: ResNet (2016) **adds** what
# went round a block to what came out of it; the UNet lays both **side by side**. Stable Diffusion
# has both kinds, so it is worth keeping the words apart.
#
# That is all there is. A UNet of two levels, in four lines:

# %%
top, bottom, up = net.encoder[0], net.encoder[1], net.ups[-1]
first = top(pictures[:1])
second = bottom(F.max_pool2d(first, 2))
mask_logits = net.to_mask(net.decoder[-1](step_up(second, first, up)))
print("a picture", tuple(pictures[:1].shape), "became a mask", tuple(mask_logits.shape))

# %% [markdown]
# `PlainUNet` in `course_lib/plain_unet.py` is this, in a loop over as many levels as you ask for.
# With the paper's numbers it has 31 million weights. We need not make them to count them: on
# PyTorch's *meta* device a tensor has a shape and nothing in it.

# %%
with torch.device("meta"):
    large = plain_unet.paper()
    outs = large.levels(torch.empty(1, 1, 512, 512))
for name, out in zip("down down down down bottom up up up up".split(), outs, strict=True):
    print(f"{name:<7}{out.shape[1]:>5} channels of {out.shape[2]:>3} x {out.shape[3]}")
kernel = tuple(large.encoder[1].conv1.weight.shape)
print(f"{sum(p.numel() for p in large.parameters()):,} weights; from 64 to 128 channels: {kernel}")

# %% [markdown]
# Read the last line as "128 kernels, each 64 deep, 3 x 3 wide": every one of the 128 new channels
# looks at all 64 old ones.

# %% [markdown]
# ## 6  A measure with a slope
# Training needs a **loss**, a number that gets a little smaller when the mask gets a little better.
# IoU counts yes and no: it has no slope. *Soft Dice* also measures overlap, but with probabilities:
# twice the overlap over the sum of both areas.

# %% [markdown]
# The network answers with any number for each pixel, called a *logit*; `sigmoid` makes it a
# probability from 0 to 1. As a loss we take 1 - Dice, averaged over the pictures. The 1 added above
# and below the line is for pictures without any fish, where it would be 0 / 0.


# %%
def soft_dice_loss(logits, mask):
    """The mean of 1 - (2 * overlap + 1) / (both areas + 1); logits and mask (b, 1, h, w)."""
    # BEGIN SOLUTION
    p = logits.sigmoid()
    overlap = (p * mask).sum(dim=(1, 2, 3))
    areas = p.sum(dim=(1, 2, 3)) + mask.sum(dim=(1, 2, 3))
    return (1 - (2 * overlap + 1) / (areas + 1)).mean()
    # END SOLUTION


soft_dice_loss = check("02.soft_dice_loss", soft_dice_loss)

# %%
sure = torch.linspace(-4, 4, 33)  # the same guess for every pixel that is fish; the rest is right
truth = masks[:50]
guesses = [torch.where(truth > 0.5, s, -9.0) for s in sure]
show_curves(
    {
        "soft Dice loss": (sure, [soft_dice_loss(g, truth).item() for g in guesses]),
        "1 - IoU": (sure, [1 - iou(g > 0, truth).mean().item() for g in guesses]),
    },
    x_label="what the network says for the pixels of the fish",
    y_label="loss",
    caption="as the network grows surer of the fish, soft Dice falls all the way; IoU jumps once, "
    "and tells nobody in which direction to go.",
)

# %% [markdown]
# {fold In symbols}
# $$\mathrm{IoU} = \frac{|P \cap M|}{|P \cup M|} \qquad
# \mathrm{Dice} = \frac{2\,|P \cap M|}{|P| + |M|} = \frac{2\,\mathrm{IoU}}{1 + \mathrm{IoU}}$$
#
# $P$ are the pixels called fish, $M$ those that are. The soft version puts $\sum_i p_i m_i$ for
# $|P \cap M|$ and $\sum_i p_i$ for $|P|$. The next cell checks the last equation on the four masks
# of section 3.
# {end}

# %%
dice = [1 - soft_dice_loss(torch.where(m, 50.0, -50.0), masks[:1]).item() for m in moved]
off = max(abs(d - 2 * s / (1 + s)) for d, s in zip(dice, scores, strict=True))
print("Dice is 2 IoU / (1 + IoU), but for the two ones added:", off < 0.01)

# %% [markdown]
# ## 7  Train it
# We give a fresh network five hundred pictures and half a minute. The loss is soft Dice plus the
# *cross-entropy* of every pixel, the usual loss for a question of yes or no. We stop on the way to
# look at one picture that is **not** among the five hundred. **Guess:** what comes first, the place
# or the outline?


# %%
def loss_of(chosen):
    logits = small(pictures[chosen])
    plain = F.binary_cross_entropy_with_logits(logits, masks[chosen])
    return plain + soft_dice_loss(logits, masks[chosen])


torch.manual_seed(0)
small = PlainUNet(WIDTHS)
batches = random_batches(500, 16, torch.Generator().manual_seed(0))
losses, raw = [], []
for steps in (1, 9, 30, 50, 60):
    losses += train(small.parameters(), batches, loss_of, steps=steps, lr=3e-3)
    raw.append(small(easier[0][4:5]).detach())

# %%
fig, axes = new_figure(2, 6, width=480, height=180)
axes[0].imshow(easier[0][4].permute(1, 2, 0) / 2 + 0.5)
axes[6].imshow(easier[1][4, 0], cmap="grey")
for i, out in enumerate(raw, start=1):
    axes[i].imshow(out[0, 0], cmap="RdBu_r", vmin=-6, vmax=6)
    axes[6 + i].imshow(out[0, 0].clamp(0, 1), cmap="grey", vmin=0, vmax=1)
for ax, title in zip(axes, ("picture", "1 step", "10", "40", "90", "150 steps"), strict=False):
    ax.set_title(title, fontsize=10)
_ = [ax.axis("off") for ax in axes]
show_figure(
    fig,
    caption="above, the raw output in false colours (red above 0, blue below); below, the same "
    "clamped to 0 ... 1, beside the true mask. First a cloud where something is, then a shape.",
    numbers=f"loss fell by more than a third: {sum(losses[-20:]) / 20 < 0.67 * losses[0]}",
)


# %%
@torch.no_grad()
def measure(net, scenes):
    """The mean IoU of a network on scenes."""
    outs = torch.cat([net.eval()(batch) for batch in scenes[0].split(50)])
    return iou(outs > 0, scenes[1]).mean().item()


known = measure(small, (pictures[:200], masks[:200]))
unknown = measure(small, harder)
print(f"IoU above 0.4 on pictures that it was trained on: {known > 0.4}")
print(f"less on unknown fish and backgrounds, but above 0.3: {0.3 < unknown < known}")

# %% [markdown]
# ## 8  The same, for longer
# Half a minute shows that it works: five hundred pictures are enough to begin. To do it well takes
# two things: time, and **more to see**. The bundled weights come from a longer run. In it every
# scene of every step is composed afresh, so none can be learned by heart
# (`course train segmentation` repeats it).

# %% [markdown]
# The kinds of fish are few, and *they* can be learned by heart. We tried a run that changed little
# but colours: the longer it went on, the better it found them, and the worse it found unknown ones.
# So in the run of these weights each fish is bent like a sheet of rubber, as the pictures of cells
# were in the paper of 2015, and often wears another pattern. What stays is roughly its shape.

# %%
trained = weights.load_into(PlainUNet(WIDTHS), "segmentation")
steps = sum(weights.card("segmentation")["steps"])
scores = {
    "half a minute, 500 pictures": [measure(small, scenes) for scenes in (easier, harder)],
    f"{steps:,} steps, fresh scenes": [measure(trained, scenes) for scenes in (easier, harder)],
}
short, long = scores.values()

# %%
fig, (ax,) = new_figure(width=560, height=240)
for i, (name, heights) in enumerate(scores.items()):
    style = PALETTE[i]
    places = [0.4 * i, 1.2 + 0.4 * i]
    ax.bar(places, heights, 0.36, color=style.colour, hatch=style.hatch, edgecolor="w", label=name)
labels = ["known backgrounds", "unknown backgrounds"]
ax.set(xticks=[0.2, 1.4], xticklabels=labels, ylabel="IoU", ylim=(0, 1.2))
ax.legend(loc="upper right", ncols=2, fontsize=9)
show_figure(
    fig,
    caption="how well the masks of unknown fish fit, with things that are not fish in the scenes. "
    "Longer training matters much, an unknown background little.",
    numbers=f"above 0.75 on both after the long run: {min(long) > 0.75}; more than the short run on "
    f"both: {long[0] > short[0] and long[1] > short[1]}",
)

# %%
with torch.no_grad():
    found = trained(harder[0][:6])
show_pictures(
    torch.cat([harder[0][:6], as_picture(harder[1][:6]), as_picture(found.sigmoid())]),
    columns=6,
    size=90,
    caption="unknown fish on unknown backgrounds: picture, true mask, and what the network says. "
    "Look for what it takes for fish, and for fins that it misses.",
    numbers=f"each mask of {found.shape[3]} x {found.shape[2]} pixels, from 0 (black) to 1 (white)",
)

# %% [markdown]
# ## 9  Break it on purpose
# We take the same network, trained for as many steps on the same scenes, but **nothing is handed
# across**: every skip is empty. Everything it knows has to pass through the 4x4 pixels of the bottom.
# **Guess** what goes first: finding the fish, or its outline?

# %%
blind = weights.load_into(WithoutSkips(WIDTHS), "segmentation_without_skips")
margin = [measure(trained, s) - measure(blind, s) for s in (easier, harder)]
with torch.no_grad():
    lost = blind(harder[0][:6])
show_pictures(
    torch.cat([as_picture(found.sigmoid()), as_picture(lost.sigmoid())]),
    columns=6,
    size=80,
    caption="the same scenes: above with skips, below with none: it knows roughly where a fish is, as a "
    "blob, and has lost fins, tails and edges.",
    numbers=f"IoU lost without skips more than 0.03: {min(margin) > 0.03}",
)

# %% [markdown]
# And without **down-sampling**? We ask a network which pixels of the picture matter to its answer
# in the very middle: the gradient tells. We compare two untrained networks with the same blocks,
# one with pooling and one without.


# %%
def matters(net):
    """How much each pixel of a picture matters to the middle pixel's answer: (64, 64)."""
    picture = pictures[:1].clone().requires_grad_()
    net(picture)[0, 0, 32, 32].backward()
    slope = picture.grad.abs().sum(dim=(0, 1))
    return slope / slope.max()


torch.manual_seed(1)
nets = [PlainUNet(WIDTHS), PlainUNet(WIDTHS, shrink=1)]
views = [matters(net) for net in nets]
wide = [int((view > 0.01).any(dim=0).sum()) for view in views]
count = [sum(p.numel() for p in net.parameters()) for net in nets]

# %%
show_pictures(
    [(view.clamp(min=1e-4).log10() / 2 + 1)[None] for view in views],
    ["with down-sampling", "without"],
    columns=2,
    size=150,
    caption="white matters most, black a ten-thousandth of that. Without down-sampling the network "
    "looks through a keyhole. (The grey haze is the normalising, which averages over all pixels.)",
    numbers=f"pooling widens the view: {wide[0] > 1.3 * wide[1]}; "
    f"weights {count[0]:,} with, {count[1]:,} without (equal blocks; the layers that enlarge have "
    "2x2 weights in place of 1x1)",
)

# %% [markdown]
# ## 10  A look inside
# Nobody told the network what its channels should mean. Each is a picture of its own; choose a
# level and look. At the top you will find edges, at the bottom a few bright pixels that say "here".

# %%
names = [f"{way} {i}" for way, levels in (("down", range(5)), ("up", (3, 2, 1, 0))) for i in levels]
with torch.no_grad():
    inside = dict(zip(names, trained.levels(easier[0][:32]), strict=True))


def channels_of(scene, level):
    x = inside[level][scene]  # (c, h, w)
    x = x / x.amax(dim=(1, 2), keepdim=True).clamp(min=1e-6)  # each channel from 0 to 1
    brightest = x.mean(dim=(1, 2)).argsort(descending=True)[:11]
    shown = [easier[0][scene], *(x[brightest] * 2 - 1)[:, None]]
    titles = ["picture", *(f"channel {i}" for i in brightest.tolist())]
    numbers = f"{len(x)} channels of {x.shape[2]} x {x.shape[1]} at this level"
    return pictures_figure(shown, titles, columns=6, size=84), numbers


# %%
explore(
    channels_of,
    caption="the picture, and the channels of one level that are brightest. Some answer to the "
    "fish, some to everything but the fish.",
    scene=slider(0, 31, 4),
    level=choice(names, "up 1"),
)

# %% [markdown]
# Is that only our imagination? We measure it. For every channel of the first level and of three
# levels further in, over 32 pictures: how well does it go (correlate) with the true mask, and with
# plain brightness?

# %%
channels = torch.cat(
    [F.interpolate(inside[k], size=64) for k in ("down 0", "down 2", "up 2", "up 1")], dim=1
)
bright = easier[0][:32].mean(dim=1, keepdim=True)


def standard(x):
    """Mean 0 and variance 1 for each channel, over all pictures and places."""
    x = x.transpose(0, 1).flatten(1)
    return (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-6)


truths = torch.cat([standard(easier[1][:32]), standard(bright)])
goes_with = standard(channels) @ truths.T / bright.numel()  # (channels, 2): correlations

# %%
chosen = [*goes_with.argmax(0).tolist(), *goes_with.argmin(0).tolist()]
rows = []
for scene in (4, 12):
    maps = channels[scene, chosen]
    maps = maps / maps.amax(dim=(1, 2), keepdim=True).clamp(min=1e-6)
    rows += [easier[0][scene], *(maps * 2 - 1)[:, None]]
of_mask, of_brightness = goes_with.abs().amax(0).tolist()

# %%
show_pictures(
    rows,
    ["picture", "the fish", "most like brightness", "the rest", "most like darkness", *[""] * 5],
    columns=5,
    size=110,
    caption="four channels found so. One for the fish and one for all the rest live in the middle. "
    "None is a picture of brightness: the two nearest to it draw edges.",
    numbers=f"the strongest correlation with the mask is above 0.5: {of_mask > 0.5}; with brightness "
    f"below 0.3: {of_brightness < 0.3}",
)

# %% [markdown]
# ## 11  Play
# Choose a background, let a fish that was never trained on swim about, and watch the mask. Where
# does the network lose the fish? What if the fish is half out of the picture, or small?


# %%
def swim(kind, background, across, down, size):
    picture, mask = fish.scene(kind, background, x=float(across), y=float(down), share=size / 100)
    with torch.no_grad():
        said = trained(picture)
    shown = [picture[0], as_picture(mask)[0], as_picture(said.sigmoid())[0]]
    figure = pictures_figure(shown, ["picture", "true mask", "the network"], size=200)
    return figure, f"IoU above 0.5: {iou(said > 0, mask).item() > 0.5}"


# %%
explore(
    swim,
    caption="a fish that was never trained on, its true mask, and the mask that the network draws.",
    kind=choice(fish.kinds("test"), "f02"),
    background=choice(fish.places("test"), "reef"),
    across=slider(0, 64, 34),
    down=slider(0, 64, 30),
    size=slider(30, 100, 80),
)

# %% [markdown]
# ## 12  The sea itself
# All our fish were pasted. Here are photographs of fish that nobody ever cut out: no cut edges, no
# masks, so **no score**; you have to judge by eye. These pictures are also wider than high. The
# network does not mind, for a convolution slides over any size. (Four poolings ask for sides that
# can be divided by 16.)

# %%
real = fish.photographs()[[0, 3, 9, 14, 20, 27]]
with torch.no_grad():
    said = trained(real).sigmoid()
shown = (real + 1) * (0.15 + 0.85 * said) - 1  # what is not called fish goes dark
show_pictures(
    torch.stack([real, shown], dim=1).flatten(0, 1),
    columns=4,
    size=100,
    caption="each photograph, and beside it what the network leaves lit as fish. Some are found "
    "well; others fall to pieces: the network has never seen a fish that was not pasted.",
    numbers=f"{len(real)} photographs of {real.shape[3]} x {real.shape[2]}, no score",
)

# %% [markdown]
# Where it fails, ask why before you blame the network: no shadow and no fish half hidden in murky
# water was ever in its training. **What it was shown is what it knows.** Keep that in mind when, in lesson 12, we ask what a model that draws pictures was shown.

# %% [markdown]
# ## Check yourself
#
# {fold 1. Why is the share of right pixels a poor score for masks?}
# Most pixels are background, and saying "background" everywhere gets them right. IoU looks only at
# pixels that are fish in the prediction or in the truth.
# {end}
# {fold 2. What does down-sampling give, and what does it cost?}
# A wider field of view for no more weights. It costs the exact places.
# {end}
# {fold 3. What brings the places back?}
# The skip connections: channels of the same size from the way down, laid beside those from below.
# {end}

# %% [markdown]
# {fold 4. Why not train with IoU itself as the loss?}
# It counts yes and no, so a small change of a weight changes nothing: there is no slope to follow.
# {end}
# {fold 5. Why were hens and lemons pasted into the pictures?}
# So that "it has a cut edge" does not tell fish from the rest. And some of them are kept for the
# test, as some of the fish and backgrounds are.
# {end}

# %% [markdown]
# ## Recap
#
# 1. Segmentation answers for every pixel; IoU measures such an answer fairly.
# 2. On the way down a UNet sees more and more, at no cost in weights, and forgets where.
# 3. On the way up, skip connections hand across what knew where: concatenated, not added.
# 4. Soft Dice is a score with a slope, so a network can be trained on it.
# 5. A longer run on fresh scenes found unknown fish better. Fish, other things and backgrounds that
#    were kept apart made the test honest.

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# The UNet is the box in the middle. Stable Diffusion's UNet has the same U and the same skips. Its
# blocks also add, like ResNet's, and are told how noisy the input is (lesson 04). It listens to
# words (lesson 11). And it does not answer "fish or not" for every pixel, but with a number that we
# meet next: how much of this pixel is **noise**.

# %% [markdown]
# ## Further reading
#
# - Ronneberger, Fischer, Brox 2015, *U-Net: Convolutional Networks for Biomedical
#   Image Segmentation*
# - He et al. 2016, *Deep Residual Learning for Image Recognition*: the other kind of skip
# - Milletari, Navab, Ahmadi 2016, *V-Net*: the soft Dice loss
# - Geirhos et al. 2020, *Shortcut Learning in Deep Neural Networks*: cut edges and their like
