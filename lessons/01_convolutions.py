# title: Convolutions
# box: convolutions
# read: 40
# run: 20
# build: a convolution by hand, from one output pixel to many channels.
# before: some Python; [lesson 00](00_start_here.ipynb) says how exercises work.
# gpu: no

# %%
import time

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import masks_to_boxes
from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

from course_lib.convolution import KERNELS, pixels_seen
from course_lib.datasets import photographs
from course_lib.display.plots import (
    PALETTE,
    new_figure,
    pictures_figure,
    show_curves,
    show_figure,
    show_heatmap,
    show_pictures,
)
from course_lib.display.widgets import choice, explore, kernel_editor

# %% [markdown]
# ## 1  What can one ask about a picture?
#
# A picture is a box of numbers: channels, rows, columns, here from -1 (black) to 1 (white).
# Computer vision asks five questions about it, each asking for more than the one before:
#
# 1. **classification**: what is it?
# 2. **localisation**: where is it? The answer is a box.
# 3. **detection**: where is each thing?
# 4. **semantic segmentation**: of what kind is each pixel?
# 5. **instance segmentation**: to which thing does each pixel belong?
#
# **Guess:** how many numbers does an answer to the last one have?

# %%
coffee = photographs.load("coffee")  # (3, h, w)
h, w = coffee.shape[1:]
show_pictures(
    [coffee],
    size=240,
    caption="a cup, a saucer and a spoon. To a computer: three grids of numbers.",
)
print("one number a pixel and channel:", coffee.numel())

# %% [markdown]
# Somebody has to say where the things are. Here a few ellipses do it: **one mask**, a grid of
# whole numbers, 0 for the table, 1 for the saucer, 2 for the cup, 3 for the spoon.

# %%
y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")


def ellipse(column, row, width, height):
    return ((x - column) / width) ** 2 + ((y - row) / height) ** 2 < 1


saucer = ellipse(178, 142, 128, 106)
cup = ellipse(186, 72, 76, 62) | ellipse(183, 115, 68, 66) | ellipse(141, 170, 16, 26)
handle = ((x - 244 + (y - 150) * 0.21).abs() < 6) & (y > 46) & (y < 155)
spoon = ellipse(234, 180, 26, 28) | (handle & ~cup)
mask = torch.where(spoon, 3, torch.where(cup, 2, torch.where(saucer, 1, 0)))

# %% [markdown]
# From that one mask follow all the answers but the first, which is a word. The boxes are drawn
# with torchvision.

# %%
things = torch.stack([mask == i for i in (1, 2, 3)])  # (3, h, w), one plane a thing
pixels = ((coffee + 1) * 127.5).byte()
colours = [style.colour for style in (PALETTE[4], PALETTE[2], PALETTE[1])]
boxes = masks_to_boxes(things)
located = draw_bounding_boxes(pixels, boxes[1:2], colors=colours[1:2], width=4)
detected = draw_bounding_boxes(pixels, boxes, colors=colours, width=4)
kinds = torch.stack([things[:2].any(0), things[2]])  # crockery, cutlery
semantic = draw_segmentation_masks(pixels, kinds, alpha=0.7, colors=colours[1:])
instances = draw_segmentation_masks(pixels, things, alpha=0.7, colors=colours)

# %%
five = [pixels, located, detected, semantic, instances]
show_pictures(
    [picture.float() / 127.5 - 1 for picture in five],
    [
        "1 classification: coffee",
        "2 localisation: the cup",
        "3 detection: saucer, cup, spoon",
        "4 semantic: a kind for each pixel",
        "5 instance: a thing for each pixel",
    ],
    columns=3,
    size=200,
    caption="a word, a box, three boxes, then a number for each pixel. Cup and saucer: one kind "
    "(4), two things (5).",
    numbers=f"answers of 1, 4, {boxes.numel()}, {mask.numel()}, {mask.numel()} numbers",
)

# %% [markdown]
# The last two give **one answer for every pixel**: from a picture to a picture. That is what Stable
# Diffusion needs as well, for its network looks at a noisy picture and answers with the noise,
# pixel by pixel.
#
# ## 2  How many weights from picture to picture?
#
# The plainest layer joins every input pixel to every output pixel, each pair with a weight of its
# own. It is called **fully connected**. **Guess** how many weights it has, from a grey picture of
# 100 x 100 to another one.

# %%
with torch.device("meta"):  # shapes only, no memory
    full = nn.Linear(100 * 100, 100 * 100, bias=False)
    small = nn.Conv2d(1, 1, kernel_size=5, bias=False)
print("fully connected:", f"{full.weight.numel():,}", "weights")
print("a 5x5 kernel:   ", f"{small.weight.numel():,}", "weights")

# %% [markdown]
# A **kernel** is a small table of weights that is slid over the picture. The same 25 numbers serve
# every place. Does that save time as well? We let both run.


# %%
def seconds(layer, picture, repeats=5):
    """The quickest of some tries: other programs can only make it slower."""
    tries = []
    for _ in range(repeats):
        start = time.perf_counter()
        layer(picture)
        tries.append(time.perf_counter() - start)
    return min(tries)


grey = torch.rand(1, 1, 100, 100)
weights = torch.full((10_000, 10_000), 0.01)  # 400 MB
took = [
    seconds(lambda p, w=weights: w @ p.flatten(), grey),
    seconds(lambda p: F.conv2d(p, torch.ones(1, 1, 5, 5), padding=2), grey),
]
del weights

# %%
fig, (ax,) = new_figure(height=150)
for i, (name, value) in enumerate(zip(["fully connected", "5x5 kernel"], took, strict=True)):
    ax.barh([name], [value * 1000], color=PALETTE[i].colour, hatch=PALETTE[i].hatch, edgecolor="w")
ax.set(xscale="log", xlabel="milliseconds for one picture (logarithmic)")
show_figure(
    fig,
    caption="how long each took on this computer, just now: the kernel's bar is far shorter.",
    numbers=f"the kernel is at least 5 times as fast: {took[0] > 5 * took[1]}",
)

# %% [markdown]
# ## 3  What does a kernel do at one place?
#
# It is laid on a patch of the picture. Each number below it is multiplied by the weight above it,
# and all are added up: **one output pixel**. Here is a patch of a photograph in which a bright
# tripod stands before a dark sleeve, and a kernel.

# %%
camera = F.interpolate(photographs.load("camera")[None, :1], size=(128, 128), mode="area")[0, 0]
patch = camera[66:72, 69:77]
show_heatmap(
    patch,
    caption="48 pixels of a photograph as numbers, brown above 0 and violet below: a bright tripod "
    "(brown), a dark sleeve on its left (violet).",
    width=420,
)

# %%
show_heatmap(
    KERNELS["vertical edges"],
    decimals=0,
    width=260,
    caption="a kernel that subtracts the left side from the right: brown is plus, violet minus.",
)

# %% [markdown]
# Now you: `image` is (h, w) and `kernel` (kh, kw).


# %%
def output_pixel(image, kernel, row, column):
    """One number: the patch of `image` under `kernel`, weighted and added up."""
    # BEGIN SOLUTION
    kh, kw = kernel.shape
    return (image[row : row + kh, column : column + kw] * kernel).sum()
    # END SOLUTION


output_pixel = check("01.output_pixel", output_pixel)

# %%
for column in range(6):
    value = output_pixel(patch, KERNELS["vertical edges"], 0, column)
    print(f"kernel at column {column}: {float(value):5.1f}")

# %% [markdown]
# Where dark turns to bright the number is large, above 5. Where bright turns to dark it is below
# -5. *What if* the kernel were mirrored, top to bottom? Its numbers would stay the same, so nothing
# changes. Turned by a quarter it would look for horizontal edges.

# %% [markdown]
# ## 4  And at all places?
#
# Slide it: row by row, wherever the whole kernel fits. **Guess:** how many output rows come from 6
# rows and a kernel of 3?
#
# You may call your `output_pixel` in two loops, or be quicker: loop over the kernel's few numbers
# and add up shifted pictures.


# %%
def conv2d(image, kernel):
    """Slide `kernel` over `image` (h, w); no padding."""
    # BEGIN SOLUTION
    rows = image.shape[0] - kernel.shape[0] + 1
    columns = image.shape[1] - kernel.shape[1] + 1
    out = torch.zeros(rows, columns)
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            out = out + kernel[i, j] * image[i : i + rows, j : j + columns]
    return out
    # END SOLUTION


conv2d = check("01.conv2d", conv2d)

# %%
across = conv2d(camera, KERNELS["vertical edges"])
down = conv2d(camera, KERNELS["horizontal edges"])
show_pictures(
    [camera, across / 4, down / 4],
    ["the photograph", "vertical edges", "horizontal edges"],
    caption="grey is 0, no edge. The tripod's legs show in the middle, the horizon on the right.",
    size=160,
)

# %% [markdown]
# {fold In symbols}
# $$y_{r,c} = \sum_{i}\sum_{j} k_{i,j}\; x_{r+i,\,c+j}$$
#
# Mathematicians turn the kernel by half a turn first ($x_{r-i,\,c-j}$). They call ours
# *cross-correlation*. For learned kernels it makes no difference, so nearly every deep-learning
# library leaves the turning out. The next cell compares ours with PyTorch's.
# {end}

# %%
theirs = F.conv2d(camera[None, None], KERNELS["sharpen"][None, None])[0, 0]
ours = conv2d(camera, KERNELS["sharpen"])
print("the same as PyTorch's, to 5 decimals:", torch.allclose(theirs, ours, atol=1e-5))

# %% [markdown]
# ### Play: nine numbers
#
# Where this notebook is live you can type your own kernel below the figure, or fill in a famous
# one. **Guess first:** what must the nine numbers add up to, so that the picture keeps its
# brightness?


# %%
def with_kernel(photograph, kernel):
    image = photographs.load(photograph)[0, ::2, ::2]
    out = conv2d(image, kernel)
    shown = pictures_figure([image, out], [photograph, "after the kernel"], size=170)
    return shown, f"the nine numbers add up to {float(kernel.sum()):.1f}"


explore(
    with_kernel,
    caption="left a photograph, right the same one sharpened: edges stand out, flat parts stay.",
    photograph=choice(["chelsea", "brick", "rocket", "china"]),
    kernel=kernel_editor(KERNELS["sharpen"], KERNELS),
)

# %%
blurred = conv2d(camera, KERNELS["blur"])
outline = conv2d(camera, KERNELS["outline"])
show_pictures(
    [blurred, conv2d(camera, KERNELS["sharpen"]), outline / 2],
    ["blur: adds up to 1", "sharpen: adds up to 1", "outline: adds up to 0"],
    caption="kernels that add up to 1 keep the brightness; adding up to 0 leaves only edges.",
    size=150,
)

# %% [markdown]
# ## 5  Why did the picture shrink?
#
# A kernel of 3 loses a pixel on every side: 6 rows become 4. **Padding** puts a frame of zeros
# around the picture first. **Stride** 2 moves the kernel two pixels at a time and halves the
# output: the cheap way to make pictures smaller. **Think first:** how far can the kernel move in
# all?


# %%
def output_size(size, kernel, stride, padding):
    """How many pixels come out along one side."""
    # BEGIN SOLUTION
    return (size + 2 * padding - kernel) // stride + 1
    # END SOLUTION


output_size = check("01.output_size", output_size)

# %%
kernel = KERNELS["blur"][None, None]
tries = {
    "plain": (1, 0),
    "padding 1": (1, 1),
    "stride 2, padding 1": (2, 1),
    "stride 4, padding 1": (4, 1),
}
made = [F.conv2d(camera[None, None], kernel, stride=s, padding=p)[0] for s, p in tries.values()]
said = [output_size(128, 3, s, p) for s, p in tries.values()]
show_pictures(
    made,
    [f"{name}: {n} x {n}" for name, n in zip(tries, said, strict=True)],
    caption="without padding a pixel is lost on every side; padding keeps the size and leaves a "
    "faint frame; stride makes the picture smaller.",
    size=160,
    numbers=f"sizes by your formula {said}, by PyTorch {[m.shape[-1] for m in made]}",
)

# %% [markdown]
# ## 6  And in colour?
#
# A colour picture has three channels, so a kernel is three deep: one 3x3 table for each channel.
# The three results are **added**, which makes one output channel. For many output channels take
# many such kernels.
#
# Now you: `x` is (c_in, h, w), and `weight` is (c_out, c_in, kh, kw). Use your `conv2d`.


# %%
def conv2d_channels(x, weight):
    """Output channel o is the sum over i of conv2d(x[i], weight[o, i])."""
    # BEGIN SOLUTION
    out = [sum(conv2d(x[i], weight[o, i]) for i in range(len(x))) for o in range(len(weight))]
    return torch.stack(out)
    # END SOLUTION


conv2d_channels = check("01.conv2d_channels", conv2d_channels)

# %%
spot = torch.zeros(3, 3, 1, 1)
spot[0, :, 0, 0] = torch.tensor([1.0, -0.5, -0.5])  # red, and neither green nor blue
spot[1, :, 0, 0] = torch.tensor([-0.5, 1.0, -0.5])
spot[2, :, 0, 0] = torch.tensor([-0.5, -0.5, 1.0])
found = conv2d_channels(F.avg_pool2d(coffee, 2), spot)
show_pictures(
    [F.avg_pool2d(coffee, 2), *found],
    ["the photograph", "how red", "how green", "how blue"],
    caption="three kernels of 1x1 pixel, three deep. Saucer and table are red; the white cup is none of the three.",
    size=140,
)

# %% [markdown]
# In later layers the channels no longer mean colours. The first UNet, of 2015, has a layer that
# goes from 64 channels to 128. **Guess** how many kernels it has, and how deep they are.

# %%
layer = nn.Conv2d(64, 128, kernel_size=3)
kernels, depth, height, width = layer.weight.shape
print(f"{kernels} kernels, each {depth} deep, {height} x {width}: {layer.weight.numel():,} weights")

# %% [markdown]
# ## 7  Who chooses the numbers?
#
# Nobody. We give the machine a picture and the edges we want from it, nothing else, and start from
# nine random numbers. **Guess:** how close can gradient descent come to the kernel we never showed
# it?

# %%
image = camera[None, None]
wanted = F.conv2d(image, KERNELS["vertical edges"][None, None])
torch.manual_seed(0)
learned = torch.randn(1, 1, 3, 3, requires_grad=True)
optimizer = torch.optim.Adam([learned], lr=0.3)
losses, history = [], [learned.detach().clone()]

# %%
for step in range(300):
    loss = F.mse_loss(F.conv2d(image, learned), wanted)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step + 1 in (10, 50, 300):
        history.append(learned.detach().clone())

# %%
off = (learned.detach() - KERNELS["vertical edges"]).abs().max().item()
show_pictures(
    [*(k[0] / 2 for k in history), KERNELS["vertical edges"][None] / 2],
    ["at the start", "10 steps", "50 steps", "300 steps", "never shown"],
    caption="random greys turn into the edge kernel: dark on the left, bright on the right.",
    size=120,
    numbers=f"every number within 0.05 of the kernel it never saw: {off < 0.05}",
)

# %%
show_curves(
    {"loss": losses},
    x_label="step",
    y_label="mean squared error",
    log_y=True,
    caption="the error falls steadily. Such a loop is all training is, in every later lesson.",
)

# %% [markdown]
# ## 8  How far can one pixel see?
#
# One output pixel of a 3x3 kernel sees 3 x 3 input pixels. A pixel of a second layer sees 3 x 3
# pixels of the first, and so everything that those see. This is its **field of view**, or
# *receptive field*.
#
# We ask the network itself: which input pixels change the middle output pixel? **Guess** for three
# layers, and for three layers with stride 2.

# %%
torch.manual_seed(0)


def stack_of(strides):
    return nn.Sequential(*(nn.Conv2d(1, 1, kernel_size=3, stride=s) for s in strides))


plans = {"one layer": [1], "three layers": [1, 1, 1], "three, stride 2": [2, 2, 2]}
seen = [pixels_seen(stack_of(strides), 33, 33) for strides in plans.values()]
widths = [int(mask.any(dim=0).sum()) for mask in seen]

# %%
show_pictures(
    [s[None] for s in seen],
    [f"{name}: {n} wide" for name, n in zip(plans, widths, strict=True)],
    caption="white: input pixels that change one output pixel. Stride widens the view at no cost in weights.",
    size=200,
    numbers=f"widths {widths} of 33; weights {[9 * len(p) for p in plans.values()]}",
)

# %% [markdown]
# Now find the formula for what you have just seen. `kernels` and `strides` are lists, one number a
# layer, the first layer first.


# %%
def receptive_field(kernels, strides):
    """How many input pixels, along one side, one output pixel sees."""
    # BEGIN SOLUTION
    seen, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        seen += (kernel - 1) * step
        step *= stride
    return seen
    # END SOLUTION


receptive_field = check("01.receptive_field", receptive_field)

# %%
depths = list(range(1, 9))
show_curves(
    {
        "stride 1": (depths, [receptive_field([3] * d, [1] * d) for d in depths]),
        "stride 2": (depths, [receptive_field([3] * d, [2] * d) for d in depths]),
    },
    x_label="layers of 3x3",
    y_label="pixels seen",
    log_y=True,
    caption="without stride the view grows by 2 a layer; with stride 2 it about doubles.",
    numbers=f"8 layers see {receptive_field([3] * 8, [1] * 8)} pixels without stride, "
    f"{receptive_field([3] * 8, [2] * 8)} with",
)

# %% [markdown]
# ## 9  Break it on purpose: shuffle the pixels
#
# A kernel believes that **neighbours belong together**. We take that away: every patch of three
# photographed textures has its pixels shuffled, always in the same order, so no information is
# lost. Two networks must tell brick, grass and gravel apart. **Guess** which one suffers.


# %%
def patches(columns, n, generator, size=16):
    """n patches each of brick, grass and gravel, from these columns; and which is which."""
    found = []
    for name in ("brick", "grass", "gravel"):
        texture = photographs.load(name)[0]
        texture = (texture - texture.mean()) / texture.std()
        rows = torch.randint(0, texture.shape[0] - size, (n,), generator=generator)
        starts = torch.randint(columns[0], columns[1] - size, (n,), generator=generator)
        found += [texture[r : r + size, c : c + size] for r, c in zip(rows, starts, strict=True)]
    return torch.stack(found)[:, None], torch.arange(3).repeat_interleave(n)


g = torch.Generator().manual_seed(0)
train_x, train_y = patches((0, 250), 1000, g)
test_x, test_y = patches((260, 384), 300, g)  # the right part of each photograph, never trained on

# %%
order = torch.randperm(256, generator=g)


def shuffled(x):
    return x.flatten(2)[:, :, order].unflatten(2, (16, 16))


examples = test_x[[9, 308, 602]]
show_pictures(
    torch.cat([examples, shuffled(examples)]) / 3,
    ["brick", "grass", "gravel", "shuffled", "shuffled", "shuffled"],
    columns=6,
    caption="left three textures as they are, right the same pixels in another order.",
)


# %% [markdown]
# Between two layers stands a **ReLU**: negative numbers become 0. Without it two layers could do no
# more than one. At the end of the first network each channel is averaged over all places
# (`AdaptiveAvgPool2d`), and the last layer makes of these means one number for each texture.


# %%
def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 8, 5),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


def fully_connected():
    return nn.Sequential(nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 3))


for make in (convolutional, fully_connected):
    print(make.__name__, f"{sum(p.numel() for p in make().parameters()):,} weights")


# %%
def train_and_test(make, view):
    """Train on `view` of the patches for 400 steps; the share of unseen patches it gets right."""
    torch.manual_seed(0)
    network = make()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(400):
        batch = torch.randint(0, len(train_x), (64,))
        loss = F.cross_entropy(network(view(train_x[batch])), train_y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        right = network(view(test_x)).argmax(dim=1) == test_y
    return network, right.float().mean().item()


# %%
results = {}
for make in (convolutional, fully_connected):
    for view_name, view in (("in order", lambda x: x), ("shuffled", shuffled)):
        results[make.__name__, view_name] = train_and_test(make, view)
score = {key: right for key, (_, right) in results.items()}

# %%
table = torch.tensor(list(score.values())).reshape(2, 2)
lost = (table[:, 0] - table[:, 1]).tolist()
show_heatmap(
    table,
    y_labels=["convolutional", "fully connected"],
    x_labels=["in order", "shuffled"],
    decimals=2,
    caption="shares of right answers. Shuffling costs the convolution many of them, and the fully "
    "connected network next to none.",
    numbers=f"the convolution loses more than 0.12: {lost[0] > 0.12}; "
    f"fully connected changes by less than 0.07: {abs(lost[1]) < 0.07}",
)

# %% [markdown]
# In order, the convolution wins with less than a tenth of the weights, because its belief is true
# of pictures. To the fully connected layer a picture is a list, and any order is as good as
# another. What the convolution is given, it must learn from examples.
#
# ## 10  A look inside
#
# Which kernels did the network choose for itself?

# %%
network, _ = results["convolutional", "in order"]
first = network[0].weight.detach()  # (8, 1, 5, 5)
show_pictures(
    first / first.abs().amax(dim=(1, 2, 3), keepdim=True),
    [f"kernel {i}" for i in range(8)],
    caption="nobody asked for them, but some are edge detectors: dark beside bright.",
)

# %%
with torch.no_grad():
    answers = F.relu(network[0](examples))  # (3, 8, 12, 12)
show_pictures(
    (answers / answers.amax() * 4 - 1).flatten(0, 1)[:, None],
    [f"kernel {i}" for i in range(8)] + [""] * 16,
    caption="the kernels' answers to brick (top), grass (middle) and gravel: some kernels answer to "
    "one texture more than to another.",
)

# %% [markdown]
# ## Check yourself
#
# {fold 1. Why does a kernel need so few weights?}
# The same small table is used at every place, and it looks at a small patch only.
# {end}
# {fold 2. What do nine numbers that add up to 0 make of a flat grey wall?}
# 0 everywhere: they answer to changes only.
# {end}
# {fold 3. A picture of 64, a kernel of 3, stride 2, padding 1: how large is the output?}
# (64 + 2 - 3) // 2 + 1 = 32.
# {end}

# %% [markdown]
# {fold 4. What does it mean that a kernel is 64 deep?}
# It has a table for each of 64 input channels, and adds their results up into one output channel.
# {end}
# {fold 5. What are two ways to let a pixel see further?}
# More layers (or larger kernels), which costs weights; or stride, which costs none but makes the
# output smaller.
# {end}

# %%
print("question 3:", output_size(64, 3, 2, 1))

# %% [markdown]
# ## Recap
#
# 1. A convolution slides one small kernel over a picture; an output pixel is a weighted sum.
# 2. Its weights are few, for all places share them, and it trusts that neighbours belong together.
# 3. Padding keeps the size; stride 2 halves it.
# 4. A kernel is as deep as the input has channels; each output channel has its own.
# 5. Kernels are learned by gradient descent, and stride widens the view at no cost in weights.

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# The UNet, the encoder and the decoder are mostly 3x3 convolutions, with stride 2 on the way
# down. What is still missing is the way back up to full size without losing where things are:
# [lesson 02](02_unet_segmentation.ipynb).

# %% [markdown]
# ## Further reading
#
# - Dumoulin and Visin 2016, *A guide to convolution arithmetic for deep learning*
# - LeCun et al. 1998, *Gradient-based learning applied to document recognition*
# - Araujo, Norris and Sim 2019, *Computing receptive fields of convolutional neural networks*
