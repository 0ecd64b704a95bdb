# title: Diffusion
# box: diffusion
# read: 50
# run: 45
# build: the walk from pure noise to a picture: ddim and ddpm, step by step.
# before: denoising ([lesson 03](03_denoising.ipynb)) and telling the level ([lesson 04](04_positional_encoding.ipynb)).
# gpu: no

# %% [markdown]
# ## 1. A drop of dye
#
# A drop of dye falls into a glass of water. It spreads until the water has the same colour everywhere. Every small step
# of this is easy to describe: each bit of dye moves about at random. Now run the film backwards: a drop forms out of the
# coloured water.
#
# We do this with pictures. Forwards, we add a little noise at a time, until nothing of the picture is left. Backwards, a
# network finds noise and we take it off, until there is a picture that **nobody ever took**.

# %%
from itertools import pairwise

import torch

from course_lib.datasets import fashion
from course_lib.display.plots import pictures_figure, show_curves, show_pictures

boots = fashion.load("train")  # (6000, 1, 32, 32)
show_pictures(
    boots[:24],
    columns=12,
    caption="what we learn from: 24 of the 6,000 photographs of ankle boots in Fashion-MNIST, grey, 32x32 "
    "with a margin.",
)

# %% [markdown]
# {fold And how is this different from a GAN?}
# A generative adversarial network (Goodfellow et al. 2014) makes a picture in one go; a second network, the critic (the
# paper says *discriminator*), learns to tell real from made, and the two train against each other. It is fast, and it gave
# the first convincing faces. But the contest is hard to keep in balance, and the first network may learn only the few
# pictures that please its critic.
#
# Diffusion needs many steps, but trains as in lesson 03: one loss, no opponent, every training picture counts. Neither is
# simply "old": GANs are still used where one step has to do.
# {end}

# %% [markdown]
# ## 2. Forwards: the picture fades, the noise comes up
#
# Lesson 03 *added* noise. Do that for long and the numbers grow without end. So here the picture fades as the noise comes
# up. A share $\bar\alpha$ ("alpha-bar") of the variance (the mean square around the mean) is picture, the rest is noise.
#
# **Guess:** at a share of one half, by what number is each of the two multiplied?


# %%
def add_noise(x0, noise, t, alpha_bar):
    """x0 and noise (b, c, h, w), times t (b,), alpha_bar (T,): the noisy pictures x_t."""
    # BEGIN SOLUTION
    abar = alpha_bar[t][:, None, None, None]  # (b, 1, 1, 1)
    return abar**0.5 * x0 + (1 - abar) ** 0.5 * noise
    # END SOLUTION


add_noise = check("05.add_noise", add_noise)

# %% [markdown]
# By the *root* of one half, 0.71: it is variances that add up, not sizes. How fast the picture fades is a choice, called
# the **schedule**. It is a list of 1,000 numbers alpha-bar, from nearly 1 (t = 0) to nearly 0 (t = 999).

# %%
from course_lib import schedule

kinds = {
    "linear": schedule.linear(),
    "cosine": schedule.cosine(),
    "scaled linear": schedule.scaled_linear(),
}
show_curves(
    {name: (list(range(0, 1000, 25)), s.alpha_bar[::25].tolist()) for name, s in kinds.items()},
    x_label="t",
    y_label="alpha-bar: share of picture",
    caption="three schedules. Linear (2020) is nearly all noise at two thirds; cosine (2021) is even; "
    "scaled linear is Stable Diffusion's.",
    numbers=", ".join(
        f"{name} is below one half from t = {int((s.alpha_bar < 0.5).int().argmax())}"
        for name, s in kinds.items()
    ),
)

# %%
s = schedule.cosine()
t = torch.tensor([0, 100, 250, 400, 550, 700, 850, 999])
g = torch.Generator().manual_seed(0)
noise = torch.randn(8, 1, 32, 32, generator=g)
xt = add_noise(boots[3].expand(8, -1, -1, -1), noise, t, s.alpha_bar)
show_pictures(
    xt,
    [f"t = {i}" for i in t.tolist()],
    caption="the film forwards, under the cosine schedule: one boot, eight of the thousand times.",
    numbers="signal " + ", ".join(f"{a:.2f}" for a in s.alpha_bar[t].sqrt().tolist()),
)

# %%
x0, noise = torch.randn(2, 4000, 1, 4, 4, generator=g)  # made-up pictures of variance 1
spread = [add_noise(x0, noise, torch.full((4000,), i), s.alpha_bar).var().item() for i in t]
print("the variance stays 1, all along:", all(abs(v - 1) < 0.02 for v in spread))

# %% [markdown]
# Note that we *jump* to time t and do not add noise t times to get there. Many little noisings come to the same mixture,
# because each multiplies the picture's share: alpha-bar is a product. That makes training cheap. The next cell tries it.
#
# {fold In symbols}
# One small step: $x_t = \sqrt{\alpha_t}\, x_{t-1} + \sqrt{1-\alpha_t}\, z_t$. All of them at once:
# $x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1-\bar\alpha_t}\, z$ with $\bar\alpha_t = \prod_{s \le t} \alpha_s$ (Ho et al. 2020,
# equation 4). The variance of $x_t$ is $\bar\alpha_t \operatorname{var}(x_0) + 1 - \bar\alpha_t$.
# {end}

# %%
x = torch.full((20_000,), 2.0)  # 20,000 copies of one pixel of value 2
for i in range(300):  # 300 small noisings
    alpha = s.item(i) / s.item(i - 1)  # item(-1) is the clean picture's: 1
    x = alpha**0.5 * x + (1 - alpha) ** 0.5 * torch.randn(20_000, generator=g)
jump = s.item(299)
print(
    "mean as after one jump:",
    abs(x.mean().item() - 2 * jump**0.5) < 0.03,
    "  variance as after one jump:",
    abs(x.var().item() - (1 - jump)) < 0.03,
)

# %% [markdown]
# Now the other way. If somebody tells you the noise, what was the picture? "Subtract the noise" is not the whole answer
# any more, since the picture has faded as well.


# %%
def predict_x0(xt, noise, t, alpha_bar):
    """The picture in xt (b, c, h, w), if `noise` is the noise that was mixed in."""
    # BEGIN SOLUTION
    abar = alpha_bar[t][:, None, None, None]
    return (xt - (1 - abar) ** 0.5 * noise) / abar**0.5
    # END SOLUTION


predict_x0 = check("05.predict_x0", predict_x0)

# %% [markdown]
# ## 3. Training: a random time, a random noise
#
# The loss is lesson 03's, with the time told as in lesson 04: pick pictures, pick a time for each, mix in noise, and score
# the network's guess of the noise. That is all there is to training a diffusion model.

# %%
from course_lib.training import train
from course_lib.unet import pixel_32


def loss_of(x0):
    t = torch.randint(1000, (len(x0),))
    noise = torch.randn(x0.shape)
    guess = unet(add_noise(x0, noise, t, s.alpha_bar), t)
    return ((guess - noise) ** 2).mean()


# %%
torch.manual_seed(0)
unet = pixel_32()
order = torch.randint(len(boots), (40, 16))
losses = train(unet.parameters(), [boots[i] for i in order], loss_of, steps=40, lr=2e-3)
show_curves(
    {"loss": losses},
    x_label="step",
    y_label="mean squared error",
    caption="forty steps: the loss falls from 1 (guessing nothing) at once, and would go on falling for long.",
    numbers=f"begins near 1: {abs(losses[0] - 1) < 0.1}; ends below 0.7: {min(losses[-5:]) < 0.7}",
)

# %% [markdown]
# Forty steps are a beginning. From here on we use the same network after a longer run. It comes with the course.

# %%
from course_lib.files import weights

weights.load_into(unet, "pixel_diffusion")
card = weights.card("pixel_diffusion")
print(f"{sum(p.numel() for p in unet.parameters()):,} numbers, trained on the same 6,000 boots")

# %% [markdown]
# ## 4. All the noise at once
#
# Here is a boot, mostly drowned: t = 650. The network guesses the noise, and we take it *all* off. One step, as in lesson 03.
# **Guess:** what will we see?

# %%
from course_lib.samplers import clipped

model = clipped(unet, s)  # never believes in pixels beyond [-1, 1]; section 7 shows why
g = torch.Generator().manual_seed(1)
t = torch.tensor([650])
boot = fashion.load("test")[[5]]
drowned = add_noise(boot, torch.randn(boot.shape, generator=g), t, s.alpha_bar)
with torch.no_grad():
    at_once = predict_x0(drowned, model(drowned, t), t, s.alpha_bar)
show_pictures(
    torch.cat([boot, drowned, at_once]),
    ["the boot", "drowned, t = 650", "all noise off at once"],
    size=160,
    caption="all the noise at once: the shape of a boot, but soft, without details of its own.",
)

# %% [markdown]
# Many boots could have drowned there. Below, 24 walks of many *small* steps begin at that one noisy picture (we build
# such walks in a moment). Each ends at a boot of its own. **Guess:** what does the mean of the 24 boots look like?

# %%
from course_lib.samplers import ddpm

down = [*range(650, 0, -50), -1]
*_, end = ddpm(model, drowned.expand(24, -1, -1, -1), s, down, g)


def rms(a, b):
    return (a - b).square().mean(dim=(1, 2, 3)).sqrt()


mean = end.x.mean(dim=0, keepdim=True)
show_pictures(
    torch.cat([end.x[:5], mean, at_once]),
    ["walk 1", "walk 2", "walk 3", "walk 4", "walk 5", "mean of 24 walks", "all at once"],
    caption="small steps end at different, crisper boots; their mean looks like what the one big step gave.",
    numbers=f"the big step is nearer to the mean than to 20 or more of the 24: "
    f"{int((rms(end.x, at_once) > rms(mean, at_once)).sum()) >= 20}",
)

# %% [markdown]
# That is why one big step gives a blur: the guess with the smallest squared error is the **mean** of all that is still
# possible. It is the right answer to the question, but not a picture.
#
# It is a *direction*, though. Go a little way towards it, and fewer boots are still possible; so the next guess is sharper.
#
# ## 5. In small steps
#
# Which times shall we visit? We go in equal steps from the noisiest time down to -1, the clean picture.


# %%
def times(num_train_timesteps, num_inference_steps):
    """`num_inference_steps` times, then -1: equal steps down from num_train_timesteps - 1."""
    # BEGIN SOLUTION
    return [
        round(num_train_timesteps * (num_inference_steps - i) / num_inference_steps) - 1
        for i in range(num_inference_steps)
    ] + [-1]
    # END SOLUTION


times = check("05.times", times)

# %%
start = torch.randn(8, 1, 32, 32, generator=torch.Generator().manual_seed(5))  # pure noise
print("in 5 num_inference_steps: ", times(1000, 5))
print("in 10 num_inference_steps:", times(1000, 10))

# %% [markdown]
# One move of **DDIM** (denoising diffusion implicit model): guess the picture; then put the *same* noise back, but only as
# much as belongs to the next time.


# %%
def ddim_step(x, noise, abar, abar_next):
    """From x at share abar to share abar_next (both numbers); `noise` is the network's guess."""
    # BEGIN SOLUTION
    x0 = (x - (1 - abar) ** 0.5 * noise) / abar**0.5
    return abar_next**0.5 * x0 + (1 - abar_next) ** 0.5 * noise
    # END SOLUTION


ddim_step = check("05.ddim_step", ddim_step)


# %%
@torch.no_grad()
def walk(x, num_inference_steps):
    """Your sampler: the pictures after every move, and the guess of the clean one before it."""
    ts = times(1000, num_inference_steps)
    for t, t_next in pairwise(ts):
        now = torch.full((len(x),), t)
        noise = model(x, now)
        guess = predict_x0(x, noise, now, s.alpha_bar)
        x = ddim_step(x, noise, s.item(t), s.item(t_next))
        yield t_next, x, guess


film = list(walk(start, 20))
made = film[-1][1]
show_pictures(
    made,
    caption="eight boots that were never photographed: your own walk from noise, in 20 steps.",
)

# %% [markdown]
# **These boots do not exist.** Watch one of them come about. **Guess:** what is decided first, the outline or the laces?

# %%
moments = [0, 2, 5, 8, 11, 14, 17, 19]
show_pictures(
    [film[i][1][2] for i in moments] + [film[i][2][2] for i in moments],
    [f"t = {film[i][0]}" for i in moments] + [""] * 8,
    caption="above, x_t; below, the guess of x_0 that led to it: at first a wild blotch (clipped: "
    "section 7), then an outline, then the details.",
)

# %% [markdown]
# ## 6. The same walk in other clothes
#
# Divide $x$ by the root of its share: $y = x / \sqrt{\bar\alpha}$ is picture *plus* $\sigma$ times noise, with
# $\sigma = \sqrt{1/\bar\alpha - 1}$, just as in lesson 03. Raise $\sigma$ a little, and $y$ changes by that much noise: the noise is
# the slope of $y$ along $\sigma$. Following a slope in small straight steps is **Euler's method**, from 1768.


# %%
def euler(x, noise, abar, abar_next):
    """One Euler step for y = x / sqrt(abar) along sigma, and back to x."""
    sigma, sigma_next = (1 / abar - 1) ** 0.5, (1 / abar_next - 1) ** 0.5
    y = x / abar**0.5 + (sigma_next - sigma) * noise
    return abar_next**0.5 * y


x, z = torch.randn(2, 4, 1, 8, 8, generator=g)
pairs = [(0.1, 0.3), (0.5, 0.9), (0.02, 1.0)]
same = all(torch.allclose(ddim_step(x, z, *p), euler(x, z, *p), atol=1e-4) for p in pairs)
print("your ddim_step is Euler's method:", same)

# %% [markdown]
# So everything known since Euler about following slopes helps here. **Heun** looks where the step would land and takes the
# mean of the slopes at both ends. **DPM-Solver++** also uses its last guess. And **DDPM** (denoising diffusion
# probabilistic model), the oldest of the four, does not follow a slope: it guesses the picture, moves part of the way, and
# adds a little *fresh* noise.

# %% [markdown]
# The share of variance that such a move would keep, walked forwards, is $\alpha = \bar\alpha / \bar\alpha_{\text{next}}$.
# The guess $x_0$ gets the weight $\sqrt{\bar\alpha_{\text{next}}}\,(1-\alpha)$, and $x$ gets
# $\sqrt{\alpha}\,(1-\bar\alpha_{\text{next}})$, both divided by $1-\bar\alpha$. The fresh noise has the variance
# $(1-\alpha)\,(1-\bar\alpha_{\text{next}}) / (1-\bar\alpha)$.
#
# {fold Where these come from, in the symbols of the paper}
# Given $x_t$ and $x_0$, where was $x_{t-1}$? Two Gaussians say so, one from each side, and multiplied they give
# $\mathcal{N}(\tilde\mu_t, \tilde\beta_t)$ with
# $\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\,(1-\alpha_t)}{1-\bar\alpha_t} x_0 + \frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t} x_t$ and
# $\tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t} (1-\alpha_t)$ (Ho et al. 2020, equations 6 and 7).
# {end}


# %%
def ddpm_step(x, x0, fresh, abar, abar_next):
    """From x and the guess x0: a weighted mean, plus `fresh` noise of the small variance."""
    # BEGIN SOLUTION
    alpha = abar / abar_next
    mean = (abar_next**0.5 * (1 - alpha) * x0 + alpha**0.5 * (1 - abar_next) * x) / (1 - abar)
    variance = (1 - abar_next) / (1 - abar) * (1 - alpha)
    return mean + variance**0.5 * fresh
    # END SOLUTION


ddpm_step = check("05.ddpm_step", ddpm_step)

# %%
from course_lib.samplers import ddim, dpm_solver_pp, heun

samplers = {
    "ddpm": lambda x, ts: ddpm(model, x, s, ts, torch.Generator().manual_seed(1)),
    "ddim": lambda x, ts: ddim(model, x, s, ts),
    "heun": lambda x, ts: heun(model, x, s, ts),
    "dpm++": lambda x, ts: dpm_solver_pp(model, x, s, ts),
}
ts = times(1000, 10)
both = zip(ddim(model, start, s, ts), walk(start, 10), strict=True)
agree = all(torch.allclose(step.x, x, atol=1e-3) for step, (_, x, _) in both)
print("the course's ddim and yours walk the same way:", agree)

# %% [markdown]
# Each of the four is a *generator*: `for step in ddim(...)` gives one move at a time. None of them knows what a UNet is.
#
# We try each from two seeds, with 5, 10, 25 and 50 steps. **Guess:** which sampler needs many steps, and for which are few
# enough?

# %%
rows = []
for sampler in samplers.values():
    for num_inference_steps in (5, 10, 25, 50):
        *_, last_step = sampler(start[:2], times(1000, num_inference_steps))
        rows += list(last_step.x)
labels = [f"{name} {n}" for name in samplers for n in (5, 5, 10, 10, 25, 25, 50, 50)]
show_pictures(
    rows,
    labels,
    caption="rows: the samplers; columns: 5, 10, 25 and 50 steps, two seeds each. ddim and dpm++ give a seed nearly the "
    "same boot, however many steps; ddpm rolls dice on the way; heun stumbles while its steps are large.",
)

# %% [markdown]
# Heun, the careful one, does worst? It follows the slope along $\sigma$, so look at where its steps lie:

# %%
for num_inference_steps in (10, 50):
    sigmas = [(1 / s.item(t) - 1) ** 0.5 for t in times(1000, num_inference_steps)]
    print(
        f"{num_inference_steps} num_inference_steps: sigma goes "
        + ", ".join(f"{x:.1f}" for x in sigmas[:4])
        + ", ... 0"
    )

# %% [markdown]
# Its first step is by far the longest: with 10 steps from 642 to 6. ddim takes the same step and comes through; why not
# Heun? **Guess** before you read on.

# %% [markdown]
# The slope is ($y$ minus the guessed picture) / $\sigma$. Where the step begins, an error of the guess is divided by 642
# before it is multiplied by 636: it lands as large as it was, and clipping keeps it small. Heun takes half of its slope
# from the far end, where the error is divided by 6 only, and comes out some fifty times as large.

# %% [markdown]
# So Heun needs shorter first steps (Karras et al. choose the times to suit it; we do not try that here). DPM-Solver++ walks
# along the *logarithm* of signal over noise, where the same times lie more evenly.

# %% [markdown]
# ## 7. How good, and at what price?
#
# The price is how often the network is asked (Heun asks twice a step). Quality we measure by the **Fréchet distance**
# between made and real pictures. It compares means and covariances (how much each number varies, and which vary together),
# once of whole boots shrunk to 8x8 (are the *shapes* as various as real ones?), once of 8x8 patches (are the *textures* as
# sharp?).
#
# The comparison is fair: no network has a say in it, every set has the same size, and real boots that were never trained
# on are scored too.

# %%
table = card["distance"]
print(
    f"means over {card['sets']} sets of {card['pictures']} made pictures, against the training set; "
    f"sets of real unseen boots: shape {table['real'][0]:.2f}, texture {table['real'][1]:.2f}\n"
)
print("asked     " + "".join(f"{n:>14}" for n in card["evaluations"]))
for name in ("ddpm", "ddim", "heun", "dpm_solver_pp"):
    row = [f"{a:6.2f} {b:5.2f}" for a, b in table[name]]
    print(f"{name.replace('dpm_solver_pp', 'dpm++'):13} " + "  ".join(row) + "   (shape, texture)")

# %%
show_curves(
    {
        name.replace("dpm_solver_pp", "dpm++"): (card["evaluations"], [sum(p) for p in table[name]])
        for name in ("ddpm", "ddim", "heun", "dpm_solver_pp")
    }
    | {"real boots": (card["evaluations"], [sum(table["real"])] * len(card["evaluations"]))},
    x_label="how often the network was asked",
    y_label="distance, shape + texture",
    log_y=True,
    height=360,
    caption="the measured distance to real boots, lower is better; the level line is what as many real, unseen boots "
    "score. ddim and dpm++ lie on one another.",
)

# %%
at_25 = {name: sum(table[name][2]) for name in ("ddpm", "ddim", "heun", "dpm_solver_pp")}
print("nearest to real boots, when asked 25 times:", min(at_25, key=at_25.get))
print(
    "as near as unseen real ones, within a tenth:", min(at_25.values()) < 1.1 * sum(table["real"])
)

# %% [markdown]
# A surprise? The oldest sampler comes nearest. A likely reason is its fresh noise: what one step got wrong, the next ones see
# and mend, while ddim carries an early mistake to the end. The better the network, the fewer mistakes there are to mend; for
# large networks, samplers without fresh noise are usually better at few steps.

# %% [markdown]
# Asked 50 times, ddpm even comes *nearer* to the training boots than unseen real boots do. Sets of 32 differ by chance, so a
# little means nothing. But nearer than real can also mean *copied*: the next section looks.
#
# The table was measured when the weights were made, by the recipe `pixel_diffusion`. Here we measure again, with other
# noise and other steps. Compare sets of equal size only: few pictures seem farther off than many.

# %%
from course_lib.metrics.frechet import nearest, picture_distance

noise = torch.randn(32, 1, 32, 32, generator=torch.Generator().manual_seed(3))
*_, ten = dpm_solver_pp(model, noise, s, times(1000, 10))
*_, three = dpm_solver_pp(model, noise, s, times(1000, 3))
real = sum(picture_distance(fashion.load("test")[:32], boots))
off = [sum(picture_distance(step.x, boots)) for step in (three, ten)]
print(
    f"3 steps are farther from real boots than 10: {off[0] > off[1]}; "
    f"unseen real boots are nearest: {real < min(off)}"
)

# %% [markdown]
# **Clipping.** At t = 999 the picture's share is tiny, and `predict_x0` divides by its root: a guess of the noise that is
# off by 1 makes a picture that is off by hundreds. Pixels live in [-1, 1], so `clipped` brings the guess of the picture back
# there. What happens without it?

# %%
raw = unet.eval()
*_, wild = ddim(raw, start, s, times(1000, 10))
*_, tame = ddim(model, start, s, times(1000, 10))
show_pictures(
    torch.cat([wild.x[:6], tame.x[:6]]),
    columns=6,
    caption="above, without clipping; below, with it: the same noise, network and steps.",
    numbers=f"1 / sqrt(alpha-bar) at t = 999: {s.item(999) ** -0.5:.0f}; "
    f"clipped stays within [-1, 1]: {bool(tame.x.abs().max() < 1.001)}; "
    f"unclipped does too: {bool(wild.x.abs().max() < 1.001)}",
)

# %% [markdown]
# ## 8. New, or copied?
#
# A machine that stored its 6,000 boots and showed us one of them would do just as well so far. So below each made boot we
# put the training boot that is nearest to it. **Guess** before you look: are they copies?

# %%
index, apart = nearest(made, boots)
test_apart = nearest(fashion.load("test")[:200], boots)[1]
show_pictures(
    torch.cat([made, boots[index]]),
    [f"made {i}" for i in range(8)] + [f"{a:.2f} away" for a in apart],
    caption="above, made; below, the nearest of 6,000 training boots: related, not equal.",
    numbers=f"an exact copy among them (below 0.02): {bool((apart < 0.02).any())}; "
    f"unseen real boots are {test_apart.median():.2f} from their nearest, in the median",
)

# %% [markdown]
# {fold How to read the distances}
# The distance is the root of the mean squared difference of all pixels; 0 would be a copy. (A copy that is shifted,
# mirrored or lighter would slip through: pixel by pixel it is far away.) A *real* boot that was not trained on also has a
# near neighbour among 6,000, so that is what to compare with. Larger models on fewer pictures do copy some of them: lesson
# 12 comes back to it.
# {end}
#
# ## 9. Play
#
# Move through a walk: x at time t, and the guess of the clean picture. Another seed gives another boot.

# %%
from course_lib.display.widgets import explore, slider


def scrub(seed, step):
    x = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(seed))
    t, x, guess = list(walk(x, 20))[step - 1]
    return pictures_figure(
        [x[0], guess[0]], [f"x at t = {t}", "the guess before it"], size=180
    ), f"t = {t}"


explore(
    scrub,
    seed=slider(0, 50, 4),
    step=slider(1, 20, 9),
    caption="where the walk is after so many of its 20 steps, and what the network expects there.",
)

# %% [markdown]
# ## 10. Break it on purpose
#
# What if the network were told wrong times? We keep the steps and tell it, at every one of them, that it is half-way
# (t = 500). And what if all steps were one, from noise to picture at once?


# %%
def confused(x, t):
    return model(x, torch.full_like(t, 500))


ts = times(1000, 20)
*_, lied = ddim(confused, start, s, ts)
*_, once = ddim(model, start, s, times(1000, 1))
*_, right = ddim(model, start, s, ts)
rows = [right.x[:6], lied.x[:6], once.x[:6]]
far = [sum(picture_distance(r, boots)) for r in (right.x, lied.x, once.x)]
show_pictures(
    torch.cat(rows),
    columns=6,
    caption="from the top: as it should be; told the wrong time at every step; all in one step.",
    numbers=f"both are farther from real boots: {min(far[1:]) > far[0]}",
)

# %% [markdown]
# ## 11. A look inside
#
# At which times is the network good at its task? Its loss, time by time, on boots it never saw. **Guess:** where is finding
# the noise easy, and where hard?


# %%
@torch.no_grad()
def loss_at(t):
    """Mean squared error of the guessed noise at one time, on 48 unseen boots."""
    x0 = fashion.load("validation")[:48]
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(2))
    now = torch.full((48,), t)
    return ((unet(add_noise(x0, noise, now, s.alpha_bar), now) - noise) ** 2).mean().item()


ts = [0, 20, 50, 100, 200, 400, 600, 800, 999]
by_time = [loss_at(t) for t in ts]
show_curves(
    {"loss": (ts, by_time)},
    x_label="t",
    y_label="error of the guessed noise",
    log_y=True,
    caption="in nearly pure noise, finding the noise is easy: it is nearly all there is. Little noise is hard to find.",
    numbers=f"t = 0 is harder than t = 400: {by_time[0] > by_time[5]}",
)

# %% [markdown]
# But an easy guess can matter much: at large t a tiny error in the noise is a large one in the picture. Early steps decide
# *which* boot it will be, late ones its details. We test it: four walks go half-way once, and are then finished twice.

# %%
half = film[9][1]  # after ten of twenty steps
finals = []
for seed in (1, 2):
    tail = [t for t in times(1000, 20) if t <= film[9][0]]
    *_, end = ddpm(model, half[:4], s, tail, torch.Generator().manual_seed(seed))
    finals.append(end.x)
alike = (finals[0] - finals[1]).square().mean().sqrt() < (
    made[:4] - made[4:]
).square().mean().sqrt()
show_pictures(
    torch.cat(finals),
    columns=4,
    size=90,
    caption="four walks, half-way the same, then finished with other fresh noise (rows): related boots, other details.",
    numbers=f"more alike than different boots: {bool(alike)}",
)

# %% [markdown]
# ## Check yourself
#
# **1.** Why are picture and noise multiplied by *roots*?
# {fold Answer}
# Variances add up, not sizes: the squares of the two factors must come to 1. Then pictures of variance 1 keep it.
# {end}
# **2.** Why does one big step give a blur?
# {fold Answer}
# Because the best guess, by squared error, is the mean of everything that is still possible.
# {end}
# **3.** Same start, same model, ddim in 25 and in 50 steps: why nearly the same boot?
# {fold Answer}
# Both follow the same slope, without chance; more steps only follow it more closely.
# {end}

# %% [markdown]
# **4.** What does ddpm have that ddim has not?
# {fold Answer}
# Fresh noise at every step. The course's `ddim` adds it too when called with `eta=1`, and then they are equal.
# {end}
# **5.** How would you find out whether a model copies?
# {fold Answer}
# Look for the nearest training picture of each made one, and compare with how near *unseen real* pictures come.
# {end}

# %% [markdown]
# ## Recap
#
# Forwards, the picture fades and noise comes up, with shares that a schedule sets. A network learns to find the noise at
# any time. Backwards, we guess the picture, and go only part of the way, again and again. DDIM follows a slope, as Euler
# did; Heun and DPM-Solver++ follow it more cleverly, if the times suit them; DDPM adds fresh noise. By this measure the
# results are new: near the training pictures, not equal to them.

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# The loop around the UNet in the drawing is this walk. Stable Diffusion has the same add_noise, the scaled linear schedule, a
# larger UNet, and any of these samplers, usually with 20 to 50 steps. Two things are missing: it walks through latents and
# not through pixels (lessons 06 and 07), and it listens to words (08 to 11).

# %% [markdown]
# **Further reading.** Sohl-Dickstein et al., *Deep unsupervised learning using nonequilibrium thermodynamics* (2015). Ho et
# al., *Denoising diffusion probabilistic models* (2020). Song et al., *Denoising diffusion implicit models* (2020). Karras
# et al., *Elucidating the design space of diffusion-based generative models* (2022). Lu et al., *DPM-Solver++* (2022).
# Xiao, Rasul and Vollgraf, *Fashion-MNIST* (2017).
