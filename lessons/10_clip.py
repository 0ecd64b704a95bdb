# title: CLIP
# box: clip
# read: 50
# run: 40
# build: the loss that makes pictures and their captions point the same way, and a search engine.
# before: [lesson 09](09_self_attention.ipynb), for attention and its mask.
# gpu: no

# %%
import torch
import torch.nn.functional as F

from course_lib.clip import CLIP, ImageTower, TextTower
from course_lib.datasets import emoji, vocabulary
from course_lib.display.plots import (
    pictures_figure,
    show_curves,
    show_figure,
    show_heatmap,
    show_pictures,
)
from course_lib.display.widgets import explore, text
from course_lib.files.pretrained import load_clip
from course_lib.metrics.retrieval import embed, recall_at_1
from course_lib.recipes.contrastive import clip_loss
from course_lib.tokenizer import Tokenizer, learn_merges
from course_lib.training import train

# %% [markdown]
# ## 1  Where do captions come from?
#
# A web page may say in words what its picture shows, for people who cannot see it: the **alt
# text**. LAION, which Stable Diffusion learned from, took these; OpenAI collected 400 million pairs
# of picture and text from the internet for CLIP. We have Unicode's English names for every emoji,
# drawn in five styles.

# %%
pairs = emoji.load(split="train")
print('<img src="1.png" alt="red apple">  is how a web page says it')
print(len(pairs), "pairs for training, in the styles", ", ".join(emoji.STYLES))

# %%
wanted = ["red apple", "guitar", "pilot", "woman farmer: dark skin tone", "snail", "red heart"]
rows = [
    next(i for i in range(len(pairs)) if pairs.labels[i] == w and pairs.styles[i] == s)
    for w, s in zip(wanted, [*emoji.STYLES, "noto"], strict=True)
]
show_pictures(
    pairs.pictures[rows],
    [pairs.captions[i] for i in rows],
    columns=6,
    caption="pictures and their captions. Nothing else will be said to the networks.",
)

# %% [markdown]
# ## 2  How does a computer read a caption?
#
# Lesson 08 had one number for each word, and was lost at a word it had never seen. With a number
# for each letter no word is lost, but the rows get long. **Guess** what lies between: which pieces
# would you give a number of their own?
#
# **Byte pairs:** begin with single bytes (every text is stored as bytes). Find the commonest pair
# of neighbours inside a word and make it one piece: a **merge**. Then find the next pair, and go
# on.

# %%
captions = pairs.captions[:3000]
merges = learn_merges(captions, 400)
for n in (0, 20, 100, 400):
    print(f"{n:3} merges:", " ".join(Tokenizer(merges[:n]).split("a firefighter")))

# %% [markdown]
# A common word ends up as one piece, a rare one as a few, and no text is out of reach. `</w>` marks
# the end of a word. The start and the end of the text get numbers of their own. Every row is as
# long as the others: the number of the end fills up what is left.

# %%
clip, tokenizer = load_clip()  # the course's own CLIP; its vocabulary has 1,500 merges
for sentence in ("red apple, noto style", "Zürich 🍎"):
    print(sentence, "->", tokenizer.split(sentence))
print(tokenizer.encode("red apple, noto style"))

# %% [markdown]
# The odd letters stand for bytes: *ü* is stored as two bytes, the apple as four.
#
# OpenAI's vocabulary is made in the same way. Its pieces are the 256 bytes, the same 256 at the end
# of a word, 48,894 merges, the start and the end. Stable Diffusion reads every prompt with it, and
# cuts the prompt off after 77 numbers, start and end among them.

# %%
openais = Tokenizer(vocabulary.merges(), length=77)
print("OpenAI's vocabulary has", f"{len(openais):,}", "pieces")
print(openais.split("an astronaut riding a horse"))

# %% [markdown]
# ## 3  Two towers
#
# CLIP is two networks, called towers: one for texts, one for pictures.
#
# The **text tower** is lesson 09's transformer, with learned positions in place of sines. Each
# piece of text is now called a **token**; the vector that comes out for it is its **state**. A
# causal mask lets each token see only itself and those before it. So if one word changes, **guess**
# which tokens' states change with it.

# %%
ids = tokenizer(["man pilot: dark skin tone, noto style", "man pilot: light skin tone, noto style"])
names = tokenizer.split("man pilot: dark skin tone, noto style")
with torch.no_grad():
    states = clip.text(ids)  # (2, 24, 128): a vector for each token
moved = (states[0] - states[1]).norm(dim=1)[: len(names) + 2]
show_heatmap(
    moved[None],
    y_labels=["moved by"],
    x_labels=["start", *(n.removesuffix("</w>") for n in names), "end"],
    caption="how far each state moves when dark becomes light: not at all left of that word.",
    numbers=f"none before the word: {bool(moved[:4].max() == 0)}; "
    f"some at the end: {bool(moved[-1] > 0)}",
    width=560,
)

# %% [markdown]
# Only the **end token** has seen the whole text, so its state stands for the text. But the end
# token also fills the rest of the row (this is called padding). Take the first one.


# %%
def text_vector(states, ids, end):
    """The state at each text's first end token: states (b, m, d), ids (b, m) -> (b, d)."""
    # BEGIN SOLUTION
    first_end = (ids == end).int().argmax(dim=1)
    return states[torch.arange(len(ids)), first_end]
    # END SOLUTION


text_vector = check("10.text_vector", text_vector)

# %%
vectors = text_vector(states, ids, tokenizer.end)
print("two texts, two vectors:", tuple(vectors.shape))
print("the tower's own choice:", torch.equal(vectors, clip.text.at_end(states, ids)))

# %% [markdown]
# The **image tower** is the same transformer without the mask. Its words are square patches of the
# picture. One extra token looks at all the patches, and its state stands for the whole picture.

# %%
picture = pairs.pictures[rows[:1]]  # (1, 3, 64, 64)
patches = picture.unfold(2, 16, 16).unfold(3, 16, 16)[0].flatten(1, 2).transpose(0, 1)
show_pictures(
    patches,
    columns=4,
    size=60,
    caption="the apple as the image tower gets it: 16 patches, a sentence of 16 words.",
)

# %% [markdown]
# ### Is it really CLIP?
#
# The library transformers has OpenAI's models in its class `CLIPModel`. Below we make a small CLIP
# of our own with random weights, and copy the weights into a small `CLIPModel`. Both must give the
# same numbers.

# %%
small = CLIP(
    TextTower(30, length=6, width=16, layers=2, heads=2),
    ImageTower(size=8, patch=4, width=24, layers=2, heads=3),
    d_shared=12,
)
some_ids, noise = torch.tensor([[28, 4, 7, 29, 29, 29]]), torch.randn(2, 3, 8, 8)
try:
    from course_lib.formats.openai_clip import like_transformers

    theirs = like_transformers(small, some_ids, noise)
    with torch.no_grad():
        print("same numbers:", torch.allclose(small(noise, some_ids), theirs, atol=1e-4))
except ImportError:
    print("transformers is not installed, so nothing is compared here.")

# %% [markdown]
# ## 4  One space
#
# The two towers may be of different widths. So one more learned matrix behind each brings its
# vector to the same number of numbers (`d_shared` above), and a picture can be compared with a
# text. What should count is where a vector points, not how long it is. So we compare by the
# **cosine**.


# %%
def similarity(pictures, texts):
    """The cosine of every picture vector (n, d) with every text vector (m, d): (n, m)."""
    # BEGIN SOLUTION
    return F.normalize(pictures, dim=1) @ F.normalize(texts, dim=1).T
    # END SOLUTION


similarity = check("10.similarity", similarity)

# %% [markdown]
# Up to section 6 we work with a small CLIP of our own, on one style and without skin tones. It begins with random weights. **Guess:** what does the table of six pictures against their six
# captions look like?

# %%
tones = ("skin tone", "facing right")
keep = [
    i
    for i in range(len(pairs))
    if pairs.styles[i] == "noto" and not any(t in pairs.labels[i] for t in tones)
]
few_pictures = pairs.pictures[keep]
few_ids = tokenizer([pairs.captions[i] for i in keep])
print(len(keep), "pairs")


# %%
def small_clip():
    """Both towers, untrained; the same random weights each time."""
    torch.manual_seed(0)
    return CLIP(
        TextTower(len(tokenizer), length=24, width=96, layers=2, heads=4),
        ImageTower(size=64, patch=16, width=96, layers=3, heads=4),
        d_shared=64,
    )


# %%
young = small_clip()
kept = [pairs.labels[i] for i in keep]
short = ["red apple", "rocket", "octopus", "pilot", "sun", "blue square"]
six = [kept.index(label) for label in short]


def table(model):
    with torch.no_grad():
        return similarity(model.encode_image(few_pictures[six]), model.encode_text(few_ids[six]))


def hits(cosines):
    return int((cosines.argmax(dim=1) == torch.arange(6)).sum())


# %%
before = table(young)
show_heatmap(
    before,
    x_labels=short,
    y_labels=short,
    decimals=2,
    width=440,
    caption="before training: pictures as rows, captions as columns, and no diagonal to be seen.",
    numbers=f"at most 3 of 6 rows have their largest number on the diagonal: {hits(before) <= 3}",
)

# %% [markdown]
# ## 5  The loss
#
# Each row is a question: *which of these captions belongs to this picture?* Each column asks the
# other way round. The right answers lie on the diagonal. A softmax turns each row into **beliefs**
# that add up to 1, and the loss is the one that classifiers use: **cross-entropy**, minus the
# logarithm of the belief in the right answer. It is used twice, for rows and for columns. Nobody
# had to name classes: the other pairs of the batch are the wrong answers.


# %%
def contrastive_loss(similarity):
    """The mean cross-entropy of rows and columns; right is the diagonal of (n, n)."""
    # BEGIN SOLUTION
    right = torch.arange(len(similarity))
    return (F.cross_entropy(similarity, right) + F.cross_entropy(similarity.T, right)) / 2
    # END SOLUTION


contrastive_loss = check("10.contrastive_loss", contrastive_loss)

# %%
print("no idea, 6 pairs:   ", f"{contrastive_loss(torch.zeros(6, 6)):.3f}")
print("log 6:              ", f"{torch.tensor(6.0).log():.3f}")
print("certain and right:  ", f"{contrastive_loss(100 * torch.eye(6)):.3f}")

# %% [markdown]
# {fold In symbols}
# $$L = -\frac{1}{2n}\sum_i \left(\log\frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}} +
# \log\frac{e^{s_{ii}}}{\sum_j e^{s_{ji}}}\right)$$
#
# with $s_{ij} = \cos(\text{picture}_i, \text{text}_j)\,/\,\text{temperature}$.
# {end}
#
# In which direction does the loss push the numbers of the table? The gradient of a cross-entropy is
# *what was believed minus what is right*. **Work it out** for the whole table: by rows, and by
# symmetry for the columns.


# %%
def loss_gradient(similarity):
    """The gradient of the loss for each entry of the table (n, n), without autograd."""
    # BEGIN SOLUTION
    truth = torch.eye(len(similarity))
    rows, columns = similarity.softmax(dim=1), similarity.softmax(dim=0)
    return ((rows - truth) + (columns - truth)) / (2 * len(similarity))
    # END SOLUTION


loss_gradient = check("10.loss_gradient", loss_gradient)

# %%
push = -loss_gradient(before / 0.07)  # 0.07: the temperature, explained just below
signs = 2 * torch.eye(6) - 1
show_heatmap(
    push,
    x_labels=short,
    y_labels=short,
    decimals=2,
    width=440,
    caption="where training will push: every right pair up (the diagonal), every wrong pair down.",
    numbers=f"all of the diagonal up, all else down: {bool((push.sign() == signs).all())}",
)

# %% [markdown]
# Cosines lie between -1 and 1, too close together for a softmax to be sure of anything. So they are
# divided by a **temperature**, which CLIP learns along with the rest. **Guess:** what happens at a
# very small one?

# %%
cosines = torch.tensor([0.9, 0.7, 0.4, 0.1, -0.2, -0.3])
curves = {f"temperature {t}": (cosines / t).softmax(0) for t in (1.0, 0.3, 0.07)}
show_curves(
    curves,
    x_label="six captions, best first",
    y_label="belief",
    caption="six cosines as beliefs: all much alike at temperature 1, nearly sure at 0.07.",
)

# %% [markdown]
# ## 6  Training
#
# We train for 180 steps, with 128 pairs in each batch. `clip_loss` is your loss, on the table
# of cosines divided by the temperature.

# %%
g = torch.Generator().manual_seed(0)


def batch():
    return torch.randperm(len(keep), generator=g)[:128]


losses = train(
    young.parameters(),
    (batch() for _ in range(180)),
    lambda i: clip_loss(young, few_pictures[i], few_ids[i]),
    steps=180,
    lr=5e-4,
)
show_curves(
    {"loss": losses},
    x_label="step",
    y_label="loss",
    caption="the loss soon rests at that of no idea, the logarithm of 128 (4.85), then it falls by "
    "more than a third.",
)

# %%
after = table(young)
show_heatmap(
    after,
    x_labels=short,
    y_labels=short,
    decimals=2,
    width=440,
    caption="after training nearly every picture is closest to its own caption, some of them only just.",
    numbers=f"at least 5 of 6 rows have their largest number on the diagonal: {hits(after) >= 5}",
)

# %% [markdown]
# ### Break it on purpose: no wrong answers
#
# Why not simply pull right pairs together? We train the same network on the same pairs, but the
# loss is one minus the cosine of the right pairs, and nothing else. A quarter of the steps is
# enough to see what comes of it.

# %%
lazy = small_clip()


def pull(i):
    matches = lazy.encode_image(few_pictures[i]) * lazy.encode_text(few_ids[i])
    return 1 - matches.sum(dim=1).mean()


train(lazy.parameters(), (batch() for _ in range(45)), pull, steps=45, lr=5e-4)
collapsed = table(lazy)
show_heatmap(
    collapsed,
    x_labels=short,
    y_labels=short,
    decimals=2,
    width=440,
    caption="perfect and useless: everything points the same way, so any caption fits any picture.",
    numbers=f"all 36 cosines above 0.9: {bool((collapsed > 0.9).all())}",
)

# %% [markdown]
# The wrong pairs are what keeps the vectors apart. Those that are almost right are **hard**, and
# teach what the others cannot: to tell *woman pilot* from *man pilot*, that one word must count. So
# half of each batch of the course's own CLIP is made of families: pilots of both genders, skin
# tones of one person, one emoji in several styles.

# %% [markdown]
# ## 7  A search engine
#
# From here on we use the CLIP that comes with the course: trained for longer, on all styles. It
# searches pictures that it has **never seen**. (Most of these things it has seen in another style.)

# %%
test = emoji.load(split="test")
images, texts = embed(clip, test.pictures, tokenizer(test.captions))
g = torch.Generator().manual_seed(0)
found = recall_at_1(images @ texts.T, 100, g)
print(len(test), "pairs kept out of all training")
print("right caption first among 100, more than half the time:", bool(found.mean() > 0.5))


# %%
known = {word.strip(":,") for c in pairs.captions for word in c.lower().split()}


def search(words):
    """The eight test pictures whose vectors point most nearly where the words point."""
    with torch.no_grad():
        scores = similarity(images, clip.encode_text(tokenizer([words])))[:, 0]
    best = scores.argsort(descending=True)[:8].tolist()
    figure = pictures_figure(test.pictures[best], [test.captions[i] for i in best], size=88)
    new = [w for w in words.lower().split() if w.strip(":,") not in known]
    return figure, f"words that no caption used: {', '.join(new) or 'none'}"


# %% [markdown]
# ### Play: type words
#
# Where this notebook is live, type below the figure: *fruit*, *something blue*, *a sad face in
# openmoji style*. **Guess** which of your words the captions never used.

# %%
explore(
    search,
    caption="eight of the unseen pictures, the best match first.",
    words=text("woman with dark skin tone, noto style"),
)

# %% [markdown]
# The other way round: a picture asks for its caption.

# %%
asked = torch.arange(0, len(test), len(test) // 6)[:6].tolist()
best = (images[asked] @ texts.T).argmax(dim=1).tolist()
said = [
    f"{test.captions[b]} ({'right' if b == i else 'wrong'})"
    for i, b in zip(asked, best, strict=True)
]
show_pictures(
    test.pictures[asked],
    said,
    columns=6,
    caption="six unseen pictures, each with the one of all test captions that fits it best.",
)

# %% [markdown]
# ## 8  Zero-shot: a classifier nobody trained
#
# To ask *which style is this?* we need no style classifier, only captions to compare with. This is
# called **zero-shot**: no classifier is trained for the task. (Here it is easier than it sounds:
# the captions of the training did name the style.) A class may have several captions. The mean of their vectors depends less on the chance of one caption, and its direction stands for the
# class.


# %%
def zero_shot(pictures, prompts):
    """Which of k classes each picture is: pictures (n, d), prompts (k, p, d) -> (n,)."""
    # BEGIN SOLUTION
    classes = F.normalize(prompts.mean(dim=1), dim=1)  # (k, d)
    return (pictures @ classes.T).argmax(dim=1)
    # END SOLUTION


zero_shot = check("10.zero_shot", zero_shot)

# %%
things = sorted(set(pairs.labels))[::40]  # 80 or so of all that the captions name
with torch.no_grad():
    prompts = [
        clip.encode_text(tokenizer([emoji.caption(x, s) for x in things])) for s in emoji.STYLES
    ]
guess = zero_shot(images, torch.stack(prompts))
truth = torch.tensor([emoji.STYLES.index(s) for s in test.styles])
confusion = torch.zeros(5, 5)
for right, said in zip(truth, guess, strict=True):
    confusion[right, said] += 1
show_heatmap(
    confusion / confusion.sum(1, keepdim=True),
    x_labels=emoji.STYLES,
    y_labels=emoji.STYLES,
    decimals=2,
    caption="true style as rows, guessed as columns: openmoji is hardly ever mistaken, fluent flat most often.",
    numbers=f"right in more than half the cases: {bool((guess == truth).float().mean() > 0.5)}",
)

# %% [markdown]
# ## 9  What does it confuse?
#
# Now only the unseen people. We ask for their skin tone and for their gender, each time with
# captions that differ in that word alone.

# %%
TONES = ["light", "medium-light", "medium", "medium-dark", "dark"]
people = [i for i, label in enumerate(test.labels) if label.count("skin tone") == 1]


def ask(swap, options):
    """For each person: which option, put in the caption's place for it, fits best?"""
    hits = []
    for i in people:
        versions = [swap(test.captions[i], option) for option in options]
        if test.captions[i] in versions:
            with torch.no_grad():
                scores = clip.encode_text(tokenizer(versions)) @ images[i]
            hits.append((versions.index(test.captions[i]), int(scores.argmax())))
    return torch.tensor(hits)


# %%
def with_tone(caption, tone):
    before, after = caption.split(": ", 1)
    return f"{before}: {tone} skin tone{after.split('skin tone', 1)[1]}"


def with_gender(caption, gender):
    return f"{gender} {caption.split(' ', 1)[1]}"


tone, gender = ask(with_tone, TONES), ask(with_gender, ["woman", "man"])
right = [float((answers[:, 0] == answers[:, 1]).float().mean()) for answers in (tone, gender)]

# %%
counts = torch.zeros(5, 5)
for true, said in tone:
    counts[true, said] += 1
show_heatmap(
    counts / counts.sum(1, keepdim=True),
    x_labels=TONES,
    y_labels=TONES,
    decimals=2,
    caption="true tone as rows, guessed as columns: about nine in ten are right in every row.",
    numbers=f"every row at least 0.85 right: {bool((counts.diag() / counts.sum(1) > 0.85).all())}; "
    f"gender right more often than chance explains (two standard errors, 0.57): {right[1] > 0.57}; "
    f"n = {len(tone)} and {len(gender)}",
)

# %% [markdown]
# CLIP learns what it needs to tell its captions apart, and nothing makes it learn more. What no
# caption mentions, such as how many petals a flower has, it may overlook. And what its captions
# leave out or presume about people, it leaves out and presumes as well.

# %% [markdown]
# ## 10  A look inside
#
# Which captions lie close together? **Guess:** is *red heart* nearer to *blue heart*, the same
# thing, or to *red square*, the same colour?

# %%
words = ["red heart", "blue heart", "red square", "blue square", "woman pilot", "man pilot"]
with torch.no_grad():
    vectors = clip.encode_text(tokenizer([f"{w}, noto style" for w in words]))
show_heatmap(
    similarity(vectors, vectors),
    x_labels=words,
    y_labels=words,
    decimals=2,
    width=440,
    caption="captions against captions: each heart is nearer to the square of its colour than to the "
    "other heart, and none coincide.",
    numbers=f"all pairs below 0.99: {bool((vectors @ vectors.T - torch.eye(6)).max() < 0.99)}",
)

# %% [markdown]
# ### OpenAI's CLIP, if you ask for it
#
# It is a download of 605 MB, by way of the library transformers. Set `ASKED = True` and run the
# cell. Its towers are of the same class as ours, and the search above needs no change.

# %%
ASKED = False
if ASKED:
    from course_lib.formats.openai_clip import download, prepare

    try:
        clip, tokenizer = download()
        parts = [clip.encode_image(prepare(test.pictures[i : i + 64])) for i in range(0, 512, 64)]
        images = torch.cat(parts)
        show_figure(
            search("a smiling face")[0], caption="found by OpenAI's CLIP among 512 pictures."
        )
    except ConnectionError as error:
        print(error)
else:
    print("Not asked for: the course's own CLIP goes on.")

# %% [markdown]
# ## Check yourself
#
# {fold 1. Why byte pairs, and not words?}
# Any text can be written in bytes, so nothing is unknown. Common words still are one piece.
# {end}
# {fold 2. Why is a text's vector taken at the end token?}
# The mask lets each token see only itself and those before it. Only the end has seen them all.
# {end}
# {fold 3. In a batch of 128 pairs, how many wrong answers has each question?}
# 127, and there are 256 questions: 128 rows and 128 columns.
# {end}

# %% [markdown]
# {fold 4. What does a lower temperature do to the beliefs?}
# It makes them surer: the same cosines become more different.
# {end}
# {fold 5. Why are captions that differ in one word worth more in a batch?}
# To tell them apart the towers must keep that word. Random pairs can be told apart by any word.
# {end}

# %%
print("question 3:", 128 - 1, "and", 2 * 128)

# %% [markdown]
# ## Recap
#
# 1. A tokenizer of byte pairs turns any text into a short row of numbers.
# 2. A text tower and an image tower end in vectors of the same space.
# 3. The contrastive loss asks each picture for its caption among the batch's, and each caption for
#    its picture; the right pairs are pulled together, the wrong ones pushed apart.
# 4. Without wrong pairs everything collapses to one direction.
# 5. Once the towers are trained, comparing vectors is enough to search in both directions and to
#    classify, with no more training.

# %% [markdown]
# ## Where this sits in Stable Diffusion
#
# Stable Diffusion keeps only the text tower, **frozen**: its weights are not trained any more. It
# uses not the one vector but **all the states**, one for each token. They are the context that the
# UNet reads by cross-attention: [lesson 11](11_cross_attention.ipynb).

# %% [markdown]
# ## Further reading
#
# - Radford et al. 2021, *Learning Transferable Visual Models From Natural Language Supervision*
# - Sennrich, Haddow and Birch 2016, *Neural Machine Translation of Rare Words with Subword Units*
# - Dosovitskiy et al. 2021, *An Image is Worth 16x16 Words*
# - Robinson et al. 2021, *Contrastive Learning with Hard Negative Samples*
