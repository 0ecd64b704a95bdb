"""The full training run of each bundled weight: `course train NAME`, or NAME(folder) from here.

A recipe trains on the train split only, checkpoints into `folder` and goes on from there when it
is started again, and at its end writes NAME.safetensors and its card NAME.json into `folder`.
"""

import csv
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from course_lib import autoencoder, clip, schedule, unet, weights
from course_lib.autoencoder import VAE, normalise_latents, vae_loss
from course_lib.clip import CLIP, contrastive_loss
from course_lib.datasets import corpus, digits, emoji, fashion, fish
from course_lib.denoising import Guesser, denoising_loss, error_left, small_scenes, told, untold
from course_lib.diffusion import Denoiser, noise_loss, v_loss
from course_lib.digit_coder import DigitVAE
from course_lib.distance import picture_distance
from course_lib.evaluate import drawn_quality, vae_quality
from course_lib.matching import Batches, embed, first_among, jitter, matching_loss
from course_lib.paths import bundled
from course_lib.plain_unet import PlainUNet, WithoutSkips
from course_lib.samplers import Step, clipped, ddim, ddpm, dpm_solver_pp, heun, times
from course_lib.segmentation import iou, segmentation_loss
from course_lib.tokenizer import Tokenizer, learn_merges
from course_lib.training import long_run
from course_lib.unet import UNet, pixel_32, tiny
from course_lib.word2vec import Text, TwoLists, Vocabulary, as_numbers, count_words, new_lists, read
from course_lib.word_vectors import CAPITALS, FAMILY, answered, questions

EMOJI_LICENCE = "CC BY-SA 4.0, as the strictest of the emoji that it learned from"
SEGMENTATION = (8, 24, 64, 96, 96)  # the widths of lesson 02


def card(folder: Path, recipe: str, data: str, **facts: Any) -> dict[str, Any]:
    """The start of a weight's card: recipe, minutes taken (from the log), hashes of its data."""
    files = json.loads((bundled("data") / "manifest.json").read_text(encoding="utf-8"))["files"]
    with (folder / "log.csv").open(newline="") as log:
        minutes = sum(float(row[2]) for row in csv.reader(log)) / 60
    return {
        "recipe": f"course_lib.recipes.{recipe}",
        "minutes": round(minutes, 1),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "data": {name: file["sha256"] for name, file in files.items() if name.startswith(data)},
        "split": "train",
    } | facts


def bfloat16() -> torch.autocast:
    """Mixed precision on the CPU: halves the time of a convolution on processors that know it."""
    return torch.autocast("cpu", dtype=torch.bfloat16)


def segmentation(folder: Path) -> Path:
    """The plain UNet of lesson 02 on scenes of fish, composed afresh for every step."""
    return _segment(lambda: PlainUNet(SEGMENTATION), "segmentation", folder)


def segmentation_without_skips(folder: Path) -> Path:
    """The same run with nothing handed across, for lesson 02 to show what is lost."""
    return _segment(lambda: WithoutSkips(SEGMENTATION), "segmentation_without_skips", folder)


def _segment(make: Callable[[], PlainUNet], name: str, folder: Path) -> Path:
    """2,500 steps on 16 fresh scenes each; the card gets the IoU on fish never trained on."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make()

    def loss_of(generator: torch.Generator) -> Tensor:
        seed = int(torch.randint(2**31, (1,), generator=generator))
        pictures, masks = fish.scenes(16, seed, "train", variety=0.6)
        with bfloat16():
            logits = model(pictures)
        return segmentation_loss(logits.float(), masks)

    steps = 2500
    trained = long_run(model, loss_of, folder, steps=steps, lr=2e-3)
    quality = {}
    for split, backgrounds in (("validation", "validation"), ("test", "train"), ("test", "test")):
        pictures, masks = fish.scenes(500, 2015, split, backgrounds=backgrounds)
        with torch.no_grad():
            logits = torch.cat([trained(batch) for batch in pictures.split(50)])
        quality[f"IoU, {split} fish on {backgrounds} backgrounds"] = round(
            float(iou(logits > 0, masks).mean()), 3
        )
    facts = {"steps": steps, "batch": 16, "seed": 0, "quality": quality, "licence": "MIT"}
    made = card(folder, name, "fish/", **facts)
    return weights.save(trained.state_dict(), made, name, folder)


def denoisers(folder: Path) -> Path:
    """Lessons 03 and 04's six denoisers: told the noise level and not, three seeds of each."""
    scenes = small_scenes(3000, seed=0)
    steps, batch_size, lr = 400, 16, 2e-3

    def train(guesser: Callable[[UNet], Guesser], seed: int, run: Path) -> UNet:
        torch.manual_seed(seed)
        unet = tiny()

        def loss_of(g: torch.Generator) -> Tensor:
            pictures = scenes[torch.randint(len(scenes), (batch_size,), generator=g)]
            with bfloat16():
                return denoising_loss(guesser(unet), pictures, g)

        average = long_run(unet, loss_of, run, steps=steps, lr=lr, seed=seed, save_every=100)
        return cast(UNet, average)

    state: weights.State = {}
    quality: dict[str, list[float]] = {}
    minutes, unseen = 0.0, small_scenes(64, seed=1, split="validation")
    for seed in range(3):
        for which, guesser in (("told", told), ("untold", untold)):
            run = folder / f"{which}_{seed}"
            unet = train(guesser, seed, run)
            state |= {f"{which}.{seed}.{key}": value for key, value in unet.state_dict().items()}
            minutes += card(run, "", "")["minutes"]
            for level in (0.02, 0.1, 0.5, 1.0):
                left = round(error_left(guesser(unet), unseen, level), 5)
                quality.setdefault(f"{which}, error left at level {level}", []).append(left)
    facts = card(
        run,
        "denoisers",
        "fish",
        seed=[0, 1, 2],
        minutes=round(minutes, 1),
        steps=steps,
        batch_size=batch_size,
        lr=lr,
        quality=quality,
        licence="GPL-3.0-or-later, for the fish and backgrounds that it learned from",
    )
    return weights.save(state, facts, "denoisers", folder)


def sampler_distances(model: Denoiser, s: schedule.NoiseSchedule, n: int = 32) -> dict[str, Any]:
    """Lesson 05's table: (shape, texture) distance of `n` pictures to the training set.

    For each sampler and number of evaluations; "real" are `n` test pictures, the floor.
    """
    boots, evaluations = fashion.load("train"), (5, 10, 25, 50)
    x = torch.randn(n, *boots.shape[1:], generator=torch.Generator().manual_seed(0))

    def end(walk: Iterator[Step]) -> Tensor:
        *_, last = walk
        return last.x

    table: dict[str, Any] = {"real": picture_distance(fashion.load("test")[:n], boots)}
    for k in evaluations:
        ts = times(s.num_steps, k)
        walks = {
            "ddpm": ddpm(model, x, s, ts, torch.Generator().manual_seed(1)),
            "ddim": ddim(model, x, s, ts),
            "heun": heun(model, x, s, times(s.num_steps, (k + 1) // 2)),  # two evaluations a move
            "dpm_solver_pp": dpm_solver_pp(model, x, s, ts),
        }
        for name, walk in walks.items():
            table.setdefault(name, []).append(picture_distance(end(walk), boots))
    return {"distance": table, "evaluations": evaluations, "pictures": n}


def pixel_diffusion(folder: Path) -> Path:
    """Lesson 05's denoiser: noise prediction on ankle boots of 32x32, cosine schedule."""
    torch.manual_seed(0)
    model, s, boots = pixel_32(), schedule.cosine(), fashion.load("train")
    steps, batch_size, lr = 1500, 32, 1.5e-3

    def loss_of(g: torch.Generator) -> Tensor:
        x0 = boots[torch.randint(len(boots), (batch_size,), generator=g)]
        with bfloat16():
            return noise_loss(model, x0, s, g)

    average = long_run(model, loss_of, folder, steps=steps, lr=lr, save_every=100)
    facts = card(
        folder,
        "pixel_diffusion",
        "fashion",
        seed=0,
        steps=steps,
        batch_size=batch_size,
        lr=lr,
        licence="MIT",
        **sampler_distances(clipped(average, s), s),
    )
    return weights.save(average.state_dict(), facts, "pixel_diffusion", folder)


def emoji_clip(folder: Path) -> Path:
    """Lesson 10's CLIP on the emoji of all styles, half of each batch families of captions.

    First both towers learn. Then the text tower is locked, for the UNets that read its states, and
    the image tower goes on alone (Zhai et al. 2022 lock the other one). Also writes
    emoji_tokenizer/ into `folder`, learned on the training captions.
    """
    train, lr, steps, batch_size = emoji.load(split="train"), 1e-3, (400, 1500), 128
    tokenizer = Tokenizer(learn_merges(train.captions, 1500), clip.EMOJI_LENGTH)
    tokenizer.save(folder / "emoji_tokenizer")
    ids, batches = tokenizer(train.captions), Batches(train.captions, batch_size)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = clip.emoji(len(tokenizer))

    def both(g: torch.Generator) -> Tensor:
        rows = batches.draw(g)
        return matching_loss(model, jitter(train.pictures[rows], g), ids[rows])

    model = cast(CLIP, long_run(model, both, folder / "both", steps=steps[0], lr=lr, save_every=50))
    with torch.no_grad():
        at_end = torch.cat([model.text.at_end(model.text(i), i) for i in ids.split(256)])

    def image_alone(g: torch.Generator) -> Tensor:
        rows = batches.draw(g)
        texts = F.normalize(model.text_to_shared(at_end[rows]), dim=1)
        images = model.encode_image(jitter(train.pictures[rows], g))
        return contrastive_loss(model.scale() * images @ texts.T)

    model.train().requires_grad_(True)
    model.text.requires_grad_(False)
    model = cast(CLIP, long_run(model, image_alone, folder, steps=steps[1], lr=lr, save_every=50))
    held_out, g = emoji.load(split="validation"), torch.Generator().manual_seed(0)
    images, texts = embed(model, held_out.pictures, tokenizer(held_out.captions))
    quality = {
        "measured on": f"{len(held_out)} validation pictures, 99 random others of them",
        "right caption first among 100": first_among(images @ texts.T, 100, g).mean().item(),
        "right picture first among 100": first_among(texts @ images.T, 100, g).mean().item(),
    }
    facts = {"steps": steps, "batch_size": batch_size, "lr": lr, "seed": 0, "quality": quality}
    licence = "CC BY-SA 4.0, as the strictest of the emoji that it learned from"
    made = card(folder, "emoji_clip", "emoji/", **facts, licence=licence)
    made["minutes"] += card(folder / "both", "emoji_clip", "emoji/")["minutes"]
    return weights.save(model.state_dict(), made, "emoji_clip", folder)


def word2vec(folder: Path) -> Path:
    """Lesson 08's two lists of 20,000 words; of three seeds all are measured, the first is kept."""
    sentences = corpus.sentences()
    vocabulary = count_words(sentences)
    text = as_numbers(sentences, vocabulary)
    runs = [_two_lists(folder / f"seed_{s}", vocabulary, text, seed=s, epochs=15) for s in range(3)]
    facts = card(
        folder / "seed_0",
        "word2vec",
        "corpus",
        seed=0,
        steps=runs[0][1],
        epochs=15,
        window=10,
        lr=0.05,
        quality={f"seed {s}": _analogies(lists) for s, (lists, _) in enumerate(runs)},
        licence="CC BY-SA 4.0, for the paragraphs of Wikipedia that they were learned from",
    )
    return weights.save(runs[0][0].state(), facts, "word2vec", folder)


def _two_lists(
    folder: Path, vocabulary: Vocabulary, text: Text, *, seed: int, epochs: int
) -> tuple[TwoLists, int]:
    """The lists of one seed and the steps taken; `folder` keeps them after every epoch."""
    folder.mkdir(parents=True, exist_ok=True)
    lists, done, steps = new_lists(vocabulary, seed=seed), 0, 0
    path = folder / "checkpoint.safetensors"
    if path.exists():
        state = load_file(path)
        lists = TwoLists(vocabulary.words, state["centre"], state["around"])
        done, steps = int(state["done"]), int(state["steps"])
    for epoch in range(done, epochs):
        since = time.monotonic()
        steps += read(
            lists, text, vocabulary, epoch=epoch, of=epochs, window=10, lr=0.05, seed=seed
        )
        counts = {"done": torch.tensor(epoch + 1), "steps": torch.tensor(steps)}
        save_file(lists.state() | counts, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)
        with (folder / "log.csv").open("a", newline="") as log:
            right = answered(lists.first, questions(FAMILY))
            csv.writer(log).writerow([epoch + 1, right, f"{time.monotonic() - since:.1f}"])
    return lists, steps


def _analogies(lists: TwoLists) -> dict[str, Any]:
    """How many analogies have the right word among the first five, and the places of two."""

    def place(a: str, b: str, c: str, d: str) -> int:
        found = [word for word, _ in lists.first.analogy(a, b, c, len(lists.words) - 3)]
        return found.index(d) + 1

    return {
        "capitals in first five": f"{answered(lists.first, questions(CAPITALS))} of 182",
        "family in first five": f"{answered(lists.first, questions(FAMILY))} of 90",
        "place of queen": place("man", "king", "woman", "queen"),
        "place of tokyo": place("england", "london", "japan", "tokyo"),
    }


def emoji_vae(folder: Path, steps: int = 4000) -> Path:
    """The autoencoder of lessons 06, 07 and 12: 64x64 emoji to 8x8x4, all styles.

    At the end the latents are brought to unit spread; the card gets the PSNR on the test pictures.
    """
    train = emoji.load(split="train").pictures
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = autoencoder.emoji()

    def loss_of(g: torch.Generator) -> Tensor:
        with bfloat16():
            return vae_loss(vae, train[torch.randint(len(train), (16,), generator=g)], g)

    lr = 1e-3
    average = cast(VAE, long_run(vae, loss_of, folder, steps=steps, lr=lr, save_every=100))
    with torch.no_grad():
        parts = torch.arange(0, len(train), 8).split(100)
        codes = torch.cat([average.encode(train[rows]).mean for rows in parts])
    normalise_latents(average, codes.mean(dim=(0, 2, 3)), codes.std(dim=(0, 2, 3)))
    facts = {"steps": steps, "batch_size": 16, "lr": lr, "seed": 0, "licence": EMOJI_LICENCE}
    made = card(folder, "emoji_vae", "emoji/", **facts, quality=vae_quality(average, "test"))
    return weights.save(average.state_dict(), made, "emoji_vae", folder)


def mnist_vae(folder: Path) -> Path:
    """Lesson 06's plane of digits: a variational autoencoder to 2 numbers, ten times as long."""
    pictures, _ = digits.load("train")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DigitVAE(2)

    def loss_of(g: torch.Generator) -> Tensor:
        return model.loss(pictures[torch.randint(len(pictures), (128,), generator=g)], g)

    steps, lr = 12000, 2e-3
    average = cast(DigitVAE, long_run(model, loss_of, folder, steps=steps, lr=lr, save_every=2000))
    test, _ = digits.load("test")
    with torch.no_grad():
        error = float((average.decode(average.encode(test).mean) - test).square().mean())
    facts = {"steps": steps, "batch_size": 128, "lr": lr, "seed": 0, "licence": "MIT"}
    made = card(folder, "mnist_vae", "digits", **facts, quality={"test error": round(error, 4)})
    return weights.save(average.state_dict(), made, "mnist_vae", folder)


def emoji_unconditional(folder: Path, steps: int = 4000) -> Path:
    """Lesson 07's denoiser of emoji latents, told nothing: v-prediction, schedule to zero."""
    latents = emoji_latents()
    s = schedule.zero_terminal(schedule.scaled_linear())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = unet.emoji_unconditional()

    def loss_of(g: torch.Generator) -> Tensor:
        return v_loss(model, latents[torch.randint(len(latents), (64,), generator=g)], s, g)

    lr = 1e-3
    average = cast(UNet, long_run(model, loss_of, folder, steps=steps, lr=lr, save_every=200))
    facts = {"steps": steps, "batch_size": 64, "lr": lr, "seed": 0, "licence": EMOJI_LICENCE}
    made = card(folder, "emoji_unconditional", "emoji/", **facts, quality=drawn_quality(average, s))
    return weights.save(average.state_dict(), made, "emoji_unconditional", folder)


@torch.no_grad()
def emoji_latents() -> Tensor:
    """All training pictures through the bundled autoencoder, once: latents (n, 4, 8, 8)."""
    vae = cast(VAE, weights.load_into(autoencoder.emoji(), "emoji_vae"))
    pictures = emoji.load(split="train").pictures
    rows = torch.arange(len(pictures)).split(100)
    return torch.cat([vae.to_latents(pictures[r]) for r in rows])
