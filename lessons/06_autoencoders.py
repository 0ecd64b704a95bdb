# title: Autoencoders
# box: autoencoder
# read: 45
# run: 40
# build: an autoencoder, a variational one, and the measure that says what they lose.
# before: [lesson 01](01_convolutions.ipynb) (convolutions); [lesson 05](05_diffusion.ipynb) helps.
# gpu: no

# %%
import io

import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from course_lib import autoencoder
from course_lib.datasets import digits, emoji, photographs
from course_lib.diffusion import add_noise
from course_lib.display.plots import (
    PALETTE,
    new_figure,
    pictures_figure,
    show_curves,
    show_figure,
    show_heatmap,
    show_pictures,
)
from course_lib.display.widgets import drag_pad, explore
from course_lib.files import weights
from course_lib.schedule import scaled_linear
from course_lib.toys.digit_autoencoder import Autoencoder, DigitVAE
from course_lib.training import random_batches, train

# %% [markdown]
# ## 1  How small can a picture be made?
#
# You send coded pictures every day. JPEG is an **encoder** (picture to few bytes) and a
# **decoder** (bytes to a picture that looks the same). Nobody trained it: people chose what the
# eye will not miss. **Guess:** how many times smaller can the file get before you see a difference?

# %%
china = photographs.load("china")[:, :192, :192]  # (3, 192, 192), in [-1, 1]


def jpeg(picture, quality):
    """The picture as JPEG gives it back, and how many bytes it took."""
    file = io.BytesIO()
    to_pil_image((picture + 1) / 2).save(file, "JPEG", quality=quality)
    back = pil_to_tensor(Image.open(file)).float() / 127.5 - 1
    return back, len(file.getvalue())


# %%
qualities = [90, 30, 8, 2]
coded = [jpeg(china, quality) for quality in qualities]
show_pictures(
    [china, *(back for back, _ in coded)],
    ["the photograph", *(f"1 / {china.numel() / size:.0f} of the bytes" for _, size in coded)],
    columns=5,
    size=110,
    caption="a twentieth of the bytes looks nearly the same; then blocks of 8x8 appear, and the "
    "sky turns to patches.",
    numbers=f"bytes at most a tenth of {china.numel():,} from quality 30 on: "
    f"{coded[1][1] * 10 < china.numel()}",
)

# %% [markdown]
# "Looks the same" needs a number. The usual one is the **peak signal-to-noise ratio**, PSNR:
# compare the error with the largest possible one, and count in decibels. As a rule of thumb, the
# error is hardly seen at 40 dB and plainly at 20 dB. Pictures here go from -1 to 1, so the largest
# error is 2, and its square 4.
#
# {fold In symbols}
# $$\text{PSNR} = 10 \log_{10} \frac{2^2}{\frac1n \sum_i (\hat x_i - x_i)^2}$$
# {end}


# %%
def psnr(guess, picture):
    """PSNR of each picture (b, c, h, w) in [-1, 1], in decibels: (b,)."""
    # BEGIN SOLUTION
    error = ((guess - picture) ** 2).mean(dim=(1, 2, 3))
    return 10 * torch.log10(4 / error)
    # END SOLUTION


psnr = check("06.psnr", psnr)

# %%
sizes = [size for _, size in coded]
decibels = [psnr(back[None], china[None]).item() for back, _ in coded]
show_curves(
    {"JPEG": (sizes, decibels)},
    x_label="bytes",
    y_label="PSNR (dB)",
    log_x=True,
    caption="the trade of every codec: the fewer the bytes, the larger the error.",
    numbers=f"falls with every step: {decibels == sorted(decibels, reverse=True)}",
)

# %% [markdown]
# ## 2  Can a network invent its own code?
#
# We make an encoder that ends in only **two numbers**, and a decoder that starts from them. They
# are trained with one wish: the picture should come back. Nobody says what the numbers should mean.
# This is an **autoencoder**, an idea of the 1980s; Hinton and Salakhutdinov made deep ones work in
# 2006. Our pictures are the digits of MNIST, 784 pixels each. **Guess:** can two numbers say which
# digit it is, and how it was written?

# %%
train_x, train_y = digits.load("train")
test_x, test_y = digits.load("test")
show_pictures(
    test_x[:8],
    size=56,
    caption="digits that people wrote, 28 x 28 pixels.",
)

# %% [markdown]
# Now you: the encoder, made as small as possible. Lay the picture out as one row of pixels. Two
# layers without biases follow, with `F.silu` between them.


# %%
def encode(picture, weight_in, weight_out):
    """A picture (h, w) through a layer (hidden, h*w), SiLU and a layer (d, hidden): (d,)."""
    # BEGIN SOLUTION
    return weight_out @ F.silu(weight_in @ picture.flatten())
    # END SOLUTION


encode = check("06.encode", encode)

# %%
torch.manual_seed(0)
code = encode(test_x[0, 0], torch.randn(64, 784) / 28, torch.randn(2, 64) / 8)
print("a picture of", test_x[0].numel(), "pixels became", code.numel(), "numbers")

# %% [markdown]
# The course's `Autoencoder` has one layer more on each side, and biases. We train three, whose
# codes have 2, 5 and 10 numbers. **Guess** how much better ten are than two.


# %%
def batches():
    rows = random_batches(len(train_x), 128, torch.Generator().manual_seed(0))
    return (train_x[i] for i in rows)


coders = {}
for d_code in (2, 5, 10):
    torch.manual_seed(0)
    coders[d_code] = Autoencoder(d_code)
    train(coders[d_code].parameters(), batches(), coders[d_code].loss, steps=800, lr=2e-3)

# %%
with torch.no_grad():
    back = {d: coder.decode(coder.encode(test_x)) for d, coder in coders.items()}
show_pictures(
    torch.cat([test_x[:8], *(b[:8] for b in back.values())]),
    ["drawn by people", *[""] * 7, *(t for d in back for t in (f"from {d} numbers", *[""] * 7))],
    size=56,
    caption="two numbers often give another digit (a 4 comes back as a 9); ten come much nearer, "
    "but even they miss some.",
)

# %%
error = {d: F.mse_loss(b, test_x).item() for d, b in back.items()}
blind = F.mse_loss(train_x.mean(dim=0).expand_as(test_x), test_x).item()
falls = blind > error[2] > error[5] > error[10]
show_curves(
    {"test digits": ([0, *error], [blind, *error.values()])},
    x_label="numbers in the code",
    y_label="mean squared error",
    caption="the error on digits never trained on. At 0 numbers stands the best blind guess, "
    "the mean digit.",
    numbers=f"it falls from 0 to 2 to 5 to 10 numbers: {falls}; ten leave less than half of "
    f"two's: {error[10] < error[2] / 2}",
)

# %% [markdown]
# ## 3  What do the two numbers mean?
#
# Two numbers are a point on a plane, so we can look. We draw 400 test digits where the encoder
# puts them. **Guess** before you look: do the ones lie together?


# %%
def draw_plane(codes, caption, numbers):
    """The test digits as figures 0 to 9 at their codes (n, 2)."""
    fig, (ax,) = new_figure(width=460, height=400)
    for (a, b), label in zip(codes[:400].tolist(), test_y[:400].tolist(), strict=True):
        colour = PALETTE[label % len(PALETTE)].colour
        ax.text(a, b, str(label), color=colour, fontsize=9, ha="center", va="center")
    (left, low), (right, high) = codes.amin(dim=0).tolist(), codes.amax(dim=0).tolist()
    ax.set(xlim=(left, right), ylim=(low, high), xlabel="first number", ylabel="second number")
    show_figure(fig, caption=caption, numbers=numbers)


def nearest_is_same(codes):
    """The share of test digits whose nearest neighbour on the plane has the same label."""
    distance = torch.cdist(codes, codes).fill_diagonal_(float("inf"))
    return (test_y[distance.argmin(dim=1)] == test_y).float().mean().item()


# %%
with torch.no_grad():
    plain_codes = coders[2].encode(test_x)
together = nearest_is_same(plain_codes)
draw_plane(
    plain_codes,
    "equal digits lie near each other, though no label was ever given: ones far on the left, sevens "
    "below, zeros on the right.",
    f"the nearest neighbour is the same digit for more than half: {together > 0.5}; by chance a "
    "tenth",
)

# %% [markdown]
# ## 4  Break it on purpose: a point nobody coded
#
# The decoder takes *any* two numbers. Walk over the plane and decode at every stop. **Guess:** is
# there a digit everywhere?


# %%
def walk(decode, low, high, steps=12):
    """Pictures decoded at steps x steps points between the corners, the top row first."""
    across = torch.linspace(low[0], high[0], steps)
    down = torch.linspace(high[1], low[1], steps)
    points = torch.cartesian_prod(down, across).flip(1)  # (steps**2, 2)
    with torch.no_grad():
        return decode(points)


def sheet(pictures, steps=12):
    """steps**2 digits as one large picture (1, h, w)."""
    grid = pictures.reshape(steps, steps, 28, 28).transpose(1, 2)
    return grid.reshape(1, steps * 28, steps * 28)


def nearest_digits(pictures, limit=0.22):
    """Labels of the nearest training digits, and the share that is far (MSE) from all of them."""
    distance = torch.cdist(pictures.flatten(1), train_x.flatten(1)) ** 2 / 784
    nearest = distance.min(dim=1)
    return set(train_y[nearest.indices].tolist()), (nearest.values > limit).float().mean().item()


# %%
low, high = plain_codes.amin(dim=0), plain_codes.amax(dim=0)
plain_walk = walk(coders[2].decode, low, high)
show_pictures(
    [sheet(plain_walk)],
    size=220,
    caption="144 points of the plain autoencoder's plane. Between the digits lie smears, and where "
    "no code is near (top right), blots: no digits.",
)

# %% [markdown]
# The plain autoencoder never had to care about points where no code lies: there are **holes**. A
# machine that should draw *new* pictures cannot pick its codes from such a plane.
#
# ## 5  How do we close the holes?
#
# Two ideas together make the **variational autoencoder** (Kingma and Welling 2014). The first: the
# encoder answers not with a point but with a small **cloud**, a mean and a spread (standard
# deviation) for each number. The decoder gets a random point of the cloud and must cope with it.
#
# The spread comes as `log_var`, the logarithm of the spread squared. That may be any number, and
# the spread, `exp(log_var / 2)`, is still never negative.

# %% [markdown]
# {fold In symbols}
# $$z = \mu + e^{\frac12 \log \sigma^2} \cdot \varepsilon, \qquad \varepsilon \sim N(0, 1)$$
#
# $\mu$ is the mean, $\log\sigma^2$ is `log_var`. Written like this, gradients reach both the mean and the spread: the
# *reparameterisation trick*.
# {end}


# %%
def sample_code(mean, log_var, noise):
    """A point of the cloud: `noise` is plain noise of the same shape."""
    # BEGIN SOLUTION
    return mean + (0.5 * log_var).exp() * noise
    # END SOLUTION


sample_code = check("06.sample_code", sample_code)

# %%
g = torch.Generator().manual_seed(0)
noise = torch.randn(300, 2, generator=g)
clouds = {
    "spread 1": sample_code(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 0.0]), noise),
    "spread 0.3": sample_code(torch.tensor([3.0, 1.0]), torch.tensor([-2.4, -2.4]), noise),
}
fig, (ax,) = new_figure(width=380, height=260)
for (name, points), style in zip(clouds.items(), PALETTE, strict=False):
    ax.scatter(*points.T, s=9, color=style.colour, marker=style.marker, label=name)
ax.legend(fontsize=9)
ax.set_aspect("equal")
show_figure(
    fig,
    caption="two codes as clouds: the same noise, made wider or narrower and moved to its mean.",
    numbers=f"spreads {', '.join(f'{p.std(dim=0).mean().item():.1f}' for p in clouds.values())}",
)

# %% [markdown]
# The second idea: left alone, the network would shrink all clouds to points again. So a **pull** is
# added to the loss: each cloud should look like the plain cloud with mean 0 and spread 1, called
# N(0, 1). How far a cloud is from that is measured by the **Kullback-Leibler divergence** (KL). Its
# unit is the nat.
#
# $$\text{KL} = \tfrac12 \sum_i \left(\mu_i^2 + \sigma_i^2 - 1 - \log \sigma_i^2\right)$$
#
# Here $\mu$ is the mean and $\sigma^2 = e^{\texttt{log\_var}}$; the sum is over the numbers of a code.


# %%
def kl(mean, log_var):
    """For each row of the batch (b, d), in nats: (b,)."""
    # BEGIN SOLUTION
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=1)
    # END SOLUTION


kl = check("06.kl", kl)

# %%
zeros = torch.zeros(61, 1)
far = torch.linspace(-3, 3, 61)[:, None]
show_curves(
    {
        "moved from 0": (far[:, 0].tolist(), kl(far, zeros).tolist()),
        "log-variance changed": (far[:, 0].tolist(), kl(zeros, far).tolist()),
    },
    x_label="by how much",
    y_label="KL (nats)",
    caption="no pull at 0, where the cloud is N(0, 1); a cloud that is too narrow is pulled "
    "gently, one too wide hard.",
    numbers=f"both are 0 in the middle: {kl(zeros[:1], zeros[:1]).item() == 0}",
)

# %%
torch.manual_seed(0)
vae = DigitVAE(2)
g = torch.Generator().manual_seed(1)
losses = train(vae.parameters(), batches(), lambda x: vae.loss(x, g), steps=1500, lr=2e-3)
show_curves(
    {"error + pull": (list(range(0, 1500, 15)), losses[::15])},
    x_label="step",
    y_label="loss",
    caption="the loss of the variational autoencoder falls as any other's does.",
)

# %% [markdown]
# The bundled `mnist_vae` is the same class, trained for longer. Its plane, walked from -2
# to 2:

# %%
vae = weights.load_into(DigitVAE(2), "mnist_vae")
vae_walk = walk(vae.decode, (-2, -2), (2, 2))
(_, plain_far), (found, vae_far) = nearest_digits(plain_walk), nearest_digits(vae_walk)
show_pictures(
    [sheet(plain_walk), sheet(vae_walk)],
    ["plain: as far as its codes go", "variational: from -2 to 2"],
    size=210,
    caption="on the right nearly every point is a digit, and one turns into the next.",
    numbers=f"fewer points that are no digit than on the left: {vae_far < plain_far}; all ten "
    f"digits are there: {len(found) == 10}",
)

# %%
with torch.no_grad():
    vae_codes = vae.encode(test_x).mean
spread = vae_codes.std(dim=0)
draw_plane(
    vae_codes,
    "the codes fill a round cloud around 0, without gaps: the shape they were pulled towards.",
    f"spreads between 0.5 and 2: {bool(((spread > 0.5) & (spread < 2)).all())}",
)

# %% [markdown]
# ### Play: drag a point over the plane
#
# Where this notebook is live, drag the point (or move the sliders) and watch what the two numbers
# decode to. Find all ten digits, and a place where a 4 turns into a 9.


# %%
def decoded(point):
    with torch.no_grad():
        picture = vae.decode(torch.tensor([point]))
    shown = pictures_figure(picture, [f"({point[0]:.1f}, {point[1]:.1f})"], size=160)
    return shown, "2 numbers became 784 pixels"


explore(
    decoded,
    caption="the digit at one point of the plane.",
    point=drag_pad(-2.5, 2.5, start=(0.5, -0.5)),
)

# %% [markdown]
# ## 6  Half-way between two digits
#
# Half-way between two *pictures* lies a double exposure. Half-way between two *codes* lies, if
# there are no holes, another digit.

# %%
first, last = test_x[test_y == 3][0], test_x[test_y == 8][0]
share = torch.linspace(0, 1, 8)
faded = torch.stack([(1 - s) * first + s * last for s in share])
with torch.no_grad():
    a, b = vae.encode(torch.stack([first, last])).mean
    walked = vae.decode(torch.stack([(1 - s) * a + s * b for s in share]))
show_pictures(
    torch.cat([faded, walked]),
    ["pixels", *[""] * 7, "codes", *[""] * 7],
    size=56,
    caption="above, a 3 fades out while an 8 fades in; below, one turns into the other.",
)

# %% [markdown]
# ## 7  And in colour, for real?
#
# Stable Diffusion's autoencoder is this idea with convolutions, attention, and a code that keeps
# its place: 512 x 512 x 3 become 64 x 64 x 4. Ours is the same class with narrow layers. **Guess:**
# how many times fewer numbers has the code?

# %%
coder = weights.load_into(autoencoder.emoji(), "emoji_vae")
with torch.device("meta"):  # shapes only
    real = autoencoder.stable_diffusion()
print(
    f"Stable Diffusion: {512 * 512 * 3:,} to {64 * 64 * 4:,} numbers, "
    f"{512 * 512 * 3 // (64 * 64 * 4)} to 1"
)
print(
    f"ours:             {64 * 64 * 3:,} to {8 * 8 * 4:,} numbers, {64 * 64 * 3 // (8 * 8 * 4)} to 1"
)
for name, model in (("Stable Diffusion", real), ("ours", coder)):
    print(f"{name}: {sum(p.numel() for p in model.parameters()):,} weights")

# %%
test = emoji.load(split="test")
chosen = torch.linspace(0, len(test) - 1, 8).round().long()
pictures = test.pictures[chosen]
with torch.no_grad():
    back = coder.to_pictures(coder.to_latents(pictures))
show_pictures(
    torch.cat([pictures, back, (back - pictures).abs() * 2 - 1]),
    ["original", *[""] * 7, "from 256 numbers", *[""] * 7, "what was lost", *[""] * 7],
    size=64,
    caption="emoji it never saw, through 256 numbers and back. What is lost lies along edges "
    "and in small marks.",
)

# %%
with torch.no_grad():
    rows = torch.arange(0, len(test), 4)
    all_back = torch.cat(
        [coder.to_pictures(coder.to_latents(test.pictures[r])) for r in rows.split(64)]
    )
quality = psnr(all_back, test.pictures[rows])
white = psnr(torch.ones_like(all_back), test.pictures[rows])
by_style = {s: quality[[test.styles[i] == s for i in rows]].mean().item() for s in emoji.STYLES}
fig, (ax,) = new_figure(height=220)
for i, (style, decibel) in enumerate(by_style.items()):
    ax.barh(style, decibel, color=PALETTE[i].colour, hatch=PALETTE[i].hatch, edgecolor="w")
ax.set(xlabel="PSNR on test pictures (dB)")
show_figure(
    fig,
    caption="OpenMoji's thin black outlines come back worst; the other four styles lie close "
    "together.",
    numbers=f"over 22 dB in every style: {min(by_style.values()) > 22}; a white sheet of paper "
    f"has under 15: {white.mean().item() < 15}",
)

# %% [markdown]
# Is that good? Let JPEG try with as many bytes. Our 256 numbers, in half precision, are 512 bytes;
# JPEG needs more than that for its headers alone, so it gets its lowest quality.

# %%
of_jpeg = [jpeg(p, 1) for p in pictures]
theirs = torch.stack([b for b, _ in of_jpeg])
show_pictures(
    torch.cat([theirs, back]),
    ["JPEG, quality 1", *[""] * 7, "ours", *[""] * 7],
    size=64,
    caption="a codec that has seen fourteen thousand pictures of emoji beats one made for everything, on emoji.",
    numbers=f"JPEG took over 512 bytes for each: {min(n for _, n in of_jpeg) > 512}; ours has "
    "the better PSNR: "
    f"{psnr(back, pictures).mean().item() > psnr(theirs, pictures).mean().item()}",
)

# %% [markdown]
# ## 8  A look inside: where does a number live?
#
# The code is a small picture of its own, 8 x 8 with four channels. We change one place of it.
# **Guess:** does the whole decoded picture change?

# %%
with torch.no_grad():
    latents = coder.to_latents(pictures[:1])  # (1, 4, 8, 8)
    poked = latents.clone()
    poked[0, :, 2, 5] += 1.5
    change = (coder.to_pictures(poked) - coder.to_pictures(latents)).abs().amax(dim=1, keepdim=True)
near = change[0, 0, 8:32, 32:56].sum() / change.sum()
show_pictures(
    [pictures[0], *(latents[0, :, None] / 2), change[0] * 2 - 1],
    ["picture", "channel 0", "channel 1", "channel 2", "channel 3", "what a poke changes"],
    columns=6,
    size=96,
    caption="the four channels still show the drawing. Poke one of 64 places, and only its "
    "neighbourhood changes.",
    numbers="more than two thirds of the change within 24 x 24 of 64 x 64 pixels: "
    f"{near.item() > 0.67}",
)

# %% [markdown]
# Such a code is called a **latent**. Each of its numbers keeps its place, like a pixel, and a UNet
# can work on it as on a picture.

# %% [markdown]
# ## 9  Why are latents scaled?
#
# Diffusion mixes picture and noise by fixed shares, and its noise has spread 1. If codes had spread
# 5, "half noise" would hardly hide them. So one measures the spread of the codes of the training
# pictures, and divides all codes by it. Stable Diffusion multiplies by **one number**, 0.18215,
# which is the same: 1 divided by a spread of about 5.5. (In ours each channel's own mean and size
# were first folded into the layers around the code, so that one number suits all four.)

# %% [markdown]
# {fold Did the pull of section 5 not make the spread 1?}
# In the autoencoders for pictures it is kept very faint, so that little of the picture is lost. The
# codes settle at a spread of their own, and holes remain: a code drawn at random decodes to no
# picture. Finding the codes that do is the task of diffusion.
# {end}

# %%
schedule, g = scaled_linear(), torch.Generator().manual_seed(0)
t = torch.tensor([500])
with torch.no_grad():
    noise = torch.randn(1, 4, 8, 8, generator=g)
    scaled = add_noise(latents, noise, t, schedule)
    large = add_noise(latents * 5, noise, t, schedule) / 5
    shown = torch.cat([coder.to_pictures(x) for x in (latents, large, scaled)])
print(
    f"this VAE's scale: {coder.scale.item():.2f}, 1 divided by a spread of {1 / coder.scale.item():.1f}"
)
show_pictures(
    shown,
    ["no noise", "t = 500, spread 5", "t = 500, spread 1"],
    caption="the same noise at the same time: on codes that are too large it does far less.",
    size=128,
)

# %%
with torch.no_grad():
    codes = coder.to_latents(test.pictures[rows[:200]])
show_heatmap(
    torch.stack([codes.mean(dim=(0, 2, 3)), codes.std(dim=(0, 2, 3))]),
    x_labels=[f"channel {i}" for i in range(4)],
    y_labels=["mean", "spread"],
    caption="each channel has a mean near 0 and a spread near 1, on test pictures too: its own mean and "
    "size are folded into the coder, one scale does the rest.",
    numbers="spreads between 0.7 and 1.3: "
    f"{bool((codes.std(dim=(0, 2, 3)) - 1).abs().max() < 0.3)}",
)

# %% [markdown]
# ## Check yourself
#
# {fold 1. What is an autoencoder asked to do, and what is it never told?}
# To give its input back through a narrow middle. It is never told what the code should mean.
# {end}
# {fold 2. Why can one not draw new digits with the plain one?}
# Its plane has holes: points that no training digit was ever coded to. Many of them decode to
# smears.
# {end}
# {fold 3. What would happen to the clouds without the KL pull?}
# They would shrink to points: noise only hurts the picture that comes back.
# {end}

# %% [markdown]
# {fold 4. A picture of 64 x 64 x 3 becomes a code of 8 x 8 x 4. What is the ratio?}
# 12,288 to 256, 48 to 1.
# {end}
# {fold 5. Why is the code divided by its spread before diffusion?}
# So that noise of spread 1 hides it as the schedule says.
# {end}

# %% [markdown]
# ## Recap
#
# 1. An encoder makes a picture small, a decoder makes it large again, and the difference between
#    the two pictures is all the teaching they need.
# 2. With two numbers equal digits already lie near each other; with ten the error is less than half
#    as large.
# 3. A variational autoencoder codes clouds, pulled towards N(0, 1). With a strong pull, as for the
#    digits, hardly a hole is left; for pictures the pull is faint, and diffusion finds the codes.
# 4. Ours turns 12,288 numbers into 256 and loses edges and small marks.
# 5. One scale brings the codes to spread 1, which is what diffusion expects.

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# The encoder makes the latents that the UNet is trained on; the decoder turns the last latent into
# the picture you see. In between, everything happens on 1 / 48 of the numbers:
# [lesson 07](07_latent_diffusion.ipynb).
#
# Ours is trained on the squared and the absolute error of the pixels, with a faint pull. Stable
# Diffusion's was also trained on a perceptual loss (compare what a trained network sees in both
# pictures) and against a critic, as in a GAN. Both make edges crisper.

# %% [markdown]
# ## Further reading
#
# - G. Hinton, R. Salakhutdinov: Reducing the Dimensionality of Data with Neural Networks (2006).
# - D. Kingma, M. Welling: Auto-Encoding Variational Bayes (2014).
# - I. Higgins and others: beta-VAE (2017), on how hard to pull.
# - R. Rombach and others: High-Resolution Image Synthesis with Latent Diffusion Models (2022).
