"""What is this file? Told from its names and shapes, before any number is read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from course_lib.formats.tensor_files import TensorFiles, read_json

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Kind:
    """One kind of file: its name, and what the course does with it, in a sentence."""

    name: str
    opens: bool
    sentence: str


SINGLE = Kind(
    "Stable Diffusion 1, single file",
    True,
    "The UNet, the autoencoder and the text tower in one file, in the names of the first authors. "
    "Such a file does not say what its UNet predicts; noise is assumed, as in Stable Diffusion 1.",
)
FOLDER = Kind("Stable Diffusion 1, folder", True, "The parts in folders, as diffusers saves them.")
UNET = Kind(
    "UNet", True, "The UNet of a Stable Diffusion 1 alone: it needs the rest of its folder."
)
VAE = Kind("VAE", True, "An autoencoder alone: `--vae` puts it in the place of a model's own.")
TEXT = Kind("text tower", True, "CLIP's text tower alone: it needs the rest of its folder.")
CLIP = Kind("CLIP", True, "Both towers of CLIP, as in lesson 10.")
LORA = Kind("LoRA", True, "Small matrices that change a model: give it beside one, with `--lora`.")
WORDS = Kind(
    "textual inversion", True, "Vectors for new words: give it beside a model, with `--words`."
)


def _refused(name: str, why: str) -> Kind:
    return Kind(name, False, why)


INPAINTING = _refused(
    "inpainting model",
    "Its UNet takes 9 channels: the latent, the mask and the masked picture. The course inpaints "
    "with an ordinary model (lesson 12): use one.",
)
PIX2PIX = _refused(
    "editing model (pix2pix)",
    "Its UNet takes 8 channels: the latent, and the picture to be changed. The course's takes 4.",
)
OTHER_CHANNELS = _refused(
    "UNet with other channels",
    "Its UNet takes neither 4 channels nor a known number of more; the course's takes the latent "
    "alone.",
)
SD2 = _refused(
    "Stable Diffusion 2",
    "Its text tower is OpenCLIP's, with another activation and wider contexts (1,024), and its "
    "UNet has other heads. The course builds Stable Diffusion 1: look for a file for 1.4 or 1.5.",
)
XL = _refused(
    "Stable Diffusion XL",
    "It has two text towers, deeper transformers and a UNet that is told the picture's size. The "
    "course builds Stable Diffusion 1: look for a file made for 1.4 or 1.5.",
)
SD3 = _refused(
    "Stable Diffusion 3",
    "It has a transformer in the place of the UNet; lesson 17 builds a small one of its kind.",
)
FLUX = _refused(
    "Flux",
    "It has a transformer in the place of the UNet; lesson 17 builds a small one of its kind.",
)
CONTROL = _refused(
    "ControlNet", "A second network that steers a UNet by a drawing; not in this course."
)
ADAPTER = _refused(
    "IP-Adapter", "It shows a UNet a picture in the place of words; not in this course."
)
MOTION = _refused(
    "motion module", "Layers that look along time, for a UNet; lesson 16 builds such layers."
)
LCM = _refused(
    "LCM UNet",
    "It is distilled to a few steps and is told the guidance scale; the course's UNet is not. Use "
    "the model that it was distilled from.",
)
TAESD = _refused(
    "tiny autoencoder (TAESD)", "Another, smaller network than Stable Diffusion's autoencoder."
)
SAFETY = _refused(
    "safety checker", "It judges finished pictures. The course runs none, and says so in lesson 13."
)
LYCORIS = _refused(
    "LyCORIS file (LoHa, LoKr, DoRA or another)",
    "Its changes are not products of two thin matrices; the course has LoRA. Look for the same "
    "thing as a plain LoRA.",
)
OTHER_LORA = _refused(
    "LoRA for another model",
    "It was made for Stable Diffusion 2, XL, 3 or Flux, whose layers have other names and sizes.",
)
OTHER_WORDS = _refused(
    "textual inversion for another model",
    "Its vectors are of another width than Stable Diffusion 1's words, 768.",
)
UNKNOWN = _refused(
    "unknown file",
    "Its names belong to nothing that the course knows. Usual cause: a model of another family.",
)


def has(pattern: str) -> Callable[[Shapes], bool]:
    """Whether some name matches; ^ is its beginning."""
    compiled = re.compile(pattern)
    return lambda shapes: any(compiled.search(name) for name in shapes)


def _channels(shapes: Shapes) -> int:
    """The channels that a UNet takes, 0 where there is none."""
    for name, shape in shapes.items():
        if len(shape) == 4 and (
            name.endswith("input_blocks.0.0.weight")
            or (name == "conv_in.weight" and "conv_norm_out.weight" in shapes)
        ):
            return shape[1]
    return 0


def _context(shapes: Shapes) -> int:
    """How wide the contexts of a UNet, or of a LoRA for one, are; 0 if its names do not say."""
    for name, shape in shapes.items():
        if re.search(
            r"attn2[._](processor\.)?to_k(_lora)?\.(lora[._]?(down|A)?\.?.*)?weight", name
        ):
            return shape[1]
    return 0


def _one_tensor(shapes: Shapes) -> bool:
    """A textual inversion: rows as wide as a word, under the word's name or AUTOMATIC1111's."""
    names = set(shapes) - {"emb_params", "string_to_param"}
    plain = len(shapes) == 1 and not any("." in name for name in names)
    return bool(shapes) and plain and all(len(s) in (1, 2) for s in shapes.values())


RULES: tuple[tuple[Callable[[Shapes], bool], Kind], ...] = (  # the first that fits
    (has(r"hada_w|lokr_w|dora_scale|\.oft_|lora_mid|^ia3|\.on_input$"), LYCORIS),
    (
        lambda s: (
            has(r"lora_|\.lora\.|_lora\.")(s)
            and (
                has(
                    r"lora_te[12]_|text_encoder_2|lora_unet_(input|output|middle|double|single)_|lora_"
                    r"unet_(joint|time|label)|^transformer\.|(double|single|joint)_blocks"
                )(s)
                or _context(s) in (1024, 1280, 2048)
            )
        ),
        OTHER_LORA,
    ),
    (has(r"lora_(down|up|A|B)\.|lora\.(down|up)\.|lora_[AB]\."), LORA),
    (has(r"double_blocks\.|single_transformer_blocks\."), FLUX),
    (has(r"joint_blocks\.|add_q_proj"), SD3),
    (has(r"motion_modules"), MOTION),
    (has(r"input_hint_block|controlnet_cond_embedding|^control_model\."), CONTROL),
    (has(r"^ip_adapter\.|^image_proj\."), ADAPTER),
    (has(r"^conditioner\.|label_emb\.|^add_embedding\."), XL),
    (has(r"time_embedding\.cond_proj|time_embed\.cond_proj"), LCM),
    (has(r"^cond_stage_model\.model\."), SD2),
    (lambda s: _channels(s) == 9, INPAINTING),
    (lambda s: _channels(s) == 8, PIX2PIX),
    (lambda s: _context(s) == 1024, SD2),
    (lambda s: _context(s) == 2048, XL),
    (lambda s: _channels(s) not in (0, 4), OTHER_CHANNELS),
    (has(r"^cond_stage_model\.transformer\."), SINGLE),
    (has(r"input_blocks\.0\.0\.|^time_embedding\.linear_1"), UNET),
    (has(r"concept_embeds"), SAFETY),
    (has(r"^(encoder|decoder)\.layers\.\d+\.(conv|weight|bias)"), TAESD),
    (has(r"(^|first_stage_model\.)decoder\.(mid|mid_block)\."), VAE),
    (has(r"^vision_model\."), CLIP),
    (has(r"^(text_model\.)?embeddings\.token_embedding"), TEXT),
    (lambda s: {"clip_l", "clip_g"} & set(s) != set(), OTHER_WORDS),
    (lambda s: _one_tensor(s) and next(iter(s.values()))[-1] in (1024, 1280), OTHER_WORDS),
    (_one_tensor, WORDS),
)


def kind_of(shapes: Shapes) -> Kind:
    """The kind of a file, from the names and shapes of its tensors; UNKNOWN for no kind known."""
    return next((kind for fits, kind in RULES if fits(shapes)), UNKNOWN)


@dataclass(frozen=True)
class Report:
    """What a file or folder is: its kind, how many numbers it holds, and in what precision."""

    kind: Kind
    parts: tuple[tuple[str, int, str], ...]  # a part's name, its numbers, its precision

    @property
    def parameters(self) -> int:
        """All its numbers."""
        return sum(count for _, count, _ in self.parts)


IN_SINGLE = (
    ("UNet", "model.diffusion_model."),
    ("autoencoder", "first_stage_model."),
    ("text tower", "cond_stage_model."),
    ("UNet, slow copy (EMA)", "model_ema."),
)


def inspect(path: Path | str) -> Report:
    """Say what is at `path`. Raises as `TensorFiles` does for what is no safetensors file."""
    path = Path(path)
    if path.is_dir():
        return inspect_folder(path)
    files = TensorFiles([path])
    kind = kind_of(files.shapes)
    parts = []
    for name, begins in IN_SINGLE if kind is SINGLE or not kind.opens else ():
        sizes = [_numbers(s) for key, s in files.shapes.items() if key.startswith(begins)]
        if sizes:
            parts.append((name, sum(sizes), files.precision))
    rest = files.parameters - sum(count for _, count, _ in parts)
    if rest:
        parts.append((kind.name if not parts else "other tensors", rest, files.precision))
    return Report(kind, tuple(parts))


def _numbers(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count


def inspect_folder(folder: Path) -> Report:
    """Say what is in a folder in diffusers' layout. ValueError for one in another layout."""
    from course_lib.formats.tensor_files import in_folder

    expect_layout(folder)
    pipeline = str(read_json(folder / "model_index.json").get("_class_name"))
    kind = FOLDER if pipeline == "StableDiffusionPipeline" else pipeline_kind(pipeline)
    parts = []
    for name, below, stem in (
        ("UNet", "unet", "diffusion_pytorch_model"),
        ("autoencoder", "vae", "diffusion_pytorch_model"),
        ("text tower", "text_encoder", "model"),
    ):
        if (folder / below).is_dir():
            files = in_folder(folder / below, stem)
            parts.append((name, files.parameters, files.precision))
            if name == "UNet" and kind is FOLDER:
                found = kind_of(files.shapes)
                kind = FOLDER if found is UNET else found
    return Report(kind, tuple(parts))


def pipeline_kind(pipeline: str) -> Kind:
    """The kind of a folder from the pipeline that its model_index.json names."""
    for word, kind in (
        ("XL", XL),
        ("StableDiffusion3", SD3),
        ("Flux", FLUX),
        ("Inpaint", INPAINTING),
        ("InstructPix2Pix", PIX2PIX),
        ("ControlNet", CONTROL),
        ("LatentConsistency", LCM),
    ):
        if word in pipeline:
            return kind
    return UNKNOWN


def expect_layout(folder: Path) -> None:
    """Raise unless `folder` is in diffusers' layout, and say which one is meant.

    ValueError for a cache of downloads and for a folder with a single file in it, FileNotFoundError
    for any other.
    """
    if (folder / "model_index.json").is_file():
        return
    snapshots = sorted(folder.glob("snapshots/*/model_index.json"))
    if snapshots:
        raise ValueError(
            f"{folder} is a cache of downloads; the model in it is {snapshots[-1].parent}: name "
            "that folder."
        )
    files = sorted(folder.glob("*.safetensors"))
    if files:
        raise ValueError(
            f"{folder} is not in diffusers' layout (it has no model_index.json). It holds "
            f"{files[0].name}: name that file."
        )
    raise FileNotFoundError(
        f"{folder / 'model_index.json'} is missing. A folder in diffusers' layout has it, beside "
        "unet/, vae/, text_encoder/, tokenizer/ and scheduler/. Usual cause: a half-finished "
        "download, or the folder above the right one."
    )
