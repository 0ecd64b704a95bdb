# title: Cross-attention
# box: cross-attention
# read: 40
# run: 50
# build: a denoiser that listens to words, and maps of which pixel listened to which.
# before: [lesson 05](05_diffusion.ipynb) and [lesson 09](09_self_attention.ipynb).
# gpu: yes

# %%
from copy import deepcopy

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from course_lib.attention import CrossAttention, SpatialTransformer
from course_lib.diffusion import noise_loss
from course_lib.display.plots import (
    PALETTE,
    new_figure,
    pictures_figure,
    show_curves,
    show_figure,
    show_heatmap,
    show_pictures,
)
from course_lib.display.widgets import choice, explore
from course_lib.metrics.attention_maps import attention_maps, record_attention
from course_lib.samplers import clipped, ddim, guided, times
from course_lib.schedule import cosine
from course_lib.toys.two_shapes import (
    COLOURS,
    LENGTH,
    SIZE,
    WORDS,
    colours_found,
    decode,
    draw,
    encode,
)
from course_lib.training import train
from course_lib.unet import UNet, stable_diffusion

# %% [markdown]
# ## 1  Which pixels look at which?
#
# Lesson 09's attention worked on words. Pixels can do it too: a picture of 16 x 16 is a sentence of
# 256 tokens. Take each pixel's colour as its query, key and value (three times the colour, so that
# the softmax makes a clear choice). **Guess:** where does a pixel of one of the two shapes look?

# %%
world = draw(2000, seed=0)
picture, caption, place = world.pictures[1:2], decode(world.ids[1]), world.places[1, 0]
show_pictures(
    world.pictures[:6],
    [decode(ids) for ids in world.ids[:6]],
    columns=6,
    caption="this lesson's small world: two shapes side by side, and captions that say all of it.",
)


# %%
def looks_from(row, column):
    pixels = rearrange(picture[0], "c h w -> (h w) c") * 3
    weights = (pixels @ pixels.T).softmax(dim=1)  # (256, 256): who looks at whom
    return weights[row * SIZE + column].reshape(SIZE, SIZE)


rows, columns = place.nonzero().T
here = (int(rows.float().mean()), int(columns.float().mean()))
inside = looks_from(*here)[place].sum()
show_heatmap(
    looks_from(*here),
    width=320,
    caption="one pixel of the blue disc (second picture above) looks at all of the disc, and nowhere else.",
    numbers=f"more than nine tenths of its attention lies inside the shape: {bool(inside > 0.9)}",
)

# %% [markdown]
# That is **self-attention**. A 3 x 3 convolution sees one pixel to each side; here each pixel sees
# all of them. The price: every pixel is compared with every pixel.

# %%
for side in (8, 16, 32, 64):
    print(f"{side} x {side}: {side**2:5,} tokens, {side**4:12,} pairs")

# %% [markdown]
# ## 2  Words into the picture
#
# Now one change. The **query** still comes from the pixel. The **keys and values** come from the
# words: each pixel asks the caption. Nothing else is new.


# %%
def cross_attention(pixels, words, to_q, to_k, to_v):
    """pixels (b, n, d_x) gather from words (b, m, d_context): (b, n, d).

    `to_q` is a matrix (d_x, d), `to_k` and `to_v` are (d_context, d).
    """
    # BEGIN SOLUTION
    q, k, v = pixels @ to_q, words @ to_k, words @ to_v
    weights = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(dim=-1)
    return weights @ v
    # END SOLUTION


cross_attention = check("11.cross_attention", cross_attention)

# %%
layer, x, words = CrossAttention(8, 6, heads=1), torch.randn(2, 9, 8), torch.randn(2, 4, 6)
mine = cross_attention(x, words, layer.to_q.weight.T, layer.to_k.weight.T, layer.to_v.weight.T)
same = torch.allclose(layer.to_out(mine), layer(x, words), atol=1e-5)
print("the same as the course's CrossAttention with one head:", same)

# %% [markdown]
# To know what should come out, let the vector of a word be the colour that it names. **Guess** the
# map of *blue*: how much each pixel listens to that word.


# %%
def heat_map(weights, word, height):
    """From weights (b, heads, h w, m), one word's map, mean over heads: (b, h, w)."""
    # BEGIN SOLUTION
    return rearrange(weights[..., word].mean(dim=1), "b (h w) -> b h w", h=height)
    # END SOLUTION


heat_map = check("11.heat_map", heat_map)

# %%
names = [*COLOURS, "white"]
meaning = torch.tensor([*COLOURS.values(), (1.0, 1.0, 1.0)])  # (5, 3)
pixels = rearrange(picture, "b c h w -> b (h w) c")
weights = (4 * pixels @ F.normalize(meaning, dim=1).T).softmax(dim=-1)[:, None]  # one head
show_pictures(
    [picture[0], *(2 * heat_map(weights, i, SIZE) - 1 for i in range(5))],
    [caption, *names],
    columns=6,
    caption="the picture, then one map a word: each lights up where its colour is.",
)

# %% [markdown]
# {fold In symbols}
# $$\text{softmax}\!\left(\frac{(X W_Q)(C W_K)^\top}{\sqrt d}\right) C\, W_V$$
#
# With $X$ the pixels and $C$ the context. Put $X$ for $C$ and it is self-attention.
# {end}
#
# ## 3  The block inside the UNet
#
# A UNet works on pictures (b, c, h, w), attention on tokens (b, n, d). So the picture is flattened
# to tokens, the tokens exchange what they know, and the result is folded back to a picture and
# **added** to the one before. `mix` is whatever the tokens do among themselves.


# %%
def over_pixels(picture, mix):
    """Let `mix` work on the pixels of (b, c, h, w) as tokens (b, h w, c); add what it says."""
    # BEGIN SOLUTION
    tokens = rearrange(picture, "b c h w -> b (h w) c")
    return picture + rearrange(mix(tokens), "b (h w) c -> b c h w", h=picture.shape[2])
    # END SOLUTION


over_pixels = check("11.over_pixels", over_pixels)

# %%
blurred = over_pixels(picture, lambda tokens: 0.5 * tokens.roll(1, dims=1) - 0.5 * tokens)
show_pictures(
    [picture[0], blurred[0]],
    ["before", "each pixel meets its left neighbour"],
    size=160,
    caption="half of each pixel's left neighbour is mixed in, so the shapes smear to the right.",
)

# %% [markdown]
# The course's `SpatialTransformer` puts three parts in place of `mix`: self-attention,
# cross-attention, and a small network at each token. The last layer of the block starts at zero.
# **Guess** what a new block does.

# %%
block = SpatialTransformer(16, d_context=6, heads=2)
x = torch.randn(1, 16, 5, 7)
print("a new block passes the picture on:", torch.equal(block(x, words[:1]), x))
with torch.device("meta"):
    real = stable_diffusion()
blocks = [m for m in real.modules() if isinstance(m, SpatialTransformer)]
print("Stable Diffusion's UNet has", len(blocks), "of them, each told the caption again")

# %% [markdown]
# ## 4  A denoiser that is told the words
#
# Each word of the small world gets a vector, and each place in the caption gets one, too. They are
# learned together with the UNet. **Think** of *a red disc and a blue square*: what would be lost
# without the places?


# %%
class Reader(nn.Module):
    """Seven word numbers (b, 7) to a context (b, 7, d)."""

    def __init__(self, d):
        super().__init__()
        self.words = nn.Embedding(len(WORDS), d)
        self.places = nn.Parameter(torch.randn(LENGTH, d))

    def forward(self, ids):
        return self.words(ids) + self.places


# %% [markdown]
# Without the places, *a red disc and a blue square* and *a blue disc and a red square* would give
# the same set of vectors, and attention could not tell which colour belongs to which shape.
#
# Later we shall ask the same network *without* a caption, too. So in training about one caption in
# ten is replaced by the empty one. `coins` are random numbers from 0 to 1, one for each example.


# %%
def drop_captions(context, empty, coins, chance):
    """context (b, m, d), empty (m, d), coins (b,): the empty text where a coin is below chance."""
    # BEGIN SOLUTION
    return torch.where((coins < chance)[:, None, None], empty, context)
    # END SOLUTION


drop_captions = check("11.drop_captions", drop_captions)

# %% [markdown]
# Now the network: a small UNet, with the block where its pictures are smallest, and a `Reader` for
# the captions. `told` gives the loss of lesson 05 for the pictures in the rows `i`, with some of
# their captions dropped.

# %%
torch.manual_seed(0)
big = device.type == "cuda"  # a GPU trains a wider one, for longer
unet = UNet(3, (96, 192) if big else (32, 64), (False, True), d_context=32, heads=2).to(device)
reader, schedule = Reader(32).to(device), cosine(1000)
empty_ids = encode("").to(device)
g = torch.Generator(device).manual_seed(0)
pictures, ids = world.pictures.to(device), world.ids.to(device)


def told(i, model, reader):
    coins = torch.rand(len(i), generator=g, device=device)
    context = drop_captions(reader(ids[i]), reader(empty_ids), coins, 0.1)
    return noise_loss(lambda x, t: model(x, t, context), pictures[i], schedule, g)


# %%
def batches():
    while True:
        yield torch.randint(len(ids), (32,), generator=g, device=device)


weights_of_both = [*unet.parameters(), *reader.parameters()]
losses = train(
    weights_of_both,
    batches(),
    lambda i: told(i, unet, reader),
    steps=2000 if big else 200,
    lr=2e-3,
)

# %%
smooth = torch.tensor(losses).unfold(0, 20, 5).mean(dim=1)
show_curves(
    {"loss": smooth},
    x_label="steps, in fives",
    y_label="loss, mean of 20",
    caption="the loss falls fast at first, then slowly and for long.",
)

# %% [markdown]
# **Guidance** helps a network that listens too little. It takes two predictions, one with the
# caption and one with the empty caption, and goes from the second to the first and further: scale
# 1 stops at the first, scale 3 goes three times as far. Lesson 12 builds it.


# %%
def paint(captions, scale=3.0, seed=0, steps=20, model=unet, reader=reader):
    """Pictures (n, 3, 16, 16) of these captions, by guided DDIM."""
    n = len(captions)
    with torch.no_grad():
        context = reader(torch.stack([encode(c) for c in captions]).to(device))
        nothing = reader(empty_ids).expand(n, -1, -1)
    both = guided(lambda x, t: model(x, t, context), lambda x, t: model(x, t, nothing), scale)
    start = torch.randn(n, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    *_, last = ddim(clipped(both, schedule), start.to(device), schedule, times(1000, steps))
    return last.x.cpu()


# %%
unseen = draw(32, seed=1)
captions = [decode(row) for row in unseen.ids]
plain, strong = paint(captions[:6], scale=1.0), paint(captions[:16], scale=3.0)
found = float(colours_found(strong, unseen.ids[:16]).float().mean())
by_chance = float(colours_found(strong, unseen.ids[:16].roll(1, dims=0)).float().mean())
show_pictures(
    torch.cat([plain[:6], strong[:6]]),
    captions[:6] + ["guidance 3"] * 6,
    columns=6,
    caption="painted from words alone, below with guidance. After so few steps colours begin to follow the words; shapes are blobs still.",
    numbers=f"of 32 colours asked for, more are found than of the next picture's caption: {found > by_chance}",
)

# %% [markdown]
# ### Play: your own caption
#
# Where this notebook is live, choose the words below the figure. The four seeds stay: **watch**
# what stays the same with them.


# %%
def from_words(first, first_shape, second, second_shape):
    caption = f"a {first} {first_shape} and a {second} {second_shape}"
    made = torch.cat([paint([caption], seed=s) for s in range(4)])
    right = colours_found(made, encode(caption).expand(4, -1)).float().mean()
    figure = pictures_figure(made, [f"seed {s}" for s in range(4)], size=120)
    return figure, f"at least half of the colours asked for are there: {bool(right >= 0.5)}"


explore(
    from_words,
    caption="one caption, four seeds: the seed decides the places, the words the colours, though not always "
    "both.",
    first=choice([*COLOURS]),
    first_shape=choice(["disc", "square"]),
    second=choice(["blue", "red", "green", "yellow"]),
    second_shape=choice(["square", "disc"]),
)

# %% [markdown]
# ## 5  A look inside: who listened to which word?
#
# The attention weights of every cross-attention can be looked at while the network works. Each map
# below belongs to one word. It is the mean over all heads and all cross-attentions, on a noisy
# picture. **Guess:** which words' maps are brightest inside the two shapes?

# %%
t = torch.tensor([400])
half_noise = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(3))
abar = schedule.at(t.to(device)).cpu()
noisy = abar.sqrt() * unseen.pictures[3:4] + (1 - abar).sqrt() * half_noise
with torch.no_grad(), record_attention(unet) as recorded:
    unet(noisy.to(device), t.to(device), reader(unseen.ids[3:4].to(device)))
maps = attention_maps([h.cpu() for h in recorded], SIZE, SIZE)[0]  # (7, 16, 16)
low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
show_pictures(
    [unseen.pictures[3], noisy[0], *(2 * (maps - low) / (high - low) - 1)[:, None]],
    ["the picture", "what the UNet saw", *captions[3].split()],
    columns=5,
    caption="bright: listens to this word more than other pixels do; each map has its own scale. "
    "The map of a colour word is brightest inside its own shape.",
    numbers=f"{len(recorded)} cross-attentions; shares over the words add up to 1: "
    f"{torch.allclose(maps.sum(0), torch.ones(SIZE, SIZE), atol=1e-4)}",
)

# %% [markdown]
# One picture proves little. Over 32 unseen pictures: do the pixels *of a shape* listen to their own
# colour word more than the pixels of the other shape do?

# %%
at = torch.full((32,), 400)
abar = schedule.at(at.to(device)).cpu()
noise = torch.randn(32, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(4))
noisy = abar.sqrt() * unseen.pictures + (1 - abar).sqrt() * noise
with torch.no_grad(), record_attention(unet) as recorded:
    unet(noisy.to(device), at.to(device), reader(unseen.ids.to(device)))
maps = attention_maps([h.cpu() for h in recorded], SIZE, SIZE)

# %%
inside = [
    (maps * place[:, None]).sum(dim=(2, 3)) / place.sum(dim=(1, 2))[:, None]
    for place in unseen.places.float().unbind(dim=1)
]
inside = torch.stack(inside).mean(dim=1)  # (2 shapes, 7 words)
own = bool(inside[0, 1] > inside[1, 1]) and bool(inside[1, 5] > inside[0, 5])
show_heatmap(
    inside,
    x_labels=["a", "colour 1", "shape 1", "and", "a", "colour 2", "shape 2"],
    y_labels=["pixels of 1", "pixels of 2"],
    decimals=2,
    width=560,
    caption="each shape's pixels (rows) and how they share their attention out over the words.",
    numbers=f"each shape hears its own colour word more than the other shape does: {own}",
)

# %% [markdown]
# ## 6  Other words half-way
#
# The caption is asked anew at every step, so we may change it on the way: the first steps hear one
# caption, the other steps a second one. **Guess** what each of the two decides.


# %%
def swap_half_way(first, second, share, seed=0):
    """Paint with `first` until `share` of the time is over, and with `second` from there on."""
    with torch.no_grad():
        contexts = [reader(encode(c).to(device)[None]) for c in (first, second)]
        nothing = reader(empty_ids)[None]

    def told(x, t):
        return unet(x, t, contexts[0] if t[0] >= 1000 * (1 - share) else contexts[1])

    both = guided(told, lambda x, t: unet(x, t, nothing), 3.0)
    start = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    *_, last = ddim(clipped(both, schedule), start.to(device), schedule, times(1000, 20))
    return last.x[0].cpu()


# %%
A, B = "a red disc and a blue square", "a green disc and a yellow square"
shares = (0.0, 0.25, 0.5, 0.75, 1.0)
show_pictures(
    [swap_half_way(A, B, share) for share in shares],
    [f"{share:.0%} red and blue" for share in shares],
    columns=5,
    caption="the longer the first caption is heard, the less green and yellow is left. The early "
    "words weigh most; the two large shapes stay where the starting noise put them.",
)

# %% [markdown]
# ## 7  Break it on purpose: shuffled captions
#
# We train a copy of our network on, for a quarter of the steps, but now every picture gets another
# picture's caption. The words are still there, but they say nothing about the picture. **Guess**
# what becomes of what the network has learned about words.

# %%
deaf, deaf_reader = deepcopy(unet), deepcopy(reader)
shuffled = torch.randperm(len(ids), generator=torch.Generator().manual_seed(1)).to(device)


def misled(i):
    context = deaf_reader(ids[shuffled[i]])
    return noise_loss(lambda x, t: deaf(x, t, context), pictures[i], schedule, g)


weights_of_deaf = [*deaf.parameters(), *deaf_reader.parameters()]
_ = train(weights_of_deaf, batches(), misled, steps=len(losses) // 4, lr=2e-3)


# %%
@torch.no_grad()
def loss_with(model, reader, ids):
    """The loss on unseen pictures at t = 700, where little of the picture is left."""
    draws = torch.Generator().manual_seed(7)
    context, at = reader(ids.to(device)), torch.full((len(ids),), 700, device=device)
    losses = []
    for _ in range(4):
        noise = torch.randn(unseen.pictures.shape, generator=draws)
        abar = schedule.at(at).cpu()
        noisy = abar.sqrt() * unseen.pictures + (1 - abar).sqrt() * noise
        losses.append(F.mse_loss(model(noisy.to(device), at, context).cpu(), noise))
    return float(torch.stack(losses).mean())


# %%
others = unseen.ids.roll(1, dims=0)
gap = loss_with(unet, reader, others) / loss_with(unet, reader, unseen.ids)
deaf_gap = loss_with(deaf, deaf_reader, others) / loss_with(deaf, deaf_reader, unseen.ids)
fig, (ax,) = new_figure(height=150)
for i, (name, ratio) in enumerate([("before", gap), ("after shuffled captions", deaf_gap)]):
    more = 100 * (ratio - 1)
    ax.barh([name], [more], color=PALETTE[i].colour, hatch=PALETTE[i].hatch)
    ax.text(max(more, 0) + 0.3, i, f"{round(more)} %", va="center")
ax.set(xlabel="% more loss when it is given another picture's caption")
show_figure(
    fig,
    caption="before, a wrong caption hurts; after training with shuffled ones the network hardly listens any "
    "more.",
    numbers=f"before: more than 5 % worse: {gap > 1.05}; after: less than a quarter of that: "
    f"{deaf_gap - 1 < (gap - 1) / 4}",
)

# %% [markdown]
# ## Check yourself
#
# {fold 1. What is different between self- and cross-attention?}
# Only where keys and values come from: the tokens themselves, or the words.
# {end}
# {fold 2. A picture of 16 x 16 and a caption of 7 words: how many attention weights has one head?}
# 256 x 7 = 1,792, and each of the 256 rows adds up to 1.
# {end}
# {fold 3. Why does the spatial transformer add its answer instead of replacing the picture?}
# A new one, whose last layer is zero, then changes nothing, and training can begin from there.
# {end}

# %% [markdown]
# {fold 4. Why drop a caption now and then?}
# So that the network can also answer without words: guidance needs both answers.
# {end}
# {fold 5. Why does a network with shuffled captions stop listening?}
# In that training no word ever said anything about its picture. Listening could only mislead it.
# {end}

# %%
print("question 2:", 16 * 16 * 7)

# %% [markdown]
# ## Recap
#
# 1. In self-attention each pixel looks at all pixels, at a price that grows with the fourth power
#    of the side.
# 2. In cross-attention the queries come from the pixels, the keys and values from the words.
# 3. Inside the UNet pixels become tokens and gather from the words. The result is folded back and
#    added to the picture.
# 4. The attention weights can be looked at: a map for each word.
# 5. The words are asked at every step, so they can be changed on the way, or left out for guidance.

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# Its UNet has sixteen of these blocks, and the words come from CLIP's frozen text tower instead of
# a small table. All parts are there now: [lesson 12](12_stable_diffusion.ipynb) wires them up.

# %% [markdown]
# ## Further reading
#
# - Rombach et al. 2022, *High-Resolution Image Synthesis with Latent Diffusion Models*
# - Hertz et al. 2022, *Prompt-to-Prompt Image Editing with Cross Attention Control*
# - Tang et al. 2022, *What the DAAM: Interpreting Stable Diffusion Using Cross Attention*
# - Ho and Salimans 2022, *Classifier-Free Diffusion Guidance*
