# title: Denoising
# box: denoising
# read: 35
# run: 40
# build: a training step, and with it a network that finds the noise in a picture.
# before: convolutions ([lesson 01](01_convolutions.ipynb)) and the UNet ([lesson 02](02_unet_segmentation.ipynb)).
# gpu: no

# %% [markdown]
# ## 1. Noise is a picture too
#
# Old films flicker with grain, and photographs taken at night are full of specks. That is noise: numbers that nobody
# chose, added to the picture. They have a height, a width and three channels like any picture.
#
# **Guess:** below stand a fish, some noise, and the two added. If somebody handed you the noise as well, could you get
# the fish back? A little, mostly, or exactly?

# %%
import torch
import torch.nn.functional as F

from course_lib.display.plots import show_curves, show_pictures
from course_lib.toys.denoising import small_scenes

test = small_scenes(64, seed=9, split="test")  # scenes that no training will see
fish = test[[13]]  # (1, 3, 32, 32)
g = torch.Generator().manual_seed(0)
noise = torch.randn(fish.shape, generator=g)
show_pictures(
    torch.cat([fish, 0.5 * noise, fish + 0.5 * noise]),
    ["the fish", "half a unit of noise", "the two added"],
    caption="a picture, noise of the same shape, and their sum: the fish is still there.",
)

# %%
back = (fish + 0.5 * noise) - 0.5 * noise
print(f"the largest difference from the fish: {(back - fish).abs().max():.4f}")

# %% [markdown]
# Exactly, but for rounding. So a machine that **finds the noise** is a machine that cleans pictures. Everything in this course that
# makes pictures rests on this: predict the noise, subtract it.
#
# We call the strength of the noise its **level**: the number it is multiplied with. Each picture of a batch gets a
# level of its own.


# %%
def noisy(pictures, noise, levels):
    """Add level * noise to each picture: pictures and noise (b, c, h, w), levels (b,)."""
    # BEGIN SOLUTION
    return pictures + levels[:, None, None, None] * noise
    # END SOLUTION


noisy = check("03.noisy", noisy)

# %% [markdown]
# **Guess:** from which level on can you no longer tell that it is a fish? Choose before you run the cell.

# %%
levels = torch.tensor([0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5])
many = noisy(fish.expand(8, -1, -1, -1), noise.expand(8, -1, -1, -1), levels)
show_pictures(
    many,
    [f"level {level:g}" for level in levels.tolist()],
    caption="one fish, one noise, eight levels. Which is the last in which you see the fish?",
    size=88,
)

# %% [markdown]
# A picture has values in [-1, 1]; noise keeps to no range. A guess of the noise is never perfect. So after subtracting
# it we bring the result back into the range.


# %%
def recovered(x, guess):
    """Subtract the guessed noise (b, c, h, w) from x; what is left goes back into [-1, 1]."""
    # BEGIN SOLUTION
    return (x - guess).clamp(-1, 1)
    # END SOLUTION


recovered = check("03.recovered", recovered)

# %%
g = torch.Generator().manual_seed(1)
other = torch.randn(fish.shape, generator=g)
x = fish + 0.7 * noise
guesses = [0.7 * noise, 0.5 * noise, 0 * noise, 0.7 * other]
show_pictures(
    [x[0], *(recovered(x, guess)[0] for guess in guesses)],
    ["noisy", "all of it off", "most of it off", "nothing off", "other noise off"],
    caption="subtracting the right noise gives the fish; subtracting another noise only adds to it.",
)

# %% [markdown]
# ## 2. How good is a guess?
#
# We need one number that is 0 for a perfect guess and grows with every pixel that is off. It will be the **loss**: what
# training makes small. It must be a tensor with a gradient, for training follows its slope. Too high by 0.3 should be as bad as too low by 0.3, so we square each difference.


# %%
def score(guess, noise):
    """One number, a tensor: the mean, over everything, of the squared difference."""
    # BEGIN SOLUTION
    return ((guess - noise) ** 2).mean()
    # END SOLUTION


score = check("03.score", score)

# %% [markdown]
# **Guess:** the noise has level 0.7. What is the score of a lazy guess, "there is no noise at all"? And of a guess of
# some other noise, just as strong?

# %%
true = 0.7 * torch.randn(64, 3, 32, 32, generator=g)
wrong = 0.7 * torch.randn(64, 3, 32, 32, generator=g)
print(f"the truth:          {score(true, true):.2f}")
print(f"no noise at all:    {score(0 * true, true):.2f}   (0.7 squared)")
print(f"some other noise:   {score(wrong, true):.2f}   (twice that)")

# %% [markdown]
# A guess of nothing scores the level squared, and a guess of other noise twice as much. To guess noise that is not there
# is worse than to guess none. Our network will start by guessing nothing, and must do better than that.

# %% [markdown]
# {fold In symbols}
# The noise picture is $n = \sigma z$ with $z \sim \mathcal{N}(0, 1)$ for each of its $N$ numbers. The loss of a guess
# $\hat n$ is $L = \mathbb{E}\,\lVert \hat n - n \rVert^2 / N$. For $\hat n = 0$ it is $\sigma^2$; for an independent
# $\hat n = \sigma z'$ it is $2 \sigma^2$. Since $x - \hat n$ is the guess of the picture, the picture is off by exactly as
# much as the noise.
# {end}

# %% [markdown]
# ## 3. Training on one picture
#
# The network is a small UNet, like that of lesson 02, with richer blocks: lesson 04 opens them. In goes a noisy picture,
# out comes a guess of the noise. It has one more input, a time, which we set to zero; lesson 04 is about that, too.

# %%
from course_lib.unet import tiny

torch.manual_seed(0)
unet = tiny()
print(f"{sum(p.numel() for p in unet.parameters()):,} numbers to learn")


def guess_noise(x):
    """The network's guess of the noise in x (b, 3, 32, 32)."""
    return unet(x, torch.zeros(len(x), dtype=torch.long))


# %% [markdown]
# One **training step**: make noisy pictures, let the network guess what was added, score the guess, and move every
# number of the network a little down the slope. The last part is three lines: `optimizer.zero_grad()` clears the old
# slopes, `loss.backward()` finds the new ones, `optimizer.step()` moves. What was added is `level * noise`.


# %%
def training_step(pictures, noise, levels, net, optimizer):
    """One step on pictures (b, c, h, w); net(x) guesses the noise. Returns the loss, a number."""
    # BEGIN SOLUTION
    x = noisy(pictures, noise, levels)
    loss = score(net(x), levels[:, None, None, None] * noise)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
    # END SOLUTION


training_step = check("03.training_step", training_step)

# %% [markdown]
# Now your step trains a network. **Guess:** we train on *one* fish, with new noise at every step. Afterwards we show it a
# noisy picture of something else. What will it make of it?


# %%
def train_on(pictures, steps, batch_size):
    """Run training_step `steps` times on random pictures; the loss of each step."""
    optimizer = torch.optim.AdamW(unet.parameters(), lr=2e-3)
    losses = []
    for _ in range(steps):
        batch = pictures[torch.randint(len(pictures), (batch_size,))]
        noise, levels = torch.randn(batch.shape), torch.rand(batch_size)  # levels from 0 to 1
        losses.append(training_step(batch, noise, levels, guess_noise, optimizer))
    return losses


losses = train_on(fish, steps=70, batch_size=8)


# %%
def smooth(values, width=10):
    """Means of `width` neighbours, because single steps jump about."""
    return F.avg_pool1d(torch.tensor(values)[None], width, stride=1)[0].tolist()


show_curves(
    {"loss": smooth(losses), "guessing nothing": [1 / 3] * (len(losses) - 9)},
    x_label="step",
    y_label="mean squared error",
    caption="means of ten steps, beside what guessing nothing costs on average: 1/3, the mean of "
    "level squared. The network soon does better.",
    numbers=f"first ten steps: about {sum(losses[:10]) / 10:.2f}; last ten: about {sum(losses[-10:]) / 10:.2f}",
)


# %%
def clean(x):
    """Guess the noise and take it off, without keeping track of gradients."""
    with torch.no_grad():
        return recovered(x, guess_noise(x))


stranger = test[[21]]
both = torch.cat([fish, stranger])
x = both + 0.6 * torch.randn(both.shape, generator=torch.Generator().manual_seed(2))
y = clean(x)
known, strange = score(y[0], fish[0]), score(y[1], stranger[0])
show_pictures(
    [fish[0], x[0], y[0], stranger[0], x[1], y[1]],
    ["its fish", "noisy", "cleaned", "a stranger", "noisy", "cleaned"],
    caption="it cleans the one picture it knows, and has no idea of another.",
    numbers=f"error left: its own fish about {known:.3f}, the stranger about {strange:.3f}; both came "
    "with 0.36",
)

# %% [markdown]
# It has learned *that fish*, not pictures. The cheapest way to find the noise, when only one picture exists, is to know
# the picture by heart and subtract it. To learn what pictures in general look like, it must see many.
#
# ## 4. Training on many
#
# The same network from the start, and the same training step. Now each batch holds twelve of 400 scenes. Scenes for
# training and for testing share no fish and no background.

# %%
scenes = small_scenes(400, seed=1)
torch.manual_seed(0)
unet = tiny()
losses = train_on(scenes, steps=100, batch_size=12)
print(f"last ten steps: about {sum(losses[-10:]) / 10:.2f}; guessing nothing: {1 / 3:.2f}")

# %% [markdown]
# That was your own denoiser. The course comes with the same network after some minutes of training on 3,000 scenes; from
# here on `unet` is that one.

# %%
from course_lib.files.pretrained import load_denoiser

x = test + 0.5 * torch.randn(test.shape, generator=torch.Generator().manual_seed(3))
after_seconds = clean(x)
unet = load_denoiser("unconditioned", seed=0)
after_minutes = clean(x)
rows = {"noisy": x, "yours": after_seconds, "after minutes": after_minutes, "the truth": test}
some = [10, 13, 21, 4, 12, 30]
show_pictures(
    torch.cat([row[some] for row in rows.values()]),
    [name if i == 0 else "" for name in rows for i in range(6)],
    columns=6,
    size=84,
    caption="six unseen scenes, from the top: noisy at level 0.5; cleaned by your network; cleaned by "
    "the one that trained for minutes; the truth.",
    numbers=f"error left: noisy 0.25; yours about {score(after_seconds, test):.3f}; after minutes "
    f"{score(after_minutes, test):.3f}",
)

# %% [markdown]
# None of these fish, and none of these backgrounds, was ever shown to the network. What it knows is what pictures are
# like: smooth areas, clear edges, few colours at a time. Noise is like none of this.
#
# ## 5. Where one network for all levels fails
#
# Nobody tells the network how strong the noise is. **Guess:** at which levels will it do well? Is there a level at which
# it should have left the picture alone?


# %%
def after(level):
    """The mean squared error left, of 64 unseen scenes at one noise level."""
    noise = level * torch.randn(test.shape, generator=torch.Generator().manual_seed(5))
    return score(clean(test + noise), test).item()


levels = [0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5]
left = [after(level) for level in levels]
show_curves(
    {"as it came": (levels, [level**2 for level in levels]), "cleaned": (levels, left)},
    x_label="noise level",
    y_label="error of the picture",
    log_x=True,
    log_y=True,
    caption="cleaning helps wherever the second curve is below the first; it was trained on levels up to 1.",
    numbers=f"error left over error as it came: level 0.02: {left[0] / 0.02**2:.1f}, 0.1: "
    f"{left[2] / 0.1**2:.1f}, 0.7: {left[5] / 0.7**2:.2f}, 2.5: {left[8] / 2.5**2:.2f}",
)

# %% [markdown]
# Two failures. At faint noise it **does harm**: it takes off more than there was. Beyond level 1, where it never
# trained, it still helps, but the error climbs steeply. The loss explains the first. To guess nothing costs the level
# squared: 1 at level 1, and only 0.0004 at level 0.02. So training hardly looked at faint noise.
#
# Lesson 04 tells the network the level, and measures what that is worth.

# %% [markdown]
# ## 6. Decibels
#
# A level of 0.4 hides a bright picture less than a dark one, and errors run from 1 to 0.0004. Engineers therefore
# compare the *power* of the signal (the mean of its squares) with that of the
# noise, in **decibels**. At 0 decibels they are equal; every 10 decibels more mean ten times less noise power.


# %%
def decibels(pictures, noise):
    """Signal-to-noise ratio of each picture: 10 log10(mean picture^2 / mean noise^2), (b,)."""
    # BEGIN SOLUTION
    signal = (pictures**2).mean(dim=(1, 2, 3))
    return 10 * torch.log10(signal / (noise**2).mean(dim=(1, 2, 3)))
    # END SOLUTION


decibels = check("03.decibels", decibels)

# %%
noise = 0.5 * torch.randn(test.shape, generator=torch.Generator().manual_seed(6))
before = decibels(test, noise)
gained = decibels(test, clean(test + noise) - test) - before
order = gained.argsort()
pick = torch.cat([order[:3], order[-3:]])
show_pictures(
    test[pick],
    [f"{gained[i]:+.0f} dB" for i in pick],
    columns=6,
    size=110,
    caption="what cleaning gained: least on the left, where neighbouring pixels differ much; most on "
    "the right, where they are more alike.",
    numbers=f"gained at least {gained.min():.0f} dB, at most {gained.max():.0f}, on average {gained.mean():.0f}",
)

# %% [markdown]
# ## 7. How noisy is a picture?
#
# The network was never told the level, yet it must know something of it: it subtracts little here and much there. Its
# guess *is* the noise, so the spread (standard deviation) of the guess estimates the level. **Guess:** will the estimate
# be too high or too low?

# %%
levels = [0.1, 0.2, 0.4, 0.6, 0.8, 1.0]
estimates = []
for level in levels:
    noise = level * torch.randn(test.shape, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        estimates.append(guess_noise(test + noise).std().item())
show_curves(
    {"the truth": (levels, levels), "spread of the guess": (levels, estimates)},
    x_label="noise level",
    y_label="estimated level",
    caption="the spread of the guessed noise follows the true level: a noise meter that nobody built.",
    numbers="true and estimated: "
    + ", ".join(f"{t:g} and {e:.2f}" for t, e in zip(levels, estimates, strict=True)),
)

# %% [markdown]
# A little too low, nearly everywhere. This is the deepest idea of the lesson. Many clean pictures fit one noisy picture,
# and the network cannot know which it was. The guess with the least squared error is the **average** of all that are
# possible. Averages vary less than what they average, so the guessed noise is too small, and the guessed picture too
# smooth. Section 11 takes this to the end.

# %% [markdown]
# {fold In symbols}
# The best guess is $\hat n = \mathbb{E}[n \mid x]$. For it $\mathbb{E}\,\hat n^2 = \sigma^2 - \text{error}$ (the mean
# squared error): what the network cannot know is missing from the guess.
# {end}

# %% [markdown]
# ## 8. Play
#
# Move the level: what does the network find, and what remains? (Without a running kernel, as on GitHub, the figure stands
# still.)

# %%
from course_lib.display.plots import pictures_figure
from course_lib.display.widgets import explore, slider


def look(level, scene):
    noise = level * torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(scene))
    x = test[[scene]] + noise
    with torch.no_grad():
        guess = guess_noise(x)
    titles = ["the truth", "noisy", "the noise it finds", "what remains"]
    pictures = torch.cat([test[[scene]], x, guess, recovered(x, guess)])
    return pictures_figure(pictures, titles, size=170), f"scene {scene}, level {level:g}"


explore(
    look,
    level=slider(0.0, 1.5, 0.6, step=0.1),
    scene=slider(0, 63, 12),
    caption="a scene, its noisy version, the noise that is found, and what remains.",
)

# %% [markdown]
# ## 9. Break it on purpose
#
# Why can noise be found at all? Because it is *unlike pictures*: each pixel goes its own way. Take that away: let the
# noise come in blocks of 4x4 equal pixels, with the same level. **Guess:** what happens?

# %%
g = torch.Generator().manual_seed(8)
grain = 0.5 * torch.randn(test.shape, generator=g)
blocks = 0.5 * torch.randn(64, 3, 8, 8, generator=g).repeat_interleave(4, 2).repeat_interleave(4, 3)
errors = [score(clean(test + n), test).item() for n in (grain, blocks)]
shown = [test + grain, clean(test + grain), test + blocks, clean(test + blocks)]
show_pictures(
    [p[12] for p in shown],
    ["grain", "cleaned", "blocks", "cleaned"],
    caption="grain is found and removed; blocks of the same strength look like things, and stay.",
    numbers=f"error left: grain {errors[0]:.3f}, blocks {errors[1]:.3f}; both came with 0.25",
)

# %% [markdown]
# The network does not know "the fish". It knows how pictures and grain differ. Blocks look like parts of pictures, so it
# leaves most of them in.
#
# ## 10. A look inside
#
# Change one input pixel a little. How much of the change does the network call noise, and how much does it take for
# picture? The gradient of its guess *at that pixel* says so. **Guess:** will it believe a pixel more when there is much
# noise, or when there is little?


# %%
def reaction(level):
    """How the guess in the middle reacts to each input pixel (32, 32); mean of 16 scenes."""
    noise = level * torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(9))
    x = (test[:16] + noise).requires_grad_()
    (gradient,) = torch.autograd.grad(guess_noise(x)[:, :, 16, 16].sum(), x)
    return gradient.mean(dim=(0, 1))


levels = [0.02, 0.1, 0.2, 0.4, 0.7, 1.0]
called_noise = [reaction(level)[16, 16].item() for level in levels]
show_curves(
    {"called noise": (levels, called_noise)},
    x_label="noise level",
    y_label="of a change of 1, called noise",
    caption="the noisier the picture, the less the network believes a single pixel; above level 0.7 this "
    "changes little.",
    numbers=f"of a change of 1 in a pixel it calls noise: {called_noise[0]:.1f} at level 0.02, "
    f"{called_noise[-1]:.1f} at level 1",
)

# %% [markdown]
# And what does it put in the pixel's place? Something made from its neighbours, near ones above all.

# %%
kernels = []
for level in (0.1, 0.4, 1.0):
    around = -reaction(level)
    around[16, 16] = 0  # the pixel itself would outshine the others
    kernels.append(around[8:25, 8:25])
near = [float(k[5:12, 5:12].clamp(min=0).sum() / k.clamp(min=0).sum()) for k in kernels]
show_pictures(
    [(k / k.abs().max()).clamp(0, 1).sqrt()[None] * 2 - 1 for k in kernels],
    ["level 0.1", "level 0.4", "level 1"],
    columns=3,
    size=200,
    caption="bright: the neighbours whose values go into the cleaned pixel in the middle (left "
    "black), at three levels, each scaled to its own brightest.",
    numbers="share of the weight within 3 pixels: " + ", ".join(f"{n:.1f}" for n in near),
)

# %% [markdown]
# A weighted mean of the neighbours: that is a kernel that blurs, like the one of lesson 01. But a fixed kernel is the same
# at every level of noise, and the network's changes with the level. Nobody programmed it. It is what makes the loss
# small.

# %% [markdown]
# ## 11. Nothing but noise
#
# One last question. If the network finds the noise in anything, could it make a picture **out of pure noise**? We multiply
# noise by 2.5, so that no picture is left in it, and clean it once. **Guess** what comes out: a fish, noise, or something else?

# %%
pure = 2.5 * torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(10))
dreamt = clean(pure)
show_pictures(
    torch.cat([pure / 2.5, dreamt]),
    ["pure noise", *[""] * 5, "cleaned", *[""] * 5],
    columns=6,
    size=96,
    caption="above: pure noise (drawn weaker); below: what the network leaves of it in one step. No "
    "fish appears.",
    numbers=f"spread of the pixels (standard deviation): real scenes {test.std():.2f}, these {dreamt.std():.2f}",
)

# %% [markdown]
# A blur. Every picture is possible behind pure noise, and the best guess is the average of them all. So one step is not
# enough. Lesson 05 finds the way out: take away only a **little** of the noise, look again, and repeat.

# %% [markdown]
# ## Check yourself
#
# **1.** Why do we let the network predict the noise, and not whether the picture is noisy?
# {fold Answer}
# Because the noise can be subtracted: noise found is picture found. Yes or no could not be used to clean anything.
# {end}
# **2.** What does a guess of "no noise" score at level 0.4?
# {fold Answer}
# 0.16, the level squared.
# {end}
# **3.** Trained on one fish, the network cleans that fish very well. What has it learned?
# {fold Answer}
# The fish, by heart. Its colours creep into other pictures as well.
# {end}

# %% [markdown]
# **4.** Why does it harm pictures with very faint noise?
# {fold Answer}
# Large levels dominate the loss, so it was hardly trained on small ones; and nobody tells it that there is little to
# remove.
# {end}
# **5.** Could this method clean a picture with a scratch or a watermark?
# {fold Answer}
# Not this network: it only knows grain that goes its own way in each pixel. Trained on scratches, another one could.
# {end}

# %% [markdown]
# ## Recap
#
# Noise is a picture, and finding it is the same as finding the picture under it. The loss is the mean squared error of the
# guess, and guessing nothing scores the level squared. One picture teaches one picture; many teach what pictures are like.
# A network that is not told the level works at most levels, and harms pictures with very faint noise. The more noise,
# the less it believes a single pixel.

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# The UNet in the middle of the drawing is this network: it is given something noisy and finds the noise. What is still
# missing: telling it the level (lesson 04), doing it in many small steps until pure noise becomes a picture (05), on
# latents in place of pixels (07), and telling it in words what to see (11). One thing changes in lesson 05: plain addition,
# picture + noise, becomes a mixture in which the picture fades as well.

# %% [markdown]
# **Further reading.** Vincent, *A connection between score matching and denoising autoencoders* (2011). Zhang et al.,
# *Beyond a Gaussian denoiser* (DnCNN, 2017). Song and Ermon, *Generative modeling by estimating gradients of the data
# distribution* (2019).
