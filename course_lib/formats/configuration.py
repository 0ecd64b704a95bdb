"""Settings of other people's models: each one is used, known to change nothing, or refused.

A setting such as the activation function changes every picture and no shape, so weights fit and
the result is wrong without a word. Therefore nothing is skipped: `account` goes through all the
keys of a config.json and raises for the first that the course's classes do not have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Config = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What one part's config.json may say.

    `used` are the settings that the loader reads; `fixed` has the values at which the course's
    class is the same function; `unchanging` are about training, precision or the file's history;
    `meaning` is what another value usually means.
    """

    used: frozenset[str]
    fixed: Mapping[str, tuple[Any, ...]]
    unchanging: frozenset[str]
    meaning: Mapping[str, str] = field(default_factory=dict)


def account(config: Mapping[str, Any], settings: Settings, where: str) -> None:
    """Raise ValueError, naming the setting, unless every key of `config` is accounted for."""
    for key, value in config.items():
        if key in settings.used or key in settings.unchanging or key.startswith("_"):
            continue
        usual = settings.meaning.get(key, "another family of models, or a setting nobody uses")
        if key not in settings.fixed:
            raise ValueError(
                f"{where} has the setting {key} = {value!r:.60}, which the course does not know. "
                "It may change the picture, so the model is not opened. Usual cause: a newer "
                "version of diffusers, or another family of models."
            )
        wanted = settings.fixed[key]
        every = value if isinstance(value, list) and value else [value]
        if any(not any(_same(v, w) for w in wanted) for v in every):
            raise ValueError(
                f"{where} has {key} = {value!r:.60}; the course's class has {wanted[0]!r}. With "
                f"the same weights it would draw something else. Usual cause: {usual}."
            )


def plain(config: Mapping[str, Any]) -> Config:
    """The same settings with lists for tuples, as they are in a config.json."""
    return {key: list(v) if isinstance(v, tuple) else v for key, v in config.items()}


def one(config: Mapping[str, Any], key: str, default: Any, where: str) -> Any:
    """A setting that is one number, or a list of equal ones. ValueError for different ones."""
    value = config.get(key, default)
    if isinstance(value, list):
        if not value or any(v != value[0] for v in value):
            raise ValueError(
                f"{where} has {key} = {value!r:.60}; the course's class has one number for all "
                "levels. Usual cause: Stable Diffusion 2 or XL."
            )
        return value[0]
    return default if value is None else value


def _same(a: Any, b: Any) -> bool:
    """1 and 1.0 are the same setting; 1 and True are not."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


TRAINING = {"gradient_checkpointing", "dropout"}  # eval() switches both off
EMA = {  # what diffusers' EMAModel leaves in a config.json
    "decay",
    "inv_gamma",
    "min_decay",
    "optimization_step",
    "power",
    "update_after_step",
    "use_ema_warmup",
}
SD2, LCM, XL = "Stable Diffusion 2", "a model distilled to a few steps (LCM)", "Stable Diffusion XL"

UNET = Settings(
    used=frozenset(
        {
            "sample_size",
            "in_channels",
            "out_channels",
            "down_block_types",
            "up_block_types",
            "block_out_channels",
            "layers_per_block",
            "cross_attention_dim",
            "attention_head_dim",
            "norm_num_groups",
        }
    ),
    fixed={
        "act_fn": ("silu", "swish"),
        "addition_embed_type": (None,),
        "addition_time_embed_dim": (None,),
        "attention_type": ("default",),
        "center_input_sample": (False,),
        "class_embed_type": (None,),
        "class_embeddings_concat": (False,),
        "conv_in_kernel": (3,),
        "conv_out_kernel": (3,),
        "cross_attention_norm": (None,),
        "downsample_padding": (1,),
        "dual_cross_attention": (False,),
        "encoder_hid_dim": (None,),
        "encoder_hid_dim_type": (None,),
        "flip_sin_to_cos": (True,),
        "freq_shift": (0,),
        "mid_block_only_cross_attention": (None, False),
        "mid_block_scale_factor": (1,),
        "mid_block_type": ("UNetMidBlock2DCrossAttn",),
        "norm_eps": (1e-5,),
        "num_attention_heads": (None,),
        "num_class_embeds": (None,),
        "only_cross_attention": (False,),
        "projection_class_embeddings_input_dim": (None,),
        "resnet_out_scale_factor": (1,),
        "resnet_skip_time_act": (False,),
        "resnet_time_scale_shift": ("default",),
        "reverse_transformer_layers_per_block": (None,),
        "time_cond_proj_dim": (None,),
        "time_embedding_act_fn": (None,),
        "time_embedding_dim": (None,),
        "time_embedding_type": ("positional",),
        "timestep_post_act": (None,),
        "transformer_layers_per_block": (1,),
        "use_linear_projection": (False,),
    },
    unchanging=frozenset({"upcast_attention", "addition_embed_type_num_heads"} | TRAINING | EMA),
    meaning={
        "addition_embed_type": XL,
        "addition_time_embed_dim": XL,
        "projection_class_embeddings_input_dim": XL,
        "transformer_layers_per_block": XL,
        "use_linear_projection": SD2 + " or XL",
        "dual_cross_attention": "Versatile Diffusion",
        "time_cond_proj_dim": LCM,
        "num_class_embeds": "a model that makes pictures larger (upscaler)",
    },
)

AUTOENCODER = Settings(
    used=frozenset(
        {
            "in_channels",
            "latent_channels",
            "block_out_channels",
            "layers_per_block",
            "norm_num_groups",
            "scaling_factor",
        }
    ),
    fixed={
        "act_fn": ("silu", "swish"),
        "down_block_types": ("DownEncoderBlock2D",),
        "latents_mean": (None,),
        "latents_std": (None,),
        "mid_block_add_attention": (True,),
        "out_channels": (3,),
        "up_block_types": ("UpDecoderBlock2D",),
        "use_post_quant_conv": (True,),
        "use_quant_conv": (True,),
    },
    # diffusers' pipeline never reads the shift; `force_upcast` is about half precision
    unchanging=frozenset({"sample_size", "shift_factor", "force_upcast"} | TRAINING | EMA),
    meaning={
        "latents_mean": XL,
        "latents_std": XL,
        "use_quant_conv": "the autoencoder of Stable Diffusion 3 or Flux",
        "use_post_quant_conv": "the autoencoder of Stable Diffusion 3 or Flux",
    },
)

TEXT = Settings(
    used=frozenset(
        {
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "max_position_embeddings",
            "intermediate_size",
        }
    ),
    fixed={
        "hidden_act": ("quick_gelu",),
        "layer_norm_eps": (1e-5,),
        "model_type": ("clip_text_model",),
        "is_decoder": (False,),
        "add_cross_attention": (False,),
    },
    # the three ids matter only to the pooled vector, which Stable Diffusion 1 does not use
    unchanging=frozenset(
        {
            "architectures",
            "attention_dropout",
            "bos_token_id",
            "chunk_size_feed_forward",
            "dtype",
            "eos_token_id",
            "id2label",
            "initializer_factor",
            "initializer_range",
            "is_encoder_decoder",
            "label2id",
            "output_attentions",
            "output_hidden_states",
            "pad_token_id",
            "problem_type",
            "projection_dim",
            "return_dict",
            "torch_dtype",
            "transformers_version",
            "use_cache",
        }
        | TRAINING
    ),
    meaning={"hidden_act": SD2 + ", whose text tower is OpenCLIP's"},
)

SCHEDULER = Settings(
    used=frozenset(
        {
            "num_train_timesteps",
            "beta_start",
            "beta_end",
            "beta_schedule",
            "trained_betas",
            "rescale_betas_zero_snr",
            "prediction_type",
        }
    ),
    fixed={
        "thresholding": (False,),
        "timestep_type": ("discrete",),
        "use_flow_sigmas": (False, None),
    },
    # How *its* sampler walks. The course's samplers take the same network their own way; diffusers
    # lets one exchange them in the same manner. (Its pipeline switches clip_sample off itself.)
    unchanging=frozenset(
        {
            "algorithm_type",
            "clip_sample",
            "clip_sample_range",
            "dynamic_thresholding_ratio",
            "euler_at_final",
            "final_sigmas_type",
            "flow_shift",
            "interpolation_type",
            "lambda_min_clipped",
            "lower_order_final",
            "predict_x0",
            "disable_corrector",
            "sample_max_value",
            "set_alpha_to_one",
            "sigma_max",
            "sigma_min",
            "skip_prk_steps",
            "solver_order",
            "solver_p",
            "solver_type",
            "steps_offset",
            "timestep_spacing",
            "use_beta_sigmas",
            "use_dynamic_shifting",
            "use_exponential_sigmas",
            "use_karras_sigmas",
            "use_lu_lambdas",
            "time_shift_type",
            "variance_type",
        }
    ),
    meaning={"thresholding": "a model that works on pixels, not on latents"},
)
SAMPLERS = (  # schedulers over the same noise, which can be exchanged for one another
    "DDIMScheduler",
    "DDPMScheduler",
    "PNDMScheduler",
    "LMSDiscreteScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "DPMSolverSDEScheduler",
    "DEISMultistepScheduler",
    "UniPCMultistepScheduler",
)
