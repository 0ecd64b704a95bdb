# title: Autoencoders
# box: autoencoder
# read: 45
# run: 40
# build: an autoencoder and a variational one, both trained from your own code, and PSNR.
# before: [lesson 01](01_convolutions.ipynb) (convolutions); [lesson 05](05_diffusion.ipynb) helps.
# gpu: no

# %%
import io

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
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
from course_lib.toys.digit_autoencoder import DigitVAE
from course_lib.training import random_batches, train

# %% [markdown]
# ## 1  How small can a picture be made?
#
# You send coded pictures every day. JPEG is an **encoder** (picture to few bytes) and a
# **decoder** (bytes to a picture that looks the same). Nobody trained it: people chose what the
# eye will not miss. A pair of encoder and decoder is called a **codec**. **Guess:** how many times
# smaller can the file get before you see a difference?

# %%
china = photographs.load("china")[:, :192, :192]  # (3, 192, 192), in [-1, 1]


def jpeg(picture, quality):
    """The picture as JPEG returns it, and how many bytes it took."""
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
    columns=3,
    size=192,
    caption="every picture at its full 192 x 192 pixels. The first copies look nearly the same; then "
    "blocks of 8x8 appear, and the sky turns to patches.",
    numbers=", ".join(
        f"quality {q}: {n:,} bytes" for q, (_, n) in zip(qualities, coded, strict=True)
    )
    + f"; without a codec {china.numel():,}",
)

# %% [markdown]
# The answer: about a tenth of the bytes costs nothing that you notice, a fiftieth costs a lot.

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
    numbers=", ".join(f"{n:,} bytes: {d:.0f} dB" for n, d in zip(sizes, decibels, strict=True)),
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
# Now you: the encoder. Lay each picture out as one row of pixels. Two fully connected layers
# (`nn.Linear`) follow, with `F.silu` between them.


# %%
def encode(x, layer_in, layer_out):
    """Pictures (b, 1, h, w) through two layers with SiLU between them: codes (b, d)."""
    # BEGIN SOLUTION
    return layer_out(F.silu(layer_in(x.flatten(1))))
    # END SOLUTION


encode = check("06.encode", encode)

# %% [markdown]
# And the decoder, the same way back. The pixels lie in [-1, 1], so a `tanh` ends it.


# %%
def decode(code, layer_in, layer_out):
    """Codes (b, d) through two layers with SiLU between them, and tanh: (b, 1, 28, 28)."""
    # BEGIN SOLUTION
    pixels = torch.tanh(layer_out(F.silu(layer_in(code))))  # (b, 784)
    return pixels.unflatten(1, (1, 28, 28))
    # END SOLUTION


decode = check("06.decode", decode)

# %% [markdown]
# Put together, they are an autoencoder, and its loss is the squared error of the picture that comes
# back. We train three of yours, whose codes have 2, 5 and 10 numbers. **Guess** how much better
# ten are than two.


# %%
STEPS = 1000


def new_layers(d_code, d_out):
    """Two layers for the encoder, which ends in d_out numbers, and two for the decoder."""
    torch.manual_seed(0)
    sizes = ((784, 256), (256, d_out), (d_code, 256), (256, 784))
    return nn.ModuleList(nn.Linear(*size) for size in sizes)


def batches():
    rows = random_batches(len(train_x), 128, torch.Generator().manual_seed(0))
    return (train_x[i] for i in rows)


# %%
def there_and_back(layers, x):
    return decode(encode(x, *layers[:2]), *layers[2:])


plain = {}
for d_code in (2, 5, 10):
    plain[d_code] = layers = new_layers(d_code, d_code)
    train(
        layers.parameters(),
        batches(),
        lambda x, layers=layers: F.mse_loss(there_and_back(layers, x), x),
        steps=STEPS,
        lr=2e-3,
    )

# %%
with torch.no_grad():
    back = {d: there_and_back(layers, test_x) for d, layers in plain.items()}
show_pictures(
    torch.cat([test_x[:8], *(b[:8] for b in back.values())]),
    ["drawn by people", *[""] * 7, *(t for d in back for t in (f"from {d} numbers", *[""] * 7))],
    size=56,
    caption="top row: the truth. Two numbers often give a blurred or another digit; ten come much "
    "nearer.",
)

# %%
error = {d: F.mse_loss(b, test_x).item() for d, b in back.items()}
blind = F.mse_loss(train_x.mean(dim=0).expand_as(test_x), test_x).item()
show_curves(
    {"test digits": ([0, *error], [blind, *error.values()])},
    x_label="numbers in the code",
    y_label="mean squared error",
    caption="the error on digits never trained on. At 0 numbers stands the best blind guess, "
    "the mean digit.",
    numbers=f"mean digit {blind:.2f}; "
    + "; ".join(f"{d} numbers {e:.2f}" for d, e in error.items()),
)

# %% [markdown]
# ## 3  What do the two numbers mean?
#
# Two numbers are a point on a plane, so we can look. We draw 400 test digits where the encoder
# puts them. **Guess** before you look: do the ones lie together?


# %%
def box(codes):
    """The corners of the plane between which 98 % of the codes (n, 2) lie on each axis."""
    return codes.quantile(0.01, dim=0).tolist(), codes.quantile(0.99, dim=0).tolist()


def draw_plane(codes, caption, numbers):
    """The test digits as figures 0 to 9 at their codes (n, 2)."""
    fig, (ax,) = new_figure(width=460, height=400)
    for (a, b), label in zip(codes[:400].tolist(), test_y[:400].tolist(), strict=True):
        text = ax.text(a, b, str(label), color=f"C{label}", fontsize=9, ha="center", va="center")
        text.set_clip_on(True)
    (left, low), (right, high) = box(codes)
    ax.set(xlim=(left, right), ylim=(low, high), xlabel="first number", ylabel="second number")
    show_figure(fig, caption=caption, numbers=numbers)


def nearest_is_same(codes):
    """The share of test digits whose nearest neighbour on the plane has the same label."""
    distance = torch.cdist(codes, codes).fill_diagonal_(float("inf"))
    return (test_y[distance.argmin(dim=1)] == test_y).float().mean().item()


# %%
with torch.no_grad():
    plain_codes = encode(test_x, *plain[2][:2])
draw_plane(
    plain_codes,
    "equal digits lie near each other, though no label was ever given. (One code in fifty lies "
    "outside the frame on each axis.)",
    f"the nearest neighbour is the same digit for {nearest_is_same(plain_codes):.0%}; by chance 10 %",
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
def decode_plain(points):
    return decode(points, *plain[2][2:])


plain_walk = walk(decode_plain, *box(plain_codes))
_, plain_far = nearest_digits(plain_walk)
show_pictures(
    [sheet(plain_walk)],
    size=340,
    caption="144 points of the plain autoencoder's plane, decoded. Between the digits lie smears that "
    "are no digit.",
    numbers=f"no digit (far from every training digit): {plain_far:.0%} of the points",
)

# %% [markdown]
# The plain autoencoder never had to care about points where no code lies: there are **holes**. A
# machine that should draw *new* pictures cannot pick its codes from such a plane. (A picture counts
# as no digit here if its squared error to every training digit is above 0.22.)
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
# The second idea: left alone, the network would shrink all clouds to points again. So the loss gets
# a second part: each cloud should look like the standard cloud with mean 0 and spread 1, called
# N(0, 1). The **Kullback-Leibler divergence** (KL) says how far a cloud is from that.
#
# For one number of the code it is **half of (mean squared + variance - 1 - log_var)**. A mean away
# from 0 costs its square; "variance - 1 - log_var" is 0 for variance 1 and grows on both sides.
# A code's KL is the sum over its numbers.

# %% [markdown]
# {fold In symbols}
# $$\text{KL} = \tfrac12 \sum_i \left(\mu_i^2 + \sigma_i^2 - 1 - \log \sigma_i^2\right)$$
#
# Here $\mu$ is the mean and $\sigma^2 = e^{\texttt{log\_var}}$. It is the average of
# $\log \frac{q(z)}{p(z)}$ over points $z$ of the cloud, where $q$ is the density of the cloud and
# $p$ that of N(0, 1).
# {end}


# %%
def kl(mean, log_var):
    """For each row of the batch (b, d): how far its cloud is from N(0, 1): (b,)."""
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
    y_label="KL",
    caption="0 in the middle, where the cloud is N(0, 1). A cloud that is too narrow costs little, one "
    "that is too wide costs much.",
    numbers=f"log-variance -3 costs {kl(zeros, far)[0].item():.1f}, +3 costs "
    f"{kl(zeros, far)[-1].item():.1f}; a mean of 3 costs {kl(far, zeros)[-1].item():.1f}",
)

# %% [markdown]
# Now the whole loss. `encoder(x)` returns 2d numbers for each picture: first the mean, then
# `log_var`. `kl_weight` says how much the KL counts beside the squared error.


# %%
def vae_loss(x, encoder, decoder, noise, kl_weight):
    """Mean squared error of what a sample of the code decodes to, plus the weighted mean KL."""
    # BEGIN SOLUTION
    mean, log_var = encoder(x).chunk(2, dim=1)
    back = decoder(sample_code(mean, log_var, noise))
    return F.mse_loss(back, x) + kl_weight * kl(mean, log_var).mean()
    # END SOLUTION


vae_loss = check("06.vae_loss", vae_loss)

# %% [markdown]
# Train it: your encoder, your decoder, your sample, your KL, your loss. For as many steps as the
# plain autoencoder, with three weights: 0.001, ten times that, and none. **Guess** what the plane
# looks like with too much of the KL, and with none of it.


# %%
def train_vae(kl_weight):
    layers, g = new_layers(2, 4), torch.Generator().manual_seed(1)

    def loss_of(x):
        noise = torch.randn(len(x), 2, generator=g)
        return vae_loss(
            x, lambda x: encode(x, *layers[:2]), lambda z: decode(z, *layers[2:]), noise, kl_weight
        )

    train(layers.parameters(), batches(), loss_of, steps=STEPS, lr=2e-3)
    return layers


mine = {kl_weight: train_vae(kl_weight) for kl_weight in (1e-3, 1e-2, 0.0)}


# %%
@torch.no_grad()
def clouds_of(layers):
    """The means and the spreads of the codes of the test digits: (n, 2) each."""
    mean, log_var = encode(test_x, *layers[:2]).chunk(2, dim=1)
    return mean, (0.5 * log_var).exp()


means, spreads = clouds_of(mine[1e-3])
draw_plane(
    means,
    "your own variational autoencoder's plane: the codes lie around 0, and their clouds overlap.",
    f"spread of all codes {means.std().item():.1f}; of one cloud about {spreads.mean().item():.1f}; "
    f"the nearest neighbour is the same digit for {nearest_is_same(means):.0%}",
)

# %%
walks, far_from_all = {"plain": plain_walk}, {"plain": plain_far}
for kl_weight, layers in mine.items():
    name = f"KL weight {kl_weight:g}"
    walks[name] = walk(lambda z, layers=layers: decode(z, *layers[2:]), *box(clouds_of(layers)[0]))
    far_from_all[name] = nearest_digits(walks[name])[1]
show_pictures(
    [sheet(w) for w in walks.values()],
    list(walks),
    columns=2,
    size=300,
    caption="four planes, each as far as its own codes go, after equally many steps.",
    numbers="no digit: " + "; ".join(f"{name} {share:.0%}" for name, share in far_from_all.items()),
)

# %%
for kl_weight, layers in mine.items():
    means, spreads = clouds_of(layers)
    with torch.no_grad():
        error = F.mse_loss(decode(means, *layers[2:]), test_x).item()
    print(
        f"KL weight {kl_weight:<5g}: codes reach {means.abs().quantile(0.99):5.1f} from 0, one cloud has "
        f"spread {spreads.mean():.2f}, error {error:.2f}"
    )

# %% [markdown]
# **With ten times the weight** the network gives up part of its code to please the KL: the error
# grows and the pictures become averages. **With none** nothing holds the codes near 0, and the
# clouds shrink beside the distances between codes: the plain autoencoder again. The weight is a
# trade between a good copy and a plane without holes.
#
# The bundled `mnist_vae` is the same idea with one layer more on each side, trained for 12,000
# steps with weight 0.001. From here on we use it.

# %%
vae = weights.load_into(DigitVAE(2), "mnist_vae")
with torch.no_grad():
    vae_codes = vae.encode(test_x).mean
vae_walk = walk(vae.decode, *box(vae_codes))
found, vae_far = nearest_digits(vae_walk)
show_pictures(
    [sheet(vae_walk)],
    size=340,
    caption="the bundled one's plane, as far as its codes go: nearly every point is a digit, and one "
    "turns into the next.",
    numbers=f"no digit: {vae_far:.0%}; different digits found: {len(found)}",
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
first, last = test_x[test_y == 0][0], test_x[test_y == 1][0]
share = torch.linspace(0, 1, 8)
faded = torch.stack([(1 - s) * first + s * last for s in share])
with torch.no_grad():
    a, b = vae.encode(torch.stack([first, last])).mean
    walked = vae.decode(torch.stack([(1 - s) * a + s * b for s in share]))
show_pictures(
    torch.cat([faded, walked]),
    ["pixels", *[""] * 7, "codes", *[""] * 7],
    size=56,
    caption="above, half-way you see both digits at once, a 1 inside a 0; below, each picture is one "
    "shape, and it passes through other digits.",
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
    numbers=", ".join(f"{style} {d:.0f} dB" for style, d in by_style.items())
    + f"; a white sheet of paper {white.mean().item():.0f} dB",
)

# %% [markdown]
# Is that good? Let codecs made by people try with as many bytes. Our 256 numbers, in half precision,
# are 512 bytes. JPEG and the newer WebP get the best quality whose whole file fits into 512 bytes.
# **Guess** who wins.


# %%
def best_within(picture, kind, most=512):
    """The picture as the best file of this kind with at most `most` bytes returns it."""
    best = None
    for quality in range(0, 60, 2):
        file = io.BytesIO()
        to_pil_image((picture + 1) / 2).save(file, kind, quality=quality, optimize=True, method=6)
        if len(file.getvalue()) <= most:
            best = file
    if best is None:
        raise ValueError(f"no {kind} file of at most {most} bytes for this picture")
    return pil_to_tensor(Image.open(best).convert("RGB")).float() / 127.5 - 1


# %%
rivals = {
    "JPEG": torch.stack([best_within(p, "JPEG") for p in pictures]),
    "WebP": torch.stack([best_within(p, "WEBP") for p in pictures]),
    "ours": back,
}
decibels = {name: psnr(b, pictures).mean().item() for name, b in rivals.items()}
show_pictures(
    torch.cat([pictures, *rivals.values()]),
    ["original", *[""] * 7, *(t for name in rivals for t in (name, *[""] * 7))],
    size=64,
    caption="at most 512 bytes each. JPEG shows its blocks; WebP keeps the most detail.",
    numbers=", ".join(f"{name} {d:.0f} dB" for name, d in decibels.items()),
)

# %% [markdown]
# WebP wins. (Our emoji are stored as WebP files, which favours it; but it is a better codec.) So why
# latents, all the same? **Because a diffusion model must work on the code.** In a file every byte
# depends on those before it: change one, and the rest is lost. In a latent every number has its
# place, and a small change of it makes a small change of the picture. The next section tries it.

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
    numbers=f"{near.item():.0%} of the change lies within 24 x 24 of the 64 x 64 pixels, which are 14 % "
    "of them",
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
# which is the same: 1 divided by a spread of about 5.5. (Ours has four channels of different sizes.
# After training we changed the last layer of the encoder and the first of the decoder so that all
# four have mean 0 and one spread, and a single number suits them all.)

# %% [markdown]
# {fold Did the KL of section 5 not make the spread 1?}
# In the autoencoders for pictures its weight is tiny, so that little of the picture is lost. The
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
    "size are part of the layers, one scale does the rest.",
    numbers="spreads " + ", ".join(f"{s:.1f}" for s in codes.std(dim=(0, 2, 3)).tolist()),
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
# {fold 3. What happens to the clouds without the KL, and with ten times its weight?}
# Without: they shrink, or the codes move far apart, which is the same: noise only hurts the picture
# that comes back. With ten times: the code says less, and the pictures become averages.
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
# 2. With two numbers equal digits already lie near each other; with ten the error is much
#    smaller.
# 3. A variational autoencoder codes clouds and asks, by the KL, that they look like N(0, 1). For the
#    digits hardly a hole is left; for pictures the weight is tiny, and diffusion finds the codes.
# 4. Ours turns 12,288 numbers into 256 and loses edges and small marks.
# 5. One scale brings the codes to spread 1, which is what diffusion expects.

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# The encoder makes the latents that the UNet is trained on; the decoder turns the last latent into
# the picture you see. In between, everything happens on 1 / 48 of the numbers:
# [lesson 07](07_latent_diffusion.ipynb).
#
# Ours is trained on the squared and the absolute error of the pixels, with a small KL weight. Stable
# Diffusion's was also trained on a perceptual loss (compare what a trained network sees in both
# pictures) and against a critic, as in a GAN. Both make edges crisper.

# %% [markdown]
# ## Further reading
#
# - G. Hinton, R. Salakhutdinov: Reducing the Dimensionality of Data with Neural Networks (2006).
# - D. Kingma, M. Welling: Auto-Encoding Variational Bayes (2014).
# - I. Higgins and others: beta-VAE (2017), on the weight of the KL.
# - R. Rombach and others: High-Resolution Image Synthesis with Latent Diffusion Models (2022).
