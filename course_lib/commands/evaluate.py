"""`course evaluate`: how good the bundled weights are.

Settings (guidance, steps, checkpoint) are chosen on validation; the test split is always drawn with
the settings that stand in data/splits.json, and no option changes that.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course_lib.metrics.benchmark import Settings
    from course_lib.text_to_image import TextToImage

MEASURES = ("vae", "clip", "text_to_image", "wordings", "compositions", "variety")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which measures, on which split, and what may be varied on validation."""
    parser.add_argument(
        "measures",
        nargs="*",
        metavar="MEASURE",
        help=f"{', '.join(MEASURES)} (default: all)",
    )
    parser.add_argument(
        "--split", choices=("test", "validation"), default="test", help="(default: test)"
    )
    parser.add_argument("--scale", type=float, help="guidance scale, on validation only")
    parser.add_argument("--steps", type=int, help="number of inference steps, on validation only")
    parser.add_argument(
        "--checkpoint", type=Path, help="checkpoint of an unfinished run, on validation only"
    )
    parser.add_argument(
        "--every", type=int, default=1, help="use every Nth question only (default: 1)"
    )


def run(options: argparse.Namespace) -> int:
    """Print the measures asked for. Raises ValueError for options that do not fit together."""
    chosen = (options.scale, options.steps, options.checkpoint)
    if unknown := set(options.measures) - set(MEASURES):
        raise ValueError(f"no measure {min(unknown)!r}; there are {', '.join(MEASURES)}")
    if options.split == "test" and (chosen != (None, None, None) or options.every != 1):
        raise ValueError(
            "--scale, --steps, --checkpoint and --every are for choosing, which is done on "
            "validation: add --split validation. Test pictures are drawn with the settings in "
            "data/splits.json."
        )
    if options.every < 1:
        raise ValueError(f"--every wants 1 or more, got {options.every}")
    for measure in options.measures or MEASURES:
        print(f"{'':=<112}\n{measure}, {options.split} split\n", flush=True)
        {
            "vae": _vae,
            "clip": _clip,
            "text_to_image": _text_to_image,
            "wordings": _wordings,
            "compositions": _compositions,
            "variety": _variety,
        }[measure](options)
    return 0


def _vae(options: argparse.Namespace) -> None:
    from course_lib import autoencoder
    from course_lib.files import weights
    from course_lib.metrics.evaluate import table, vae_quality

    found = vae_quality(weights.load_into(autoencoder.emoji(), "emoji_vae"), options.split)
    names = found["all"]
    columns = {name: {style: of[name] for style, of in found.items()} for name in names}
    print(table("How alike a picture is after encoding and decoding, in decibels", columns))


def _clip(options: argparse.Namespace) -> None:
    from course_lib.files.pretrained import load_clip
    from course_lib.metrics.evaluate import search_quality, table

    found = search_quality(*load_clip(), options.split)
    print(table("Is the right one first among 100? Chance: 0.01", found))


def _model(options: argparse.Namespace) -> "tuple[TextToImage, Settings]":
    """What draws, and with which settings."""
    from course_lib.files.pretrained import load_pretrained
    from course_lib.metrics import benchmark
    from course_lib.metrics.evaluate import of_checkpoint

    known = benchmark.default_settings()
    settings = benchmark.Settings(
        known.num_inference_steps if options.steps is None else options.steps,
        known.guidance_scale if options.scale is None else options.scale,
        known.seed,
    )
    model = of_checkpoint(options.checkpoint) if options.checkpoint else load_pretrained()
    return model, settings


def _text_to_image(options: argparse.Namespace) -> None:
    from course_lib.metrics import benchmark
    from course_lib.metrics.evaluate import table

    model, settings = _model(options)
    print(
        "Of 100 pictures, is the true one nearest to the drawing? Chance: 0.01\n"
        f"{settings.num_inference_steps} steps of DDIM, guidance {settings.guidance_scale}, seeds "
        f"from {settings.seed}. Copied is the training picture nearest to the truth:\na sibling "
        "stands among the 99 itself, so its copy never wins ('-': there is nothing to copy).\n"
    )
    for measure in benchmark.measures(benchmark.question_names(options.split), options.every):
        print(table(measure.name, benchmark.compare(measure, model, settings)), flush=True)


def _wordings(options: argparse.Namespace) -> None:
    from course_lib.metrics import benchmark, composed
    from course_lib.metrics.evaluate import table

    model, settings = _model(options)
    print(
        "The same questions, asked with a picture's own caption and in ways of asking that no "
        "training saw:\nis the true picture among 100 nearest? Chance: 0.01\n"
    )
    names = [f"{options.split}_combinations", "train_seen"]
    for measure in benchmark.measures(names, options.every):
        reworded = composed.reworded(measure, options.split)
        found = {
            title: benchmark.proportions(asked.right(asked.drawn(model, settings)), asked.styles)
            for title, asked in (("own caption", measure), ("held-out wordings", reworded))
        }
        print(table(measure.name, found), flush=True)


def _compositions(options: argparse.Namespace) -> None:
    from course_lib.datasets import compositions, emoji
    from course_lib.metrics import composed
    from course_lib.metrics.evaluate import table

    model, settings = _model(options)
    print(
        "New colours of things, pairs of things and numbers of things, each held out: is the true "
        "picture\namong 100 nearest? Chance: 0.01. Copied is the same composition in the nearest "
        "other style.\n"
    )
    shelf = composed.Shelf(compositions.drawn(emoji.load(split="train")))
    for kind in composed.KINDS:
        measure = composed.Composed(kind, options.split, shelf, options.every)
        print(table(measure.name, composed.compare(measure, model, settings)), flush=True)


def _variety(options: argparse.Namespace) -> None:
    from course_lib.datasets import emoji
    from course_lib.metrics import variety

    model, settings = _model(options)
    train = emoji.load(split="train")
    asked = variety.open_captions(train)[:: min(options.every, 10)]  # an interval wants two
    found = variety.seed_spread(model, asked, train, settings)
    print("Spread between seeds, as a share of that of true pictures that fit the caption")
    for caption, drawn, true in zip(found.captions, found.drawn, found.true, strict=True):
        print(f"{caption:<32}{drawn:8.3f}{true:8.3f}")
    print(
        f"{'mean of the shares':<32}{found}\n\nDrawings of training captions near their own picture"
    )
    for name, share in variety.copies(model, train, settings, 200 // options.every).items():
        print(f"{name:<40}{share}")
