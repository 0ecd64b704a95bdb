# title: Self-attention
# box: self-attention
# read: 45
# run: 40
# build: the layer that lets each word choose which other words to listen to.
# before: places from [lesson 04](04_positional_encoding.ipynb), words from [08](08_word2vec.ipynb).
# gpu: no

# %%
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from course_lib.attention import SelfAttention, attention_weights, causal_mask
from course_lib.datasets import glove
from course_lib.display.plots import PALETTE, new_figure, show_curves, show_figure, show_heatmap
from course_lib.display.widgets import explore, text
from course_lib.positional import positional_encoding
from course_lib.self_attention import EncoderBlock
from course_lib.toys.negation import BAD, GOOD, WORDS, Reader, encode, nowhere, sentences
from course_lib.training import train
from course_lib.word_vectors import WordVectors

# %% [markdown]
# ## 1  Two reviews of the same words
#
# > the film was **not long** and funny
# >
# > the film was long and **not funny**
#
# The same seven words, but only the first is praise. Whoever wants to tell them apart must know
# *which* word the "not" belongs to. A convolution could: it weighs its neighbours **by place**. But
# what matters is not always next door. **Attention** weighs **by content**: each word looks at all
# words and decides which to listen to.
#
# We begin with words as vectors: GloVe's, from lesson 08.

# %%
words, vectors = glove.load()
book = WordVectors(words, F.normalize(vectors - vectors.mean(0), dim=1))
sentence = "doctor nurse and hospital or violin guitar".split()
x = 2 * torch.stack([book[word] for word in sentence])  # (n, d)
print("words and numbers a word:", tuple(x.shape))

# %% [markdown]
# What would a convolution do with these seven words? A blur of width 3 takes a third of the word
# itself and a third of each neighbour, whichever they are (at the ends, halves). **Guess:** which
# words would *you* let each word listen to?

# %%
near = (torch.arange(7)[:, None] - torch.arange(7)).abs() <= 1
by_place = near / near.sum(1, keepdim=True)
show_heatmap(
    by_place,
    x_labels=sentence,
    y_labels=sentence,
    caption="a blur listens by place: a stripe along the diagonal, whatever the words are.",
)

# %% [markdown]
# ## 2  Version 1: the plainest layer there is
#
# How alike two words are is told by their dot product (lesson 08). So let each word become the sum
# of all words, each multiplied by its dot product with this one. There are no learned weights.
#
# **Guess:** does "doctor" pull more at "nurse", or "nurse" at "doctor"?


# %%
def plain_attention(x):
    """Words x (n, d) to words (n, d): sums of all words, by likeness."""
    # BEGIN SOLUTION
    return (x @ x.T) @ x
    # END SOLUTION


# %%
plain_attention = check("09.plain_attention", plain_attention)

# %%
scores = x @ x.T
show_heatmap(
    scores,
    x_labels=sentence,
    y_labels=sentence,
    caption="by content: hospital people find each other, instruments too, at any distance.",
    numbers=f"the table equals its mirror image: {torch.allclose(scores, scores.T)}",
)

# %% [markdown]
# The table is **symmetric**: A influences B exactly as much as B influences A, because a dot
# product is the same in either order. And what did the layer do to the words?

# %%
mixed = plain_attention(x)
before, after = x.norm(dim=1), mixed.norm(dim=1)
fig, (ax,) = new_figure(width=480, height=240)
for i, (name, lengths) in enumerate((("before", before), ("after", after))):
    style = PALETTE[i]
    place = torch.arange(7) + 0.4 * i
    ax.bar(place, lengths, 0.4, label=name, color=style.colour, hatch=style.hatch)
ax.set_xticks(range(7), sentence, rotation=30)
ax.legend()
show_figure(
    fig,
    caption="every word has grown, most of all those with many words like them.",
    numbers=f"every word is longer than before: {bool((after > before).all())}",
)

# %% [markdown]
# ## 3  Version 2: shares that add up to 1
#
# The dot products are called **scores**. A **softmax** turns the scores of each row into shares:
# all above 0, together 1. The largest scores get the largest shares. Before it, the scores are
# divided by $\sqrt{d}$, where d is how many numbers a word has. Why?
#
# The dot product of two random vectors is a sum of d products, and its usual size grows with
# $\sqrt{d}$. **Guess:** with d = 512, how large is the largest of ten shares, without the root?

# %%
sizes = [2**k for k in range(1, 11)]
g = torch.Generator().manual_seed(0)
largest = {"without the root": [], "with the root": []}
for d in sizes:
    q, k = torch.randn(500, 1, d, generator=g), torch.randn(500, 10, d, generator=g)
    score = (q @ k.mT)[:, 0]  # (500, 10)
    largest["without the root"].append(score.softmax(1).amax(1).mean())
    largest["with the root"].append((score / d**0.5).softmax(1).amax(1).mean())

# %%
show_curves(
    {name: (sizes, torch.stack(values)) for name, values in largest.items()},
    x_label="numbers a word (d)",
    y_label="largest of 10 shares",
    log_x=True,
    caption="without the root, wide words listen to one word only; with it, d makes no difference.",
    numbers=f"d = 1024, without: above 0.9: {bool(largest['without the root'][-1] > 0.9)}; "
    f"with: below 0.4: {bool(largest['with the root'][-1] < 0.4)}",
)

# %% [markdown]
# A softmax that gives everything to one word is hard to train: its shares hardly move when the
# scores do, so hardly any gradient comes back through it. How much is left, in numbers?


# %%
def slope_left(score):
    share = score.softmax(1)
    return (share * (1 - share)).mean().item()  # how a share moves with its own score


part = slope_left(score) / slope_left(score / d**0.5)
print("without the root less than a tenth of the slope is left:", part < 0.1)

# %% [markdown]
# Now write version 2.


# %%
def softmax_attention(x):
    """Words x (n, d) to words (n, d): each takes shares of all words that add up to 1."""
    # BEGIN SOLUTION
    scores = x @ x.T / x.shape[1] ** 0.5
    return scores.softmax(dim=1) @ x
    # END SOLUTION


# %%
softmax_attention = check("09.softmax_attention", softmax_attention)

# %%
rows = torch.stack([before, plain_attention(x).norm(dim=1), softmax_attention(x).norm(dim=1)])
show_heatmap(
    rows,
    x_labels=sentence,
    y_labels=["the words", "version 1", "version 2"],
    width=560,
    caption="lengths of the words: version 1 lets them grow, version 2 mixes without growing.",
    numbers=f"version 2 grows no word: {bool((rows[2] <= rows[0] + 1e-4).all())}",
)

# %% [markdown]
# {fold In symbols}
# $\text{out} = \text{softmax}\!\left(x x^\top / \sqrt{d}\right) x$, the softmax over each row. The
# scores are still symmetric; the shares are not quite, since each row is divided by its own sum.
# {end}

# %% [markdown]
# ## 4  Version 3: query, key, value
#
# Likeness is not always what matters. "funny" should listen to "not", which is nothing like it.
# So each word gets three voices, made by three learned matrices:
#
# - its **query**: what I am looking for. *funny: is anybody turning me round?*
# - its **key**: what I offer. *not: I turn round whoever comes next.*
# - its **value**: what I hand over to those who listen. *not: minus.*

# %%
traits = torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])  # not, funny, the
names = ["not", "funny", "the"]  # columns: an adjective, a turner-round, anything else
asks = torch.tensor([[0.0, 3], [0, 0], [1, 0]])  # adjectives ask for what number 2 offers
offers = torch.tensor([[0.0, 0], [0, 3], [1, 0]])  # turners-round offer number 2
talk = (traits @ asks) @ (traits @ offers).T
show_heatmap(
    talk,
    x_labels=names,
    y_labels=names,
    x_label="offers (key)",
    y_label="asks (query)",
    caption='made by hand: "funny" asks and "not" answers, loudly. "not" asks nothing of "funny".',
    numbers=f"funny to not: {talk[1, 0]:.0f}; not to funny: {talk[0, 1]:.0f}",
)

# %% [markdown]
# With queries and keys the table is no longer its own mirror image: A may need B while B ignores A.
# Write the whole layer, for matrices of shape (d_in, d_out).


# %%
def qkv_attention(x, w_q, w_k, w_v):
    """Words x (n, d_in) and three matrices (d_in, d_out) to words (n, d_out)."""
    # BEGIN SOLUTION
    q, k, v = x @ w_q, x @ w_k, x @ w_v
    share = (q @ k.T / q.shape[1] ** 0.5).softmax(dim=1)
    return share @ v
    # END SOLUTION


# %%
qkv_attention = check("09.qkv_attention", qkv_attention)

# %%
handed_over = torch.tensor([[0.0], [-1], [0]])  # a turner-round hands over -1
heard = qkv_attention(traits, 2 * asks, 2 * offers, handed_over)
show_heatmap(
    heard.T,
    x_labels=names,
    y_labels=["what arrived"],
    width=420,
    caption='"funny" has received the minus of "not"; the other two got only a little of it.',
    numbers=f"funny received less than -0.9: {bool(heard[1, 0] < -0.9)}",
)

# %% [markdown]
# ## 5  Masks: who may look where
#
# A **mask** is a table of yes and no: who may listen to whom. In a batch all sentences must be
# equally long, so short ones are filled up with empty words, and no word should listen to those.
# And a network that writes word after word must not look at words to come: its mask is **causal**.
# CLIP's text tower, which Stable Diffusion uses, writes nothing, but it has a causal mask, too.


# %%
def masked_softmax(scores, mask):
    """Scores (n, m) to shares: rows add up to 1, and are 0 where `mask` (n, m) is False."""
    # BEGIN SOLUTION
    hidden = scores.masked_fill(~mask, -torch.inf)
    return hidden.softmax(dim=1)
    # END SOLUTION


# %%
masked_softmax = check("09.masked_softmax", masked_softmax)

# %%
share = masked_softmax(x @ x.T / 50**0.5, causal_mask(7))
show_heatmap(
    share,
    x_labels=sentence,
    y_labels=sentence,
    x_label="looked at",
    y_label="looks",
    caption="a causal mask: each word looks at itself and those before; the first has no choice.",
    numbers=f"above the diagonal all is 0: {bool((share.triu(1) == 0).all())}; rows add up to 1: "
    f"{torch.allclose(share.sum(1), torch.ones(7))}",
)

# %% [markdown]
# What of a word that may look nowhere? The softmax of nothing is 0/0, "not a number", and would
# spoil all that comes after. PyTorch's own function and the course's agree on another answer: such
# a word receives zeros.

# %%
blind = torch.ones(7, 7, dtype=torch.bool)
blind[2] = False
ours = attention_weights(x, x, blind) @ x
theirs = F.scaled_dot_product_attention(x[None], x[None], x[None], blind)[0]
print("word 2 may look nowhere and receives", ours[2].abs().max().item())
print("the same as PyTorch, for all words:", torch.allclose(ours, theirs, atol=1e-5))

# %% [markdown]
# ## 6  Heads: several conversations at once
#
# One softmax is one choice. A word may want to know *who turns me round?* and *which thing am I
# about?* at the same time. So its numbers are cut into stretches, one for each **head**. Each head
# attends for itself, and afterwards the stretches are laid side by side again, and one more learned
# matrix, `to_out`, mixes what the heads have found. More heads need no more weights.
#
# The library einops writes such cuts as text: `rearrange(x, "b (h w) -> b h w", h=2)` cuts the
# second axis into two.


# %%
def split_heads(x, heads):
    """Words (b, n, heads * d) to (b, heads, n, d): a stretch of the numbers for each head."""
    # BEGIN SOLUTION
    return rearrange(x, "b n (heads d) -> b heads n d", heads=heads)
    # END SOLUTION


# %%
split_heads = check("09.split_heads", split_heads)

# %%
pieces = split_heads(x[None], 2)  # (1, 2, n, 25)
maps = attention_weights(2 * pieces, 2 * pieces)[0]
fig, axes = new_figure(1, 2, width=640, height=300)
for i, ax in enumerate(axes):
    ax.imshow(maps[i], cmap="cividis", vmin=0, vmax=1)
    ax.set(title=f"head {i + 1}")
    ax.set_xticks(range(7), sentence, rotation=90)
    ax.set_yticks(range(7), sentence if i == 0 else [])
show_figure(
    fig,
    caption="two heads over the same words do not look at quite the same places (bright is much).",
    numbers=f"rows add up to 1 in both: {torch.allclose(maps.sum(-1), torch.ones(2, 7))}",
)

# %% [markdown]
# That is the whole of multi-head attention. Is ours the real thing? PyTorch has one ready. With
# our weights copied into it, both should give the same numbers.

# %%
ours, theirs = SelfAttention(12, heads=3), nn.MultiheadAttention(12, 3, batch_first=True)
with torch.no_grad():
    theirs.in_proj_weight.copy_(torch.cat([ours.to_q.weight, ours.to_k.weight, ours.to_v.weight]))
    theirs.out_proj.weight.copy_(ours.to_out.weight)
    theirs.out_proj.bias.copy_(ours.to_out.bias)
    some = torch.randn(2, 5, 12)
    same = torch.allclose(ours(some), theirs(some, some, some)[0], atol=1e-5)
print("the same numbers as nn.MultiheadAttention:", same)

# %% [markdown]
# ## 7  What attention cannot know
#
# Look at the formula again: is there anything in it that knows *where* a word stands? **Guess:**
# what happens to the result if the words are shuffled?

# %%
order = torch.randperm(7, generator=g)
layer = nn.Sequential(EncoderBlock(50, heads=5), EncoderBlock(50, heads=5)).eval()
with torch.no_grad():
    shuffled_after, shuffled_before = layer(x[None])[:, order], layer(x[None, order])
print(
    "shuffle before or after, all the same:",
    torch.allclose(shuffled_after, shuffled_before, atol=1e-4),
)

# %% [markdown]
# To attention a sentence is a **bag of words**. That is a strength: any word can reach any other
# in one step. But "not long and funny" and "long and not funny" are one and the same to it.
#
# The cure is lesson 04's: **add to each word the code of its place**. The word then says what it
# is and where it stands.

# %%
two = "the film was not long and funny", "the film was long and not funny"
ids = torch.stack([encode(line.split()) for line in two])
without, with_places = Reader(nowhere).eval(), Reader(positional_encoding).eval()
with torch.no_grad():
    print("without places one verdict for both:", bool((without(ids).diff().abs() < 1e-5).all()))
    print(
        "with places one verdict for both:   ", bool((with_places(ids).diff().abs() < 1e-5).all())
    )

# %% [markdown]
# ## 8  A task that only attention to the right word solves
#
# Every sentence has one good and one bad adjective, in either order, and "not" or "very" before
# one of them. It is praise if "not" stands before the bad one, or "very" before the good one. The
# same words make as many sentences of praise as of blame, so a reader that only counts words is
# right exactly half the time.

# %%
seen, unseen = sentences("train"), sentences("test")
for i in (0, 1, 6, 7):
    print("praise:" if seen.praise[i] else "blame: ", " ".join(seen.text(i)))
print(len(seen.ids), "sentences to learn from,", len(unseen.ids), "to be tested on")
print("of the latter, praise:", unseen.praise.mean().item())

# %% [markdown]
# The test is honest: each *pair* of adjectives is in one of the two sets only. A reader that has
# seen "not dull" and "very funny" often, but never "dull" and "funny" together, must have learned
# who belongs to whom.
#
# The reader: word vectors plus places, two **transformer blocks**, the mean over the words, and one
# number, above 0 for praise. A block is attention, then a small network at each word. What each of
# the two gives is added to what came in. Before each of the two, a LayerNorm brings the numbers of
# every word to mean 0 and variance 1.

# %%
print(EncoderBlock(32, heads=2))

# %% [markdown]
# Three readers are trained for the same 900 steps. **Guess their scores**: with places, without
# places, and with places but without attention (a bag of words).


# %%
def taught(places, blocks, steps=900):
    torch.manual_seed(0)
    reader = Reader(places, blocks=blocks)
    batches = torch.randint(len(seen.ids), (steps, 128))

    def loss_of(rows):
        return F.binary_cross_entropy_with_logits(reader(seen.ids[rows]), seen.praise[rows])

    losses = train(reader.parameters(), batches, loss_of, steps=steps, lr=3e-3)
    return reader.eval(), losses


# %%
reader, losses = taught(positional_encoding, blocks=2)

# %%
lost, losses_lost = taught(nowhere, blocks=2)

# %%
bag, losses_bag = taught(positional_encoding, blocks=0)


# %%
def smooth(losses, window=20):
    return torch.tensor(losses).unfold(0, window, window).mean(1)


show_curves(
    {
        "attention with places": smooth(losses),
        "attention without places": smooth(losses_lost),
        "bag of words": smooth(losses_bag),
    },
    x_label="steps / 20",
    y_label="loss",
    caption="with places the loss stays for a while, then falls: now it knows whom to listen to. "
    "The others never leave the loss of a coin, 0.69.",
    numbers=f"with places below 0.1 at the end: {bool(smooth(losses)[-1] < 0.1)}",
)

# %% [markdown]
# ## 9  Break it on purpose
#
# The loss was on sentences that were trained on. Now come sentences with the unseen pairs. Beside
# the whole reader stand the two that have one idea removed.


# %%
def right(reader):
    with torch.no_grad():
        return ((reader(unseen.ids) > 0) == (unseen.praise > 0)).double().mean().item()


score = {
    "attention with places": right(reader),
    "attention without places": right(lost),
    "bag of words": right(bag),
}

# %%
fig, (ax,) = new_figure(width=480, height=180)
for (name, value), style in zip(score.items(), PALETTE, strict=False):
    ax.barh(name, value, color=style.colour, hatch=style.hatch)
ax.axvline(0.5, color="black", linestyle=":")
ax.set(xlim=(0, 1), xlabel="share of unseen sentences read rightly")
ax.invert_yaxis()
show_figure(
    fig,
    caption="no places, no word order: attention is a coin (dotted), like the bag of words.",
    numbers=f"with places above 0.97: {score['attention with places'] > 0.97}; the others between "
    f"0.48 and 0.52: {all(0.48 < v < 0.52 for v in list(score.values())[1:])}",
)

# %% [markdown]
# ## 10  A look inside
#
# Which words does the trained reader listen to? Each line goes from a word (above) to a word that
# it listens to (below); the thicker, the more; shares below 0.12 are left out. **Guess** where the
# thick lines end.


# %%
def looks(reader, line):
    """A figure: for each block and head, who looks at whom in this sentence."""
    words = line.lower().split()
    n, maps = len(words), reader.maps(encode(words)[None])
    heads = torch.cat([m[0, :, :n, :n] for m in maps]).detach()  # (blocks * heads, n, n)
    fig, axes = new_figure(2, 2, width=720, height=400)
    for number, (ax, share) in enumerate(zip(axes, heads, strict=True)):
        for i, j in (share > 0.12).nonzero().tolist():  # thin lines left out
            ax.plot([i, j], [1, 0], color=PALETTE[0].colour, linewidth=5 * share[i, j], alpha=0.8)
        for i, word in enumerate(words):
            ax.text(i, 1.08, word, ha="center", fontsize=9)
            ax.text(i, -0.08, word, ha="center", va="top", fontsize=9)
        ax.set(ylim=(-0.35, 1.35), title=f"block {number // 2 + 1}, head {number % 2 + 1}")
        ax.axis("off")
    return fig, heads


# %%
line = "the film was not long and funny"
fig, heads = looks(reader, line)
block_2 = heads[2:].mean((0, 1))  # what each word gets from all words, in the second block
show_figure(
    fig,
    caption="the first block looks around. In the second, many thick lines, from all over the "
    'sentence, end at "not" or at an adjective; some rest on a word that decides nothing.',
    numbers=f'"not" and the adjectives, 3 of 7 words, get above half of block 2: '
    f"{bool(block_2[[3, 4, 6]].sum() > 0.5)}",
)

# %% [markdown]
# One picture may be chance. So over all unseen sentences: how much do the words of a sentence look
# at "not" or "very", and how much would they if they looked at every word alike?

# %%
with torch.no_grad():
    maps = torch.cat([m.mean(1, keepdim=True) for m in reader.maps(unseen.ids)], 1)  # (b, 2, n, n)
there = (unseen.ids > 0).float()  # (b, n)
marker = (unseen.ids == WORDS.index("not")) | (unseen.ids == WORDS.index("very"))


def given(maps, to):  # the mean share that real words give to these
    share = (maps * to[:, None, None, :]).sum(-1)  # (b, blocks, n)
    return ((share * there[:, None]).sum((0, 2)) / there.sum()).tolist()


# %%
kinds = {
    '"not", "very"': marker,
    "adjectives": torch.isin(unseen.ids, torch.tensor([WORDS.index(w) for w in GOOD + BAD])),
}
kinds["other words"] = (unseen.ids > 0) & ~kinds["adjectives"] & ~marker
alike = {name: (k.sum(1) / there.sum(1)).mean().item() for name, k in kinds.items()}
table = torch.tensor([[alike[n], *given(maps, k)] for n, k in kinds.items()])
show_heatmap(
    table,
    y_labels=list(kinds),
    x_labels=["if all alike", "block 1", "block 2"],
    decimals=2,
    width=420,
    caption='in block 2 "not", "very" and the adjectives get more than if all were looked at alike, the '
    "other words less.",
    numbers=f"the deciding words get more in block 2 than if all were alike: "
    f"{bool(table[:2, 2].sum() > table[:2, 0].sum())}",
)

# %% [markdown]
# ## 11  Play: a sentence of yours
#
# Write up to ten words of those that the reader knows. Put "very" and "not" anywhere, or use both
# or neither: in training each sentence had just one of them. Does it still get it right?

# %%
print("good:", *GOOD)
print("bad: ", *BAD)
print("other:", *[word for word in WORDS[1:] if word not in GOOD + BAD])


# %%
def verdict(sentence):
    fig, _ = looks(reader, sentence)
    with torch.no_grad():
        number = reader(encode(sentence.lower().split())[None]).item()
    return fig, "praise" if number > 0 else "blame"


explore(
    verdict,
    sentence=text("they say the soup was very bitter and warm"),
    caption="your sentence, the four heads of the reader, and below its verdict.",
)

# %% [markdown]
# {fold What if ...}
# ... you write "the film was very not funny and long"? Or a sentence of three words? The reader has
# only ever seen sentences of one form; outside of it anything may come out, with full confidence.
# {end}

# %% [markdown]
# ## Check yourself
#
# {fold 1. What does a convolution weigh by, and what does attention?}
# A convolution by place, with the same weights whatever stands there; attention by content.
# {end}
# {fold 2. Why are the scores divided by the root of d?}
# Dot products of long rows of numbers are large. The softmax would give nearly everything to one
# word, and hardly any gradient would come back.
# {end}
# {fold 3. Why are there both queries and keys?}
# So that A may need B while B does not need A. With one and the same vector for both, scores are
# symmetric.
# {end}

# %% [markdown]
# {fold 4. What does a causal mask forbid?}
# To look at later words.
# {end}
# {fold 5. Why does attention need places, and a convolution none?}
# Attention treats its input as a bag. A convolution has a weight for each place of its kernel, so
# it knows left from right.
# {end}

# %% [markdown]
# ## Recap
#
# 1. Attention lets each word take in all others, each by its share.
# 2. Shares come from dot products of queries and keys, divided by the root of d, through a softmax.
# 3. What is taken in are the values. Several heads do it side by side.
# 4. A mask says who may look where; a causal one hides the future.
# 5. Without places attention cannot tell word order; with them it solved what no bag of words can.

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# It is there three times. The text tower that reads the prompt is a stack of causal transformer
# blocks (its places are learned, not sines). The UNet lets the places of a picture attend to each
# other, and so does the autoencoder in its middle. Next, words and pictures meet:
# [lesson 10](10_clip.ipynb).

# %% [markdown]
# ## Further reading
#
# - Vaswani et al. 2017, *Attention Is All You Need*
# - Bahdanau, Cho and Bengio 2014, *Neural Machine Translation by Jointly Learning to Align and
#   Translate*
# - Jain and Wallace 2019, *Attention is not Explanation*: why maps like those of section 10 are a
#   hint, and no proof of what the network does
