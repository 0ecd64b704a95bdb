# title: Self-attention
# box: self-attention
# read: 45
# run: 60
# build: a transformer of your own, trained to tell which word a "not" belongs to.
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
# The words are the same, but only the first review is praise. To tell them apart, a reader must know
# *which* word the "not" belongs to. A convolution weighs its neighbours **by place**. But the word
# that matters is not always next door. **Attention** weighs **by content**: each word looks at all
# words and decides which to listen to.
#
# We begin with words as vectors: GloVe's, from lesson 08. They have length 1 there. We make them 3
# long, because section 3 turns dot products into shares: for short vectors all shares would be nearly
# equal.

# %%
words, vectors = glove.load()
book = WordVectors(words, F.normalize(vectors - vectors.mean(0), dim=1))
sentence = "doctor nurse and hospital or violin guitar".split()
x = 3 * torch.stack([book[word] for word in sentence])  # (n, d); 3: see above
print(f"{x.shape[0]} words, {x.shape[1]} numbers for each")

# %% [markdown]
# What would a convolution do with these seven words? A blur of width 3 takes one third of the word
# itself and one third of each neighbour (at the ends, two halves). It does so whatever the words
# are. **Guess:** which words would *you* let each word listen to?

# %%
near = (torch.arange(7)[:, None] - torch.arange(7)).abs() <= 1
by_place = near / near.sum(1, keepdim=True)
show_heatmap(
    by_place,
    x_labels=sentence,
    y_labels=sentence,
    caption="a blur listens by place: a stripe along the diagonal, whatever the words are.",
    numbers="each word takes 0.33 or 0.50 from itself and its neighbours, 0 from all others",
)

# %% [markdown]
# ## 2  Version 1: the plainest layer there is
#
# A dot product says how similar two words are (lesson 08). So let each word become a sum of all
# words. Each is multiplied by its dot product with this one. There are no learned weights.
#
# **Guess:** does "doctor" pull more at "nurse", or "nurse" at "doctor"?


# %%
def plain_attention(x):
    """Words x (n, d) to words (n, d): sums of all words, by similarity."""
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
    caption="doctor, nurse and hospital have large dot products with each other, at any distance; so "
    "have the two instruments.",
    numbers=f"doctor and nurse {scores[0, 1]:.1f}, nurse and doctor {scores[1, 0]:.1f}, "
    f"doctor and guitar {scores[0, 6]:.1f}",
)

# %% [markdown]
# So the answer to the guess: equally. The table is **symmetric**. A influences B exactly as much as
# B influences A, because a dot product is the same in either order. And what did the layer do to the
# words?

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
    caption="every word has grown.",
    numbers=f"the lengths were {before.min():.0f}; now they are {after.min():.0f} to "
    f"{after.max():.0f}, the largest for {sentence[int(after.argmax())]}",
)

# %% [markdown]
# ## 3  Version 2: shares that add up to 1
#
# Stacked in a deep network, such growth explodes. The cure is shares that add up to 1.
#
# The dot products are called **scores**. A **softmax** turns the scores of each row into shares:
# all above 0, together 1. The largest scores get the largest shares. Before the softmax, the scores
# are divided by $\sqrt{d}$, where d is how many numbers a word has. Why?
#
# The dot product of two random vectors is a sum of d products. Its usual size grows with
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
    x_label="numbers per word (d)",
    y_label="largest of 10 shares",
    log_x=True,
    caption="without the root, the longer the vectors, the more one word gets; with the root the "
    "largest share stays nearly the same.",
    numbers=f"d = 512: without the root {largest['without the root'][8]:.2f}, with it "
    f"{largest['with the root'][8]:.2f}; ten equal shares would be 0.10",
)

# %% [markdown]
# A softmax that gives everything to one word is hard to train. Its shares hardly move when the
# scores do, so hardly any gradient comes back. **Guess:** how much of the slope is left without the
# root, at d = 1024?


# %%
def slope_left(score):
    share = score.softmax(1)
    return (share * (1 - share)).mean().item()  # how a share moves with its own score


part = slope_left(score) / slope_left(score / d**0.5)
print(f"mean slope with the root {slope_left(score / d**0.5):.3f}, without {slope_left(score):.3f}")
print(f"so {part:.0%} of the slope is left without the root")

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
share = (x @ x.T / x.shape[1] ** 0.5).softmax(dim=1)
show_heatmap(
    share,
    x_labels=sentence,
    y_labels=sentence,
    decimals=2,
    caption="the shares of version 2. Each row adds up to 1. Every word takes most from itself, then "
    "from words of its own kind.",
    numbers=f"doctor takes {share[0, 0]:.2f} from itself, {share[0, 1]:.2f} from nurse, "
    f"{share[0, 6]:.2f} from guitar; equal shares would be {1 / 7:.2f}",
)

# %%
rows = torch.stack([before, plain_attention(x).norm(dim=1), softmax_attention(x).norm(dim=1)])
show_heatmap(
    rows,
    x_labels=sentence,
    y_labels=["the words", "version 1", "version 2"],
    width=560,
    caption="lengths of the words: version 1 makes every word longer, version 2 makes none longer.",
    numbers=f"before {rows[0].max():.1f}; the longest of version 1 {rows[1].max():.0f}, "
    f"of version 2 {rows[2].max():.1f}",
)

# %% [markdown]
# ### Which bank?
#
# Lesson 08 ended with a word that has one vector and two meanings: "bank". Your layer can help: after
# it, "bank" also holds something of the words around it. We measure the cosine similarity of "bank"
# to "river" and to "money", before and after. **Guess** which way "bank" moves in each sentence.

# %%
texts = ("fish swim near the river bank", "borrow money from the bank")
banks = [3 * book["bank"]]
for line in texts:
    near_bank = 3 * torch.stack([book[word] for word in line.split()])
    banks.append(softmax_attention(near_bank)[-1])  # "bank" is the last word
meant = torch.stack([book["river"], book["money"]])
similarity = F.cosine_similarity(torch.stack(banks)[:, None], meant[None], dim=-1)  # (3, 2)

# %%
show_heatmap(
    similarity,
    x_labels=["river", "money"],
    y_labels=["bank alone", "... river bank", "money ... bank"],
    x_label="cosine similarity to",
    decimals=2,
    width=300,
    caption='one word, two meanings: beside a river "bank" is nearer to "river", with money nearer to '
    '"money". Nothing was learned; the words around it did this.',
    numbers=f"to river {similarity[0, 0]:.2f} alone and {similarity[1, 0]:.2f} in the first sentence; "
    f"to money {similarity[0, 1]:.2f} alone and {similarity[2, 1]:.2f} in the second",
)

# %% [markdown]
# {fold In symbols}
# $\text{out} = \text{softmax}\!\left(x x^\top / \sqrt{d}\right) x$, the softmax over each row. The
# scores are still symmetric; the shares are not quite, since each row is divided by its own sum.
# {end}

# %% [markdown]
# ## 4  Version 3: query, key, value
#
# Similarity is not always what matters. "funny" should listen to "not", and the two are not similar.
# So each word gets three vectors, made by three learned matrices:
#
# - its **query**: what the word is looking for. *funny: does any word negate me?*
# - its **key**: what the word offers. *not: I negate.*
# - its **value**: what the word passes on to those who listen. *not: minus.*
#
# Before a network learns such matrices, we write small ones by hand.

# %%
traits = torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])  # not, funny, the
names = ["not", "funny", "the"]  # the columns of traits: an adjective, a negator, anything else
asks = torch.tensor([[0.0, 3], [0, 0], [1, 0]])  # an adjective asks for number 2, strongly (3)
offers = torch.tensor([[0.0, 0], [0, 3], [1, 0]])  # a negator offers number 2, strongly (3)
talk = (traits @ asks) @ (traits @ offers).T
show_heatmap(
    talk,
    x_labels=names,
    y_labels=names,
    x_label="offers (key)",
    y_label="asks (query)",
    caption='scores of matrices made by hand: "funny" asks and "not" answers with a large score. "not" '
    "asks for nothing.",
    numbers=f"funny to not: {talk[1, 0]:.0f}; not to funny: {talk[0, 1]:.0f}",
)

# %% [markdown]
# With queries and keys the table is no longer symmetric: A may need B while B ignores A. Write the
# whole layer, for matrices of shape (d_in, d_out).


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
minus = torch.tensor([[0.0], [-1], [0]])  # a negator passes on -1, all others 0
arrived = qkv_attention(traits, asks, offers, minus)
show_heatmap(
    arrived.T,
    x_labels=names,
    y_labels=["what arrived"],
    decimals=2,
    width=420,
    caption='"funny" has received nearly the whole minus of "not". "not" asks for nothing: its three '
    'scores are 0, so it takes a third from each word. "the" takes a quarter from "not".',
    numbers=", ".join(f"{n} {v:.2f}" for n, v in zip(names, arrived[:, 0].tolist(), strict=True)),
)

# %% [markdown]
# ## 5  Masks: who may look where
#
# A **mask** is a table of yes and no: who may listen to whom. In a batch all sentences must be
# equally long, so short ones are filled up with empty words (**padding**). No word should listen to
# those. A network that writes word after word must not look at later words: its mask is **causal**.
# CLIP's text tower, which Stable Diffusion uses, has a causal mask, too, though it writes nothing.
#
# Later there will be a batch and heads in front of each table, so count the axes from the end.


# %%
def masked_softmax(scores, mask):
    """Scores (..., n, m) to shares: rows add up to 1, and are 0 where `mask` is False."""
    # BEGIN SOLUTION
    hidden = scores.masked_fill(~mask, -torch.inf)
    return hidden.softmax(dim=-1)
    # END SOLUTION


# %%
masked_softmax = check("09.masked_softmax", masked_softmax)

# %%
share = masked_softmax(x @ x.T / 50**0.5, causal_mask(7))  # 50: numbers a word
show_heatmap(
    share,
    x_labels=sentence,
    y_labels=sentence,
    x_label="looked at",
    y_label="looks",
    decimals=2,
    caption="a causal mask: each word looks at itself and the words before it. The first word can only "
    "look at itself.",
    numbers=f"largest share above the diagonal {share.triu(1).max():.2f}; rows add up to "
    f"{share.sum(1).min():.2f}",
)

# %% [markdown]
# What about a word that may look nowhere? The softmax of nothing is 0/0, "not a number", and would
# spoil all later layers. PyTorch's own function and the course's agree on another answer: such a
# word receives zeros.

# %%
blind = torch.ones(7, 7, dtype=torch.bool)
blind[2] = False
ours = attention_weights(x, x, blind) @ x
theirs = F.scaled_dot_product_attention(x[None], x[None], x[None], blind)[0]
print(f"word 2 may look nowhere; the largest number it receives is {ours[2].abs().max():.1f}")
print(f"largest difference from PyTorch's function: {(ours - theirs).abs().max():.3f}")

# %% [markdown]
# ## 6  Heads: several conversations at once
#
# One softmax is one choice. A word may need two answers at the same time: *which word negates me?*
# and *which thing do I describe?* So its numbers are cut into equal parts, one for each **head**.
# Each head does attention on its own part. Then the parts are laid side by side again, and one more
# learned matrix, `to_out`, mixes what the heads have found. More heads need no more weights.
#
# The library einops writes such cuts as text: `rearrange(x, "b (h w) -> b h w", h=2)` cuts the
# second axis into two.


# %%
def split_heads(x, heads):
    """Words (b, n, heads * d) to (b, heads, n, d): equal parts of the numbers, one per head."""
    # BEGIN SOLUTION
    return rearrange(x, "b n (heads d) -> b heads n d", heads=heads)
    # END SOLUTION


# %%
split_heads = check("09.split_heads", split_heads)

# %%
pieces = split_heads(x[None], 2)  # (1, 2, n, 25)
maps = masked_softmax(pieces @ pieces.mT / 25**0.5, torch.ones(7, 7, dtype=torch.bool))[0]
fig, axes = new_figure(1, 2, width=720, height=340)
for i, ax in enumerate(axes):
    image = ax.imshow(maps[i], cmap="cividis", vmin=0, vmax=0.3)
    ax.set(title=f"head {i + 1}")
    ax.set_xticks(range(7), sentence, rotation=90)
    ax.set_yticks(range(7), sentence if i == 0 else [])
fig.colorbar(image, ax=axes, label="share")
show_figure(
    fig,
    caption='the maps of two heads over the same words. In head 2 "and" and "or" look at each other '
    "more than in head 1.",
    numbers=f"and to or: {maps[0, 2, 4]:.2f} in head 1, {maps[1, 2, 4]:.2f} in head 2; doctor to "
    f"nurse: {maps[0, 0, 1]:.2f} and {maps[1, 0, 1]:.2f}",
)

# %% [markdown]
# Now the way back. Each head has found its own answer, (b, heads, n, d). The next layer wants one
# row of numbers for each word again.


# %%
def merge_heads(x):
    """The heads' results (b, heads, n, d) side by side: (b, n, heads * d)."""
    # BEGIN SOLUTION
    return rearrange(x, "b heads n d -> b n (heads d)")
    # END SOLUTION


# %%
merge_heads = check("09.merge_heads", merge_heads)

# %% [markdown]
# With your three functions, **multi-head attention** is five lines: queries, keys and values, split;
# shares; values added up; merged; mixed.


# %%
def multi_head_attention(x, mask, layer):
    """Words (b, n, d) to words (b, n, d). `layer` holds to_q, to_k, to_v, to_out and `heads`."""
    q, k, v = (split_heads(to(x), layer.heads) for to in (layer.to_q, layer.to_k, layer.to_v))
    share = masked_softmax(q @ k.mT / q.shape[-1] ** 0.5, mask)  # (b, heads, n, n)
    return layer.to_out(merge_heads(share @ v))


# %% [markdown]
# Is it the real thing? PyTorch has a layer ready. With the same weights, it should give the same
# numbers. (`SelfAttention` is the course's own layer. Here it only holds the matrices.)

# %%
ours, theirs = SelfAttention(12, heads=3), nn.MultiheadAttention(12, 3, batch_first=True)
with torch.no_grad():
    theirs.in_proj_weight.copy_(torch.cat([ours.to_q.weight, ours.to_k.weight, ours.to_v.weight]))
    theirs.out_proj.weight.copy_(ours.to_out.weight)
    theirs.out_proj.bias.copy_(ours.to_out.bias)
    some, everyone = torch.randn(2, 5, 12), torch.ones(5, 5, dtype=torch.bool)
    off = multi_head_attention(some, everyone, ours) - theirs(some, some, some)[0]
print(f"largest difference from nn.MultiheadAttention: {off.abs().max():.4f}")

# %% [markdown]
# ### The transformer block
#
# Attention moves information between words. A **feed-forward** network then works on each word alone.
# These two make a **transformer block**. Two more ideas make it trainable:
#
# - a **residual connection**: what a part finds is *added* to what came in, so nothing is lost;
# - a **LayerNorm** before each part: it brings the numbers of each word to mean 0 and variance 1.
#
# In your function the four parts are given: call them like functions.


# %%
def transformer_block(x, attend, feed_forward, norm1, norm2):
    """Words x (b, n, d): first attention, then feed-forward, each on a norm and added to x."""
    # BEGIN SOLUTION
    x = x + attend(norm1(x))
    return x + feed_forward(norm2(x))
    # END SOLUTION


# %%
transformer_block = check("09.transformer_block", transformer_block)

# %% [markdown]
# To train the block, its matrices must live in a module. This one holds them. What it computes is
# yours.


# %%
class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.to_q, self.to_k, self.to_v = (nn.Linear(d, d, bias=False) for _ in range(3))
        self.to_out = nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)  # wider inside, as usual

    def forward(self, x, mask):
        def attend(y):
            return multi_head_attention(y, mask, self)

        def feed_forward(y):
            return self.fc2(F.gelu(self.fc1(y)))

        return transformer_block(x, attend, feed_forward, self.norm1, self.norm2)


# %% [markdown]
# ## 7  What attention cannot know
#
# Look at your functions again: does anything in them know *where* a word stands? **Guess:** what
# happens to the result if the words are shuffled?

# %%
order, everyone = torch.randperm(7, generator=g), torch.ones(7, 7, dtype=torch.bool)
first, second = Block(50, heads=5), Block(50, heads=5)
with torch.no_grad():
    shuffled_after = second(first(x[None], everyone), everyone)[:, order]
    shuffled_before = second(first(x[None, order], everyone), everyone)
off = (shuffled_after - shuffled_before).abs().max()
print(f"shuffled before or after two blocks: they differ by at most {off:.4f}")

# %% [markdown]
# The answer: nothing happens, except that the results are shuffled in the same way. To attention a
# sentence is a **bag of words**. That is a strength: any word can reach any other in one step. But
# "not long and funny" and "long and not funny" are the same to it.
#
# The cure is lesson 04's **positional encoding**, added to each word. The word then says what it is
# and where it stands. `Reader` is a small network that ends in one number, above 0 for praise.

# %%
two = "the film was not long and funny", "the film was long and not funny"
ids = torch.stack([encode(line.split()) for line in two])
without, with_places = Reader(nowhere).eval(), Reader(positional_encoding).eval()
with torch.no_grad():
    a, b = without(ids).diff().abs().item(), with_places(ids).diff().abs().item()
print(f"two reviews, one network: without positions its two numbers differ by {a:.4f}")
print(f"with positions (and random weights still) by more than {0.001 if b > 0.001 else 0}")

# %% [markdown]
# ## 8  A task that only attention to the right word solves
#
# Every sentence has one good and one bad adjective, in either order, and "not" or "very" before
# one of them. It is praise if "not" stands before the bad one, or "very" before the good one. The
# same words make as many sentences of praise as of blame. So a reader that only counts words is right
# exactly half the time.

# %%
seen, unseen = sentences("train"), sentences("test")
for i in (0, 1, 6, 7):
    print("praise:" if seen.praise[i] else "blame: ", " ".join(seen.text(i)))
print(len(seen.ids), "sentences to learn from,", len(unseen.ids), "to be tested on")
print(f"of the latter, {unseen.praise.mean().item():.0%} are praise: chance is one half")

# %% [markdown]
# The test is honest: each *pair* of adjectives is in only one of the two sets. A reader has seen "not
# dull" and "very funny" often, but never "dull" and "funny" together. To be right, it must have
# learned which word belongs to which.
#
# The reader: word vectors plus positions, two transformer blocks, the mean over the words, and one
# number. **The two blocks are yours.**
#
# Three readers are trained for the same 900 steps. **Guess their scores**: your blocks with positions,
# your blocks without, and positions without any block (a bag of words).


# %%
def trained_reader(places, blocks, steps=900):
    torch.manual_seed(0)
    reader = Reader(places, blocks=0)
    reader.blocks = nn.ModuleList(Block(32, heads=2) for _ in range(blocks))
    batches = torch.randint(len(seen.ids), (steps, 128))

    def loss_of(rows):
        return F.binary_cross_entropy_with_logits(reader(seen.ids[rows]), seen.praise[rows])

    losses = train(reader.parameters(), batches, loss_of, steps=steps, lr=3e-3)
    return reader.eval(), losses


# %%
mine, losses = trained_reader(positional_encoding, blocks=2)

# %%
lost, losses_lost = trained_reader(nowhere, blocks=2)

# %%
bag, losses_bag = trained_reader(positional_encoding, blocks=0)


# %%
def smooth(losses, window=20):
    return torch.tensor(losses).unfold(0, window, window).mean(1)


show_curves(
    {
        "your blocks, with positions": smooth(losses),
        "your blocks, without": smooth(losses_lost),
        "bag of words": smooth(losses_bag),
    },
    x_label="steps / 20",
    y_label="loss",
    caption="with positions the loss stays high for a while, then falls. The others stay at the loss of "
    "a tossed coin, 0.69.",
    numbers=f"at the end {smooth(losses)[-1]:.1f} with positions, {smooth(losses_lost)[-1]:.1f} without, "
    f"{smooth(losses_bag)[-1]:.1f} for the bag of words",
)

# %% [markdown]
# ## 9  Break it on purpose
#
# Those curves show the loss on training sentences. Now come the sentences with unseen pairs. Beside
# your whole reader stand the two with one idea removed.


# %%
def right(reader):
    with torch.no_grad():
        return ((reader(unseen.ids) > 0) == (unseen.praise > 0)).double().mean().item()


score = {
    "your blocks, with positions": right(mine),
    "your blocks, without": right(lost),
    "bag of words": right(bag),
}

# %%
fig, (ax,) = new_figure(width=480, height=180)
for (name, value), style in zip(score.items(), PALETTE, strict=False):
    ax.barh(name, value, color=style.colour, hatch=style.hatch)
ax.axvline(0.5, color="black", linestyle=":")
ax.set(xlim=(0, 1), xlabel="share of unseen sentences judged correctly")
ax.invert_yaxis()
show_figure(
    fig,
    caption="without positions the same blocks are no better than a coin (dotted), and neither is the bag "
    "of words.",
    numbers="; ".join(f"{name} {value:.1f}" for name, value in score.items()) + "; chance 0.5",
)

# %% [markdown]
# ### The package's block takes over
#
# The course's `EncoderBlock` is the same block. Later lessons use it, and CLIP's towers are made of
# it. We put your trained weights into it. Its reader must then say the same about every sentence.

# %%
reader = Reader(positional_encoding)
state = {name.replace(".to_", ".self_attn.to_"): w for name, w in mine.state_dict().items()}
reader.load_state_dict(state)  # the same matrices; in EncoderBlock four of them are in self_attn
with torch.no_grad():
    off = (reader.eval()(unseen.ids) - mine(unseen.ids)).abs().max()
print(f"largest difference in {len(unseen.ids)} sentences: {off:.2f}")
print(f"both judge {right(reader):.1f} and {right(mine):.1f} of the unseen sentences correctly")

# %% [markdown]
# ## 10  A look inside
#
# Which words does your trained reader listen to? Each line goes from a word (above) to a word that
# it listens to (below). A thicker line is a larger share. Shares below 0.12 are left out, because an
# equal share of seven words is already 0.14. **Guess** where the thick lines end.


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
deciding = block_2[[3, 4, 6]].sum()  # not, long, funny
show_figure(
    fig,
    caption='in block 2 many thick lines, from all over the sentence, end at "not" or at an adjective.',
    numbers=f'"not" and the adjectives get {deciding:.1f} of block 2; equal shares would give them '
    f"{3 / 7:.1f}",
)

# %% [markdown]
# Do not read too much into one map. Look for a thick line from "funny" to "not": this "not" belongs
# to "long". In block 2 each word already holds something of other words, so a line no longer comes
# from one word alone. The map shows where a network looks. It does not prove why it decides.

# %% [markdown]
# One sentence may be chance. So we take all unseen sentences. How much do their words look at "not"
# or "very"? And how much would they, if every word got an equal share?

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
equal = {name: (k.sum(1) / there.sum(1)).mean().item() for name, k in kinds.items()}
table = torch.tensor([[equal[n], *given(maps, k)] for n, k in kinds.items()])
show_heatmap(
    table,
    y_labels=list(kinds),
    x_labels=["equal shares", "block 1", "block 2"],
    decimals=1,
    width=420,
    caption='in block 2 "not", "very" and the adjectives together get more than equal shares would give '
    "them, the other words less.",
    numbers=f"the deciding words get {table[:2, 2].sum():.1f} in block 2, {table[:2, 0].sum():.1f} if "
    "shares were equal",
)

# %% [markdown]
# ## 11  Play: a sentence of yours
#
# Write up to ten words that the reader knows. Put "very" and "not" anywhere, or use both or neither.
# In training each sentence had exactly one of them. Is the reader still right?

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
    caption="your sentence, the four heads of the reader, and its verdict below.",
)

# %% [markdown]
# {fold What if ...}
# ... you write "the film was very not funny and long"? Or a sentence of three words? The reader has
# only ever seen sentences of one form. Outside of it, it may say anything, with full confidence.
# {end}
#
# {fold For those who want more: your block with one head}
# Train `Block(32, heads=1)`. How many more weights has it than two heads, and how does it score?
# *Answer:* exactly as many weights. On this small task one head is usually enough; try three seeds.
# {end}
# {fold For those who want more: norms after the sum}
# Write `transformer_block` as in 2017, with norms after the sum: `x = norm1(x + attend(x))`. What
# happens to the loss with 2 blocks, and with 8? *Answer:* two blocks train either way. The deeper the
# stack, the more such a block needs a warm-up of the learning rate: its shortcut is normed again and
# again. Most networks today put the norm first.
# {end}

# %% [markdown]
# ## Check yourself
#
# {fold 1. What does a convolution weigh by, and what does attention?}
# A convolution weighs by place, with the same weights whatever stands there. Attention weighs by
# content.
# {end}
# {fold 2. Why are the scores divided by the root of d?}
# Dot products of long vectors are large. The softmax would give nearly everything to one word, and
# hardly any gradient would come back.
# {end}
# {fold 3. Why are there both queries and keys?}
# So that A may need B while B does not need A. With the same vector for both, scores are symmetric.
# {end}

# %% [markdown]
# {fold 4. What are the two parts of a transformer block, and what surrounds each?}
# Attention between the words, then a feed-forward network for each word alone. Each gets a LayerNorm
# of its input, and its result is added to what came in.
# {end}
# {fold 5. Why does attention need positions, and a convolution does not?}
# Attention treats its input as a bag. A convolution has a weight for each place of its kernel, so
# it knows left from right.
# {end}

# %% [markdown]
# ## Recap
#
# 1. Attention makes each word a sum of values, each multiplied by a share.
# 2. Shares come from dot products of queries and keys, divided by the root of d, through a softmax.
# 3. Several heads do this side by side. A mask says who may look where.
# 4. A transformer block is attention, then a feed-forward network, each with a norm before it and
#    added to what came in.
# 5. Without positions attention cannot tell word order. With them your blocks solved what no bag of
#    words can.

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# It is there three times. The text tower that reads the prompt is a stack of causal transformer
# blocks (its positions are learned, not sines). The UNet lets the pixels of a picture attend to each
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
