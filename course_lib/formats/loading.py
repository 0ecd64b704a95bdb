"""Open what somebody has on disk: a folder or a single file, with another VAE, words and LoRAs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from course_lib.autoencoder import VAE
from course_lib.datasets import vocabulary
from course_lib.formats import (
    inspect,
    lora_files,
    parts,
    single_file,
    textual_inversion,
    tokenizer_folder,
)
from course_lib.formats.parts import PLAIN, Target
from course_lib.formats.tensor_files import TensorFiles, in_folder, read_json
from course_lib.text_to_image import TextToImage
from course_lib.tokenizer import Tokenizer

WEIGHTS = "diffusion_pytorch_model"


def load(path: Path | str, target: Target = PLAIN) -> TextToImage:
    """The Stable Diffusion 1 at `path`, a folder in diffusers' layout or a single file.

    Raises FileNotFoundError for what is missing and ValueError, in a sentence that says what it is,
    for what the course does not open.
    """
    path = Path(path)
    return load_folder(path, target) if path.is_dir() else load_file(path, target)


def load_folder(path: Path, target: Target = PLAIN) -> TextToImage:
    """The Stable Diffusion 1 in a folder in diffusers' layout.

    Raises FileNotFoundError for what is missing, and ValueError for other models.
    """
    inspect.expect_layout(path)
    index = read_json(path / "model_index.json")
    pipeline = str(index.get("_class_name"))
    if pipeline != "StableDiffusionPipeline":
        kind = inspect.pipeline_kind(pipeline)
        raise ValueError(
            f"{path} holds a {pipeline}, not a StableDiffusionPipeline. {kind.sentence}"
        )
    unet_config = dict(read_json(path / "unet" / "config.json"))
    vae_config = dict(read_json(path / "vae" / "config.json"))
    text_config = dict(read_json(path / "text_encoder" / "config.json"))
    scheduler = dict(read_json(path / "scheduler" / "scheduler_config.json"))
    unet_files = in_folder(path / "unet", WEIGHTS)
    vae_files = in_folder(path / "vae", WEIGHTS)
    text_files = in_folder(path / "text_encoder", "model")
    parts.expect_memory(
        sum(files.parameters for files in (unet_files, vae_files, text_files)), target
    )
    schedule = parts.schedule(scheduler)
    tower = parts.text_tower(text_config, text_files.read(), target, str(path / "text_encoder"))
    tokenizer = tokenizer_folder.load(
        path / "tokenizer", len(tower.positions), tower.tokens.num_embeddings
    )
    tower.end = tokenizer.end
    return TextToImage(
        tokenizer,
        tower,
        parts.unet(unet_config, unet_files.read(), target, str(path / "unet")),
        parts.vae(vae_config, vae_files.read(), target, str(path / "vae")),
        schedule,
        parts.prediction(scheduler),
        parts.side(unet_config, str(path / "unet")),
    )


def load_file(path: Path, target: Target = PLAIN) -> TextToImage:
    """The Stable Diffusion 1 in a single file. Raises ValueError for a file of another kind."""
    files = TensorFiles([path])
    kind = inspect.kind_of(files.shapes)
    if kind is not inspect.SINGLE:
        raise ValueError(f"{path} holds no whole model: {kind.name}. {kind.sentence}")
    found = single_file.split(files.read())
    parts.expect_memory(files.parameters, target)
    tower = parts.text_tower(*found.text, target, str(path))
    tokenizer = Tokenizer(vocabulary.merges(), len(tower.positions))
    if len(tokenizer) != tower.tokens.num_embeddings:
        raise ValueError(
            f"the text tower in {path} has {tower.tokens.num_embeddings:,} words, CLIP's "
            f"vocabulary has {len(tokenizer):,}. Usual cause: a model with a word "
            "added; save it as a folder."
        )
    return TextToImage(
        tokenizer,
        tower,
        parts.unet(*found.unet, target, str(path)),
        parts.vae(*found.vae, target, str(path)),
        parts.schedule(found.scheduler),
        parts.prediction(found.scheduler),
        found.unet[0]["sample_size"],
    )


def load_vae(path: Path | str, target: Target = PLAIN) -> VAE:
    """An autoencoder alone: a folder with its config.json, or a file in either kind of names.

    A file does not say its scaling factor; Stable Diffusion 1's, 0.18215, is taken.
    Raises ValueError for a file of another kind.
    """
    path = Path(path)
    if path.is_dir():
        below = path / "vae" if (path / "vae").is_dir() else path
        files = in_folder(below, WEIGHTS)
        config = dict(read_json(below / "config.json"))
        return parts.vae(config, files.read(), target, str(below))
    files = TensorFiles([path])
    kind = inspect.kind_of(files.shapes)
    if kind is inspect.SINGLE:
        return parts.vae(*single_file.split(files.read()).vae, target, str(path))
    if kind is not inspect.VAE:
        raise ValueError(
            f"{path} is not an autoencoder that the course opens: {kind.name}. {kind.sentence}"
        )
    state = {name.removeprefix(single_file.VAE): x for name, x in files.read().items()}
    if any(".down_blocks." in name for name in state):
        config = single_file.vae_config_of_diffusers(single_file.shapes(state))
        return parts.vae(config, state, target, str(path))
    kept = {k: x for k, x in state.items() if not k.startswith(("loss.", "model_ema."))}
    config = single_file.vae_config(single_file.shapes(kept))
    return parts.vae(config, single_file.vae_from_original(kept), target, str(path))


def with_extras(
    model: TextToImage,
    *,
    vae: Sequence[Path | str] = (),
    words: Sequence[Path | str] = (),
    loras: Sequence[tuple[Path | str, float]] = (),
    target: Target = PLAIN,
) -> TextToImage:
    """The model with another autoencoder, new words, and LoRAs, in this order.

    LoRAs are put on the model's own parts. Raises as the readers of these files do.
    """
    for path in vae:
        model = replace(model, vae=load_vae(path, target))
    for path in words:
        model = textual_inversion.extended(model, textual_inversion.read(path))
    for path, strength in loras:
        lora_files.apply(model, path, strength)
    return model
