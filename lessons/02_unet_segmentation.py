# title: UNet: a mask for every fish
# box: unet
# read: 45
# run: 45
# build: a UNet, piece by piece, and train it; a fair score for masks, and a loss.
# before: [lesson 01](01_convolutions.ipynb): convolutions, channels, field of view.
# gpu: no

# %%
import torch
import torch.nn.functional as F
from torch import nn

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
from course_lib.plain_unet import PlainUNet, WithoutSkips, normalised
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
    size=112,
    caption="above, pictures; below, their masks, white for fish. Not everything that is pasted in "
    "is a fish, and some fish have the colours of what is behind them.",
    numbers=f"{len(pictures)} pictures; {masks.mean():.0%} of all their pixels are fish",
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
# fish on an unknown background? (Section 8 measures it.)

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
print(f"no fish anywhere: {right:.0%} of the pixels right")
print(f"the picture that suits it best: {accuracy(nothing, masks).max():.0%} right")

# %% [markdown]
# Most of a picture is not fish, so saying nothing looks clever. A fairer measure looks at the fish
# only: the pixels that prediction and mask **share**, over the pixels that **either** of them has.
# It is called *intersection over union*, IoU: 1 for a perfect mask, 0 for one that misses.
#
# Write it for a batch: `predicted` holds True or False, `mask` zeros and ones, both (b, 1, h, w).


# %%
def iou(predicted, mask):
    """Intersection over union of each picture: one number per picture, (b,)."""
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
    "falls fast: a shift of two pixels already costs a fifth.",
    numbers=f"moved by 0, 2, 6, 12 pixels: {', '.join(f'{s:.2f}' for s in scores)}; "
    f"saying nothing: {iou(nothing[:1], masks[:1]).item():.0f}",
)

# %% [markdown]
# ## 4  Down: look wider
# To know that a pixel is fish one has to see the fish. A 3x3 kernel sees nine pixels. Larger
# kernels cost more weights. There is a trick that costs none: **make the picture smaller**. When
# height and width are halved, the same 3x3 kernel covers four times the area.

# %% [markdown]
# Between two such reductions stands a **conv block**: two 3x3 convolutions, each followed by a ReLU
# (negative numbers become 0). Before each convolution the numbers are **normalised**: shifted and
# scaled to mean 0 and variance 1, over the whole picture and eight channels at a time. This is
# called **GroupNorm**; it keeps the numbers at one size, so that training is quick.
#
# `conv1` and `conv2` are layers, which you call like functions. `normalised(x)` does the normalising.


# %%
def conv_block(x, conv1, conv2):
    """Twice: normalise, convolve, ReLU. x (b, c_in, h, w) becomes (b, c_out, h, w)."""
    # BEGIN SOLUTION
    x = F.relu(conv1(normalised(x)))
    return F.relu(conv2(normalised(x)))
    # END SOLUTION


conv_block = check("02.conv_block", conv_block)

# %% [markdown]
# To make the picture smaller we use **max pooling**: it keeps the largest of every 2x2 pixels. A
# step down is a pooling, then a block. Height and width halve, and the block makes more channels:
# less *where*, more *what*.


# %%
def step_down(x, block):
    """Pool x (b, c, h, w) to (b, c, h/2, w/2), then run `block` on it."""
    # BEGIN SOLUTION
    return block(F.max_pool2d(x, 2))
    # END SOLUTION


step_down = check("02.step_down", step_down)

# %% [markdown]
# A layer's weights live in an `nn.Module`. This one holds the two convolutions of a block and calls
# *your* function. **Guess** the shapes: the picture is (1, 3, 64, 64), the widths are 8, 24, 64, 96,
# 96, and there are four steps down. What comes out at the bottom?


# %%
class Block(nn.Module):
    """Two convolutions, run by conv_block."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(c_out, c_out, kernel_size=3, padding=1)

    def forward(self, x):
        return conv_block(x, self.conv1, self.conv2)


# %%
x, c_in = pictures[:1], 3
for level, c_out in enumerate(WIDTHS):
    block = Block(c_in, c_out)
    x, c_in = (step_down(x, block) if level else block(x)), c_out
    weights_of_block = sum(p.numel() for p in block.parameters())
    print(f"level {level}: {tuple(x.shape)!s:<17} from {weights_of_block:>7,} weights")

# %% [markdown]
# At the bottom there are 96 channels of 4x4: the size was halved four times, 64, 32, 16, 8, 4.

# %% [markdown]
# ## 5  Up: and where exactly was that?
# At the bottom one pixel stands for 16x16 pixels of the picture. It may know "fish", but not where
# the fin ends. The blocks further up, before the pooling, still had every pixel. So the UNet hands
# their channels **across**. This is a **skip connection**. A step up enlarges what comes from below
# and joins it, as channels, with what came across at the same size. Then a block mixes the two.
#
# `up` is a layer too: a **transposed convolution**, which makes 2x2 pixels of each one. Its weights
# are learned, so use it.


# %%
def step_up(below, skip, up, block):
    """below (b, 2c, h, w) enlarged by `up`, behind skip (b, c, 2h, 2w), then through `block`."""
    # BEGIN SOLUTION
    return block(torch.cat([skip, up(below)], dim=1))
    # END SOLUTION


step_up = check("02.step_up", step_up)

# %% [markdown]
# Now the whole way. The blocks of `encoder` lead down (the first one works at full size), those of
# `decoder` lead up, with one of `ups` before each. Keep what each encoder block makes, except for
# the bottom one. **Which skip does the first step up need: the first or the last?** At the end
# `to_mask`, a 1x1 convolution, makes one number per pixel.


# %%
def unet(x, encoder, ups, decoder, to_mask):
    """A picture (b, 3, h, w) through the whole UNet: one number per pixel, (b, 1, h, w)."""
    # BEGIN SOLUTION
    skips = []
    x = encoder[0](x)
    for block in encoder[1:]:
        skips.append(x)
        x = step_down(x, block)
    for up, block in zip(ups, decoder, strict=True):
        x = step_up(x, skips.pop(), up, block)
    return to_mask(x)
    # END SOLUTION


unet = check("02.unet", unet)

# %% [markdown]
# The last skip first: it has the size that the first step up arrives at. The next cell makes the
# layers and gives them to your function. On the way up each block gets twice as many channels as it
# gives: half came from below, half across.


# %%
class OwnUNet(nn.Module):
    """The layers of a UNet, run by your own functions."""

    def __init__(self, widths):
        super().__init__()
        ins, steps = [3, *widths[:-1]], list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.encoder = nn.ModuleList(Block(i, o) for i, o in zip(ins, widths, strict=True))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(i, o, 2, stride=2) for i, o in steps)
        self.decoder = nn.ModuleList(Block(2 * o, o) for _, o in steps)
        self.to_mask = nn.Conv2d(widths[0], 1, kernel_size=1)

    def forward(self, x):
        return unet(x, self.encoder, self.ups, self.decoder, self.to_mask)


# %% [markdown]
# `PlainUNet` in `course_lib/plain_unet.py` is the same network. Is yours? We give it the weights of
# a fresh network of yours and compare what the two answer.

# %%
torch.manual_seed(0)
own, packaged = OwnUNet(WIDTHS), PlainUNet(WIDTHS)
packaged.load_state_dict(own.state_dict())
with torch.no_grad():
    yours, theirs = own(pictures[:4]), packaged(pictures[:4])
print(f"{sum(p.numel() for p in own.parameters()):,} weights; mask {tuple(yours.shape)}")
print(f"largest difference of the two answers: {(yours - theirs).abs().max():.3f}")

# %%
shapes = [tuple(out.shape[1:]) for out in packaged.levels(pictures[:1])]
fig, (ax,) = new_figure(width=700, height=260)
for i, (c, h, w) in enumerate(shapes):
    ax.bar(i, h, width=c / 120, color=PALETTE[0].colour, edgecolor="black")
    ax.text(i, h + 1, f"{c} x {h} x {w}", ha="center", fontsize=9)
for i in range(4):  # a skip at each level, from the way down to the way up
    arrow = {"arrowstyle": "->", "color": PALETTE[1].colour, "lw": 2}
    y = shapes[i][1] * 0.75
    ax.annotate("", (7.6 - i, y), (i + 0.4, y), arrowprops=arrow)
ax.set(xticks=[0, 4, 8], xticklabels=["down", "bottom", "up"], ylabel="pixels high", ylim=(0, 74))
show_figure(
    fig,
    caption="the U: tall bars are large pictures, thick bars are many channels. The arrows are the "
    "skips: each leads to the block of the same size on the way up.",
    numbers=f"{shapes[0][1]} pixels at the top, {shapes[4][1]} at the bottom; {len(shapes)} blocks, "
    "4 skips",
)

# %% [markdown]
# Skips are sometimes called *residual connections*. The two are cousins: ResNet (2016) **adds** what
# went round a block to what came out of it; the UNet lays both **side by side**. Stable Diffusion
# has both kinds, so it is worth keeping the words apart.
#
# With the paper's numbers this network has 31 million weights. We need not make them to count them:
# on PyTorch's *meta* device a tensor has a shape and nothing in it. The last line says "128
# kernels, each 64 deep, 3 x 3 wide".

# %%
with torch.device("meta"):
    large = plain_unet.paper()
    outs = large.levels(torch.empty(1, 1, 512, 512))
for name, out in zip("down down down down bottom up up up up".split(), outs, strict=True):
    print(f"{name:<7}{out.shape[1]:>5} channels of {out.shape[2]:>3} x {out.shape[3]}")
kernel = tuple(large.encoder[1].conv1.weight.shape)
print(f"{sum(p.numel() for p in large.parameters()):,} weights; from 64 to 128 channels: {kernel}")

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
    numbers=f"soft Dice from {soft_dice_loss(guesses[0], truth):.2f} to "
    f"{soft_dice_loss(guesses[-1], truth):.2f} in small steps; 1 - IoU from 1 to 0 in one",
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
print("Dice of the four masks: ", ", ".join(f"{d:.2f}" for d in dice))
print("2 IoU / (1 + IoU):      ", ", ".join(f"{2 * s / (1 + s):.2f}" for s in scores))
print(f"largest difference, from the two ones added: {off:.3f}")

# %% [markdown]
# ## 7  Train it
# We give **your own UNet** five hundred pictures and half a minute. The loss is soft Dice plus the
# *cross-entropy* of every pixel, the usual loss for a question of yes or no. We stop on the way to
# look at one picture that is **not** among the five hundred. **Guess:** what comes first, the place
# or the outline?


# %%
def loss_of(chosen):
    logits = small(pictures[chosen])
    plain = F.binary_cross_entropy_with_logits(logits, masks[chosen])
    return plain + soft_dice_loss(logits, masks[chosen])


torch.manual_seed(0)
small = OwnUNet(WIDTHS)
batches = random_batches(500, 16, torch.Generator().manual_seed(0))
losses, raw = [], []
for steps in (5, 15, 30, 50, 50):
    losses += train(small.parameters(), batches, loss_of, steps=steps, lr=3e-3)
    raw.append(small(easier[0][4:5]).detach())

# %%
fig, axes = new_figure(2, 6, width=720, height=270)
axes[0].imshow(easier[0][4].permute(1, 2, 0) / 2 + 0.5)
axes[6].imshow(easier[1][4, 0], cmap="grey")
for i, out in enumerate(raw, start=1):
    axes[i].imshow(out[0, 0], cmap="RdBu_r", vmin=-6, vmax=6)
    axes[6 + i].imshow(out[0, 0].sigmoid(), cmap="grey", vmin=0, vmax=1)
for ax, title in zip(axes, ("picture", "5 steps", "20", "50", "100", "150 steps"), strict=False):
    ax.set_title(title, fontsize=10)
_ = [ax.axis("off") for ax in axes]
first, last = losses[0], sum(losses[-20:]) / 20
show_figure(
    fig,
    caption="above, the logits in false colours (red above 0, blue below); below, their sigmoid, "
    "beside the true mask. The place comes first: a cloud where something is. Then the outline.",
    numbers=f"the loss fell from about {first:.2f} to about {last:.2f}",
)


# %%
@torch.no_grad()
def measure(net, scenes):
    """The mean IoU of a network on scenes."""
    outs = torch.cat([net.eval()(batch) for batch in scenes[0].split(50)])
    return iou(outs > 0, scenes[1]).mean().item()


known = measure(small, (pictures[:200], masks[:200]))
unknown = measure(small, harder)
everything = iou(torch.ones_like(harder[1], dtype=torch.bool), harder[1]).mean().item()
print(f"your UNet's IoU on pictures that it was trained on: about {known:.2f}")
print(f"on unknown fish and backgrounds: about {unknown:.2f}")
print(f"for comparison, calling every pixel fish: {everything:.2f}")

# %% [markdown]
# ## 8  The same, for longer
# Half a minute shows that it works: five hundred pictures are enough to begin. To do it well takes
# two things: time, and **more to see**. The bundled weights come from a longer run, in which each
# step shows new scenes, so none can be learned by heart (`course train segmentation` repeats it).
# From here on we use `PlainUNet`, which you have seen to be the same as yours.

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
    caption="IoU on unknown fish. The long run, with new scenes, bent fish and more time, is better "
    "on both kinds of background.",
    numbers=f"short run: about {short[0]:.2f} on known backgrounds, about {short[1]:.2f} on unknown; "
    f"long run: {long[0]:.2f} and {long[1]:.2f}",
)

# %% [markdown]
# So the answer to section 2: after the long run the unknown background makes it a little harder, no
# more. And the gain is not from time alone: the long run also had new scenes and bent fish.

# %%
with torch.no_grad():
    found = trained(harder[0][:6])
show_pictures(
    torch.cat([harder[0][:6], as_picture(harder[1][:6]), as_picture(found.sigmoid())]),
    columns=6,
    size=100,
    caption="unknown fish on unknown backgrounds: picture, true mask, and what the network says. "
    "Look for what it takes for fish, and for fins that it misses.",
    numbers=f"IoU of the six: {', '.join(f'{s:.1f}' for s in iou(found > 0, harder[1][:6]))}",
)

# %% [markdown]
# ## 9  Break it on purpose
# We take the same network, trained for as many steps on the same scenes, but **nothing is handed
# across**: every skip is empty. Everything it knows has to pass through the 4x4 pixels of the bottom.
# **Guess** what goes first: finding the fish, or its outline?

# %%
blind = weights.load_into(WithoutSkips(WIDTHS), "segmentation_without_skips")


@torch.no_grad()
def border_iou(net, scenes):
    """IoU of the outlines alone: the pixels of each mask that touch its outside."""
    outs = torch.cat([net(batch) for batch in scenes[0].split(50)])
    thin = [m - (1 - F.max_pool2d(1 - m, 3, 1, 1)) for m in ((outs > 0).float(), scenes[1])]
    return iou(thin[0] > 0.5, thin[1]).mean().item()


rows = {
    name: [f(net, scenes) for f in (measure, border_iou) for scenes in (easier, harder)]
    for name, net in (("with skips", trained), ("without", blind))
}
print("               whole mask      outline only   (IoU on known, unknown backgrounds)")
for name, (a, b, c, d) in rows.items():
    print(f"{name:<12}   {a:.2f}   {b:.2f}     {c:.2f}   {d:.2f}")

# %%
with torch.no_grad():
    lost = blind(harder[0][:3])
fig, axes = new_figure(2, 3, width=660, height=470)
for i, ax in enumerate(axes):
    said = (found, lost)[i // 3][i % 3]
    ax.imshow(harder[0][i % 3].permute(1, 2, 0) / 2 + 0.5)
    ax.contour(harder[1][i % 3, 0], [0.5], colors=["white"], linewidths=2.5)
    ax.contour(said[0], [0], colors=[PALETTE[1].colour], linewidths=2)
    score = iou(said[None] > 0, harder[1][i % 3][None]).item()
    ax.set_title(f"{('with skips', 'without')[i // 3]}: IoU {score:.2f}", fontsize=10)
    ax.axis("off")
show_figure(
    fig,
    caption="white: the true outline; in colour: the network's, above with skips, below without. "
    "The network without skips finds the fish as well, but its outline keeps less closely to the true one.",
    numbers=f"the skips are worth {rows['with skips'][3] - rows['without'][3]:.2f} of IoU on outlines "
    f"and {rows['with skips'][1] - rows['without'][1]:.2f} on whole masks (unknown backgrounds)",
)

# %% [markdown]
# Finding the fish hardly suffers; its outline goes first.

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
    [(view > 0.01)[None] * 2.0 - 1 for view in views],
    ["with down-sampling", "without"],
    columns=2,
    size=180,
    caption="white: pixels that matter at least a hundredth as much as the most important one. With "
    "down-sampling the network sees a larger part of the picture.",
    numbers=f"the white part is about {wide[0]} pixels wide with down-sampling, about {wide[1]} "
    f"without; weights {count[0]:,} and {count[1]:,} (equal blocks; the layers that enlarge have "
    "2x2 weights, without down-sampling 1x1)",
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
    numbers=f"the strongest correlation with the mask is {of_mask:.1f}, with brightness "
    f"{of_brightness:.1f}",
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
    return figure, f"IoU {iou(said > 0, mask).item():.1f}"


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
real = fish.photographs()[[0, 3, 9, 14]]
with torch.no_grad():
    said = trained(real).sigmoid()
shown = (real + 1) * (0.15 + 0.85 * said) - 1  # what is not called fish goes dark
show_pictures(
    torch.stack([real, shown], dim=1).flatten(0, 1),
    columns=4,
    size=160,
    caption="each photograph, and beside it what the network leaves lit as fish. The network has "
    "never seen a fish that was not pasted.",
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
# 5. Your own UNet learned it in half a minute; a longer run on new scenes did better. Fish, other things and backgrounds that
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
