# title: Start here
# box: all
# read: 20
# run: 20
# build: nothing yet: you see what you will have built, and check your first exercise.
# before: some Python. Mathematics stays in boxes that open on a click.
# gpu: no

# %%
import torch
import torch.nn.functional as F

from course_lib.commands import doctor
from course_lib.datasets import emoji, photographs
from course_lib.datasets.prompt_vocabulary import about_unknown
from course_lib.display.plots import pictures_figure, show_curves, show_pictures
from course_lib.display.widgets import choice, explore, slider, text
from course_lib.files.pretrained import load_pretrained
from course_lib.metrics.benchmark import default_settings

# %% [markdown]
# ## 1  The result first
#
# This is what you will have built at the end: a sentence goes in, a picture comes out. The picture
# begins as noise and takes shape in twenty steps. The model is the course's own, trained on a
# processor without a GPU, and all of it is on this computer.

# %%
model, settings = load_pretrained(), default_settings()


def appear(words, style, seed):
    """Every second step of a drawing, from noise to picture."""
    prompt = emoji.caption(words, style)
    steps = model.denoise(
        [prompt],
        [seed],
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale,
    )
    frames = [model.noise([seed]), *(step.x for step in steps)][::2]
    titles = ["noise", *(f"step {2 * i}" for i in range(1, len(frames)))]
    figure = pictures_figure(model.decode(torch.cat(frames)), titles, columns=6, size=110)
    return figure, about_unknown(words) or "all words are known from training"


# %% [markdown]
# Where this notebook is live, type and choose below the figure. The **seed** is a number that picks
# the noise to begin with. The same words and the same seed give the same picture.

# %%
explore(
    appear,
    caption="a picture comes out of noise: every second of twenty steps.",
    words=text("woman astronaut: medium skin tone"),
    style=choice(emoji.STYLES),
    seed=slider(0, 99, 3),
)

# %% [markdown]
# The model knows emoji and nothing else. Try *man pilot: dark skin tone*, *red apple* or *mage*;
# then two things that were never drawn together. The rest of the course is about how it does that.

# %% [markdown]
# ## 2  The map
#
# The diagram at the top is the whole of Stable Diffusion. Each lesson builds one part of it by hand,
# and shows that box lit in the same drawing. Later lessons take the finished part from a small
# tested package. In the last lesson the boxes are wired together and draw a picture from a sentence,
# on this computer.

# %% [markdown]
# | lesson | what you build | hours |
# |---|---|---|
# | 01 convolutions | the brick of every network for pictures | 1½ |
# | 02 unet_segmentation | a network from picture to picture | 2 |
# | 03 denoising | a network that finds noise | 1½ |
# | 04 positional_encoding | telling a network how noisy | 1 |
# | 05 diffusion | from noise to a picture in small steps | 2½ |
# | 06 autoencoders | big pictures as few numbers | 2 |
# | 07 latent_diffusion | diffusion on those few numbers | 1½ |
# | 08 word2vec | words as numbers | 2 |
# | 09 self_attention | words that look at each other | 2 |
# | 10 clip | pictures and captions in one space | 2 |
# | 11 cross_attention | a picture that listens to words | 2 |
# | 12 stable_diffusion | everything wired | 2½ |
#
# The hours are our estimate, exercises included.

# %% [markdown]
# ## 3  How a lesson works
#
# A text asks a question. **Guess before you run the next cell**: a wrong guess teaches most. Shift +
# Enter runs a cell; run them from top to bottom. Below each figure stands what to see in it.

# %%
cat = photographs.load("chelsea")  # colours, rows, columns
show_pictures(
    [cat],
    size=240,
    caption="Chelsea, a cat: a photograph that is in the course's own data folder.",
)

# %% [markdown]
# ## 4  How exercises work
#
# An exercise is a function with `raise NotImplementedError("your turn")` in it. Put your lines
# there instead and run the cell. `check` then says whether your function is right and, if not, what
# seems to be wrong. Nothing ever stops you: until yours is right, the lesson goes on with the
# course's own function.
#
# In this course pictures go from -1 (black) to 1 (white).


# %%
def negative(picture):
    """The photographic negative of a picture in [-1, 1]."""
    # BEGIN SOLUTION
    return -picture
    # END SOLUTION


negative = check("00.negative", negative)

# %%
show_pictures(
    [cat, negative(cat)],
    ["the photograph", "your negative"],
    size=200,
    caption="what was bright is dark, and each colour has turned into its opposite.",
)

# %% [markdown]
# *What if* you write `1 - picture`? Try it: `check` knows that mistake. Hints stand above each
# exercise, in boxes that open on a click. `progress()` in any notebook prints how far you are.

# %% [markdown]
# ## 5  PyTorch in a few cells
#
# If you know PyTorch, go on to section 6. A **tensor** is a box of numbers with a shape.

# %%
row = torch.tensor([1.0, 2.0, 3.0])
print(row, row.shape)

# %% [markdown]
# Arithmetic works on all numbers at once.

# %%
print(row * 10 + 1)

# %% [markdown]
# Pictures come in batches, with the shape (how many, colours, rows, columns). **Guess** the shape of
# two cats.

# %%
batch = torch.stack([cat, -cat])
print(batch.shape)

# %% [markdown]
# A slice cuts out a part, here the left half of the first picture. `[:, None]` adds an axis of
# size 1.

# %%
half = batch[0, :, :, : batch.shape[3] // 2]
print(half.shape, row[:, None].shape)

# %% [markdown]
# Shapes that differ are **broadcast**: they are lined up from the right, and axes of size 1 are
# repeated. Here three numbers, one a colour, meet a whole picture.

# %%
warmer = cat + torch.tensor([0.3, 0.0, -0.3])[:, None, None]
show_pictures([cat, warmer], size=160, caption="more red and less blue, everywhere at once.")

# %% [markdown]
# `dim` says along which axis to add up or average.

# %%
print("mean of each colour:", [round(v, 1) for v in cat.mean(dim=(1, 2)).tolist()])

# %% [markdown]
# Random numbers come from a seed. The same seed gives the same numbers.

# %%
a = torch.randn(3, generator=torch.Generator().manual_seed(7))
b = torch.randn(3, generator=torch.Generator().manual_seed(7))
print("equal:", torch.equal(a, b))

# %% [markdown]
# PyTorch follows what is computed, and gives the **gradient**: how the result would change with
# each input. For x² at 3 it is 6.

# %%
x = torch.tensor(3.0, requires_grad=True)
(x**2).backward()
print("gradient of x² at 3:", x.grad.item())

# %% [markdown]
# **Training** means to change the numbers of a model in small steps against the gradient, so that
# its error gets smaller. The error to make small is called the **loss**. Here a line has to find
# the slope 2 and the start 1 from noisy points.

# %%
torch.manual_seed(0)
points = torch.rand(100, 1)
wanted = 2 * points + 1 + 0.1 * torch.randn(100, 1)
line = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(line.parameters(), lr=0.5)

# %%
losses = []
for _ in range(200):
    loss = F.mse_loss(line(points), wanted)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

# %%
show_curves(
    {"loss": losses},
    x_label="step",
    y_label="mean squared error",
    log_y=True,
    caption="the error falls, then stays at what the noise leaves. Every lesson trains like this.",
    numbers=f"slope within 0.2 of 2: {abs(line.weight.item() - 2) < 0.2}; "
    f"start within 0.2 of 1: {abs(line.bias.item() - 1) < 0.2}",
)

# %% [markdown]
# ## 6  Which device?
#
# The setup cell picked one: an NVIDIA GPU (`cuda`) if there is one, else Apple's (`mps`), else the
# processor (`cpu`). Every lesson is made for the processor; the last two gain from a GPU.
# Exercises are always checked on the processor, so that everybody is asked the same.

# %%
print("a device was picked:", device.type in ("cuda", "mps", "cpu"))

# %% [markdown]
# ## 7  Is everything there?
#
# The course's doctor looks at the versions of all packages, the device, and each file of data and
# weights. Here it prints only what to mend, and how; `course doctor` in a terminal prints all.

# %%
found = list(doctor.findings())
print("\n".join(line for well, line in found if not well))
print("looked at 10 things or more:", len(found) >= 10)
print("nothing to mend:", all(well for well, _ in found))

# %% [markdown]
# ## Where to go
#
# To [lesson 01](01_convolutions.ipynb): what a convolution is, and why it needs 25 numbers where
# another layer needs a hundred million.
