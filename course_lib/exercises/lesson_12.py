"""Lesson 12: guidance, the whole pipeline, picture to picture, inpainting."""

import math
from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.exercise import Answer, Case, Exercise, Wrong

# --- guided_answer


def guided_answer(
    unet: Answer, x: Tensor, t: Tensor, words: Tensor, nothing: Tensor, scale: float
) -> Tensor:
    """What the UNet answers, led by the words: `scale` times the way from `nothing` to `words`.

    x (b, c, h, w), t (b,), words and nothing (b, m, d). Both go through the UNet in one call.
    """
    both = unet(torch.cat([x, x]), torch.cat([t, t]), torch.cat([nothing, words]))
    plain, told = both.chunk(2)
    return plain + scale * (told - plain)


def _guided_in_two_calls(
    unet: Answer, x: Tensor, t: Tensor, words: Tensor, nothing: Tensor, scale: float
) -> Tensor:
    return torch.lerp(unet(x, t, nothing), unet(x, t, words), scale)


def _guided_told_first(
    unet: Answer, x: Tensor, t: Tensor, words: Tensor, nothing: Tensor, scale: float
) -> Tensor:
    both = unet(x.repeat(2, 1, 1, 1), t.repeat(2), torch.cat([words, nothing]))
    return scale * both[: len(x)] + (1 - scale) * both[len(x) :]


def turned_round(
    unet: Answer, x: Tensor, t: Tensor, words: Tensor, nothing: Tensor, scale: float
) -> Tensor:
    return guided_answer(unet, x, t, nothing, words, scale)


def from_the_words_on(
    unet: Answer, x: Tensor, t: Tensor, words: Tensor, nothing: Tensor, scale: float
) -> Tensor:
    plain, told = unet(x, t, nothing), unet(x, t, words)
    return told + scale * (told - plain)


def only_the_difference(
    unet: Answer, x: Tensor, t: Tensor, words: Tensor, nothing: Tensor, scale: float
) -> Tensor:
    return scale * (unet(x, t, words) - unet(x, t, nothing))


def not_guided(
    unet: Answer, x: Tensor, t: Tensor, words: Tensor, nothing: Tensor, scale: float
) -> Tensor:
    return unet(x, t, words)


def contexts_mixed(
    unet: Answer, x: Tensor, t: Tensor, words: Tensor, nothing: Tensor, scale: float
) -> Tensor:
    return unet(x, t, nothing + scale * (words - nothing))


def one_by_one(
    unet: Answer, x: Tensor, t: Tensor, words: Tensor, nothing: Tensor, scale: float
) -> Tensor:
    twice = x.repeat_interleave(2, dim=0)
    both = unet(twice, t.repeat_interleave(2), torch.cat([nothing, words]))
    plain, told = both.chunk(2)
    return plain + scale * (told - plain)


def contexts_added(
    unet: Answer, x: Tensor, t: Tensor, words: Tensor, nothing: Tensor, scale: float
) -> Tensor:
    return unet(x, t, nothing) + scale * unet(x, t, words)


def times_once(
    unet: Answer, x: Tensor, t: Tensor, words: Tensor, nothing: Tensor, scale: float
) -> Tensor:
    both = unet(torch.cat([x, x]), t, torch.cat([nothing, words]))
    plain, told = both.chunk(2)
    return plain + scale * (told - plain)


def _a_unet(x: Tensor, t: Tensor, context: Tensor) -> Tensor:
    """Answers each example by its own x, t and context, and not in a straight line.

    As the real one, it refuses batches that do not match: nothing is stretched to fit.
    """
    if len(t) != len(x):
        raise ValueError(f"UNet wants one time for each of {len(x)} examples, got {len(t)} times")
    if len(context) != len(x):
        raise ValueError(
            f"UNet wants one context for each of {len(x)} examples, got {len(context)} contexts"
        )
    heard = torch.tanh(context).sum(dim=(1, 2))
    return (x * (1 + t)[:, None, None, None]).sin() + heard[:, None, None, None] * x.cos()


def _with_a_unet(answer: Answer, case: Case) -> Any:
    return answer(_a_unet, *case)


def _halves(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for (b, c, h, w), m, d, scale in (((3, 2, 4, 3), 5, 2, 3.0), ((2, 1, 2, 5), 3, 4, 1.5)):
        words, nothing = torch.randn(2, b, m, d, generator=g)
        t = torch.randint(1000, (b,), generator=g)
        cases.append((torch.randn(b, c, h, w, generator=g), t, words, nothing, scale))
    return cases


GUIDED_ANSWER = Exercise(
    id="12.guided_answer",
    task="Ask the UNet with the words and with nothing, and go `scale` times the way.",
    points=2,
    cases=_halves,
    probe=_with_a_unet,
    reference=guided_answer,
    right=(_guided_in_two_calls, _guided_told_first),
    wrong=(
        Wrong(turned_round, "it goes away from the words: start at `nothing`, go towards `words`"),
        Wrong(from_the_words_on, "start at the answer WITHOUT words; scale 1 is to give the other"),
        Wrong(only_the_difference, "add the difference to the answer without words"),
        Wrong(not_guided, "this is the answer to the words alone; where does the scale come in?"),
        Wrong(contexts_mixed, "mix the two ANSWERS: the UNet makes no straight line of contexts"),
        Wrong(contexts_added, "the scale belongs to the DIFFERENCE of the two, not to the words'"),
        Wrong(times_once, "x is doubled, so t is as well: cat([t, t]), one time for each example"),
        Wrong(one_by_one, "the pictures go in as x, x, ...: cat([x, x]), as the contexts do"),
    ),
    hints=(
        "Scale 0 gives the answer to nothing, scale 1 that to the words; the rest lies on a line.",
        "plain, told = unet(cat([x, x]), cat([t, t]), cat([nothing, words])).chunk(2)",
    ),
    tolerance=1e-3,
)

# --- draw


def draw(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    """From prompts and noise x (b, c, h, w), by way of the times ts, to pictures.

    `boxes` has tokenize, read, unet, step and decode; `negative` is what to move away from, "" for
    nothing.
    """
    words = boxes.read(boxes.tokenize(prompts))
    nothing = boxes.read(boxes.tokenize([negative] * len(prompts)))
    for t, t_next in pairwise(ts):
        now = torch.full((len(x),), t, device=x.device)
        noise = guided_answer(boxes.unet, x, now, words, nothing, scale)
        x = boxes.step(x, noise, t, t_next)
    return boxes.decode(x)


def _draw_by_index(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    for i in range(len(ts) - 1):
        words, nothing = (boxes.read(boxes.tokenize(p)) for p in (prompts, [negative] * len(x)))
        now = torch.tensor([ts[i]] * len(x))
        told, plain = boxes.unet(x, now, words), boxes.unet(x, now, nothing)
        x = boxes.step(x, plain + scale * (told - plain), ts[i], ts[i + 1])
    return boxes.decode(x)


def negative_ignored(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    return draw(boxes, prompts, "", x, ts, scale)


def not_guided_at_all(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    return draw(boxes, prompts, negative, x, ts, 1.0)


def not_decoded(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    latents = SimpleNamespace(**vars(boxes) | {"decode": lambda x: x})
    return draw(latents, prompts, negative, x, ts, scale)


def decoded_at_every_step(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    def step(x: Tensor, noise: Tensor, t: int, t_next: int) -> Tensor:
        return boxes.decode(boxes.step(x, noise, t, t_next))

    each = SimpleNamespace(**vars(boxes) | {"decode": lambda x: x, "step": step})
    return draw(each, prompts, negative, x, ts, scale)


def the_last_move_missing(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    return draw(boxes, prompts, negative, x, ts[:-1], scale)


def asked_where_it_goes(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    words, nothing = (boxes.read(boxes.tokenize(p)) for p in (prompts, [negative] * len(x)))
    for t, t_next in pairwise(ts):
        now = torch.full((len(x),), t_next)
        noise = guided_answer(boxes.unet, x, now, words, nothing, scale)
        x = boxes.step(x, noise, t, t_next)
    return boxes.decode(x)


def always_from_the_start(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    return draw(boxes, prompts, negative, x, ts[-2:], scale)


def one_negative_for_all(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    words, nothing = (boxes.read(boxes.tokenize(p)) for p in (prompts, [negative]))
    for t, t_next in pairwise(ts):
        now = torch.full((len(x),), t)
        x = boxes.step(x, guided_answer(boxes.unet, x, now, words, nothing, scale), t, t_next)
    return boxes.decode(x)


def one_time_for_all(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    words, nothing = (boxes.read(boxes.tokenize(p)) for p in (prompts, [negative] * len(x)))
    for t, t_next in pairwise(ts):
        now = torch.tensor([t])
        x = boxes.step(x, guided_answer(boxes.unet, x, now, words, nothing, scale), t, t_next)
    return boxes.decode(x)


def one_negative_two_calls(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    words, nothing = (boxes.read(boxes.tokenize(p)) for p in (prompts, [negative]))
    for t, t_next in pairwise(ts):
        now = torch.full((len(x),), t)
        plain, told = boxes.unet(x, now, nothing), boxes.unet(x, now, words)
        x = boxes.step(x, plain + scale * (told - plain), t, t_next)
    return boxes.decode(x)


def one_time_two_calls(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    words, nothing = (boxes.read(boxes.tokenize(p)) for p in (prompts, [negative] * len(x)))
    for t, t_next in pairwise(ts):
        now = torch.tensor([t])
        plain, told = boxes.unet(x, now, nothing), boxes.unet(x, now, words)
        x = boxes.step(x, plain + scale * (told - plain), t, t_next)
    return boxes.decode(x)


def _draw_with_expanded(
    boxes: Any, prompts: Sequence[str], negative: str, x: Tensor, ts: Sequence[int], scale: float
) -> Tensor:
    words, nothing = boxes.read(boxes.tokenize(prompts)), boxes.read(boxes.tokenize([negative]))
    nothing = nothing.expand(len(x), -1, -1)
    for t, t_next in pairwise(ts):
        now = torch.tensor([t]).expand(len(x))
        noise = _guided_told_first(boxes.unet, x, now, words, nothing, scale)
        x = boxes.step(x, noise, t, t_next)
    return boxes.decode(x)


def _of_toy_boxes(answer: Answer, case: Case) -> Any:
    """Boxes that are small formulas, each sensitive to all that goes in."""
    prompts, negative, x, ts, scale, weight = case

    def tokenize(texts: Sequence[str]) -> Tensor:
        if isinstance(texts, str):
            raise ValueError("the tokenizer wants a list of texts; got a single one")
        rows = [[len(text), sum(map(ord, text)) % 50, 1] for text in texts]
        return torch.tensor(rows)

    def read(ids: Tensor) -> Tensor:
        return torch.sin(ids.float() * 0.3)[:, :, None] * weight  # (b, 3, d)

    def step(x: Tensor, noise: Tensor, t: int, t_next: int) -> Tensor:
        return x + (t_next - t) / 1000 * noise

    def decode(x: Tensor) -> Tensor:
        return torch.tanh(0.7 * x + 0.1)

    boxes = SimpleNamespace(tokenize=tokenize, read=read, unet=_a_unet, step=step, decode=decode)
    return answer(boxes, prompts, negative, x, ts, scale)


def _prompts(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for prompts, negative, size, ts, scale in (
        (["red apple", "blue fish!"], "green", (2, 3, 2), [999, 640, 150, -1], 3.0),
        (["moon"], "", (1, 2, 5), [900, 420, 77, -1], 2.0),
    ):
        x = torch.randn(len(prompts), *size, generator=g)
        cases.append((prompts, negative, x, ts, scale, torch.rand(4, generator=g) + 0.5))
    return cases


DRAW = Exercise(
    id="12.draw",
    task="Wire the boxes: read the texts, walk the times with a guided UNet, decode at the end.",
    points=4,
    cases=_prompts,
    probe=_of_toy_boxes,
    reference=draw,
    right=(_draw_by_index, _draw_with_expanded),
    wrong=(
        Wrong(negative_ignored, "`negative` takes the place of the empty text: read it as well"),
        Wrong(not_guided_at_all, "the scale changes nothing here: guide the UNet's answer by it"),
        Wrong(not_decoded, "what comes back is still a latent: decode it at the end"),
        Wrong(decoded_at_every_step, "decode once, at the end: the walk is a walk of latents"),
        Wrong(the_last_move_missing, "the last move, to t = -1, is missing: n moves, n + 1 times"),
        Wrong(asked_where_it_goes, "ask the UNet about the time t where x IS, not about t_next"),
        Wrong(one_negative_for_all, "one empty text for each prompt: [negative] * len(prompts)"),
        Wrong(one_negative_two_calls, "each prompt needs a negative: [negative] * len(prompts)"),
        Wrong(one_time_for_all, "the UNet wants a time for each picture: torch.full((len(x),), t)"),
        Wrong(one_time_two_calls, "`now` has one entry, x has more: torch.full((len(x),), t)"),
        Wrong(always_from_the_start, "each move starts where the last one ended: keep the new x"),
    ),
    hints=(
        "Two contexts before the loop; `pairwise(ts)` gives each move; one guided answer a move.",
        "words = boxes.read(boxes.tokenize(prompts)); for the others [negative] * len(prompts).",
        "In the loop: noise = guided_answer(boxes.unet, x, now, words, nothing, scale), then "
        "x = boxes.step(x, noise, t, t_next). `now` is a tensor (b,) full of t.",
    ),
    tolerance=1e-3,
)

# --- redraw_start


def redraw_start(
    latents: Tensor, noise: Tensor, ts: Sequence[int], strength: float, alpha_bar: Tensor
) -> tuple[Tensor, list[int]]:
    """Where picture to picture begins: the noised latents, and the times that are still to come.

    `ts` are the times of the whole way, -1 the last; a `strength` of 0.6 walks its last 60 %.
    """
    moves = round(strength * (len(ts) - 1))
    left = list(ts[-moves - 1 :])
    abar = alpha_bar[left[0]]
    return abar**0.5 * latents + (1 - abar) ** 0.5 * noise, left


def _redraw_start_from_the_front(
    latents: Tensor, noise: Tensor, ts: Sequence[int], strength: float, alpha_bar: Tensor
) -> tuple[Tensor, list[int]]:
    n = len(ts) - 1
    first = n - round(n * strength)
    abar = float(alpha_bar[ts[first]])
    return torch.sqrt(torch.tensor(abar)) * latents + (1 - abar) ** 0.5 * noise, [*ts][first:]


def strength_turned_round(
    latents: Tensor, noise: Tensor, ts: Sequence[int], strength: float, alpha_bar: Tensor
) -> tuple[Tensor, list[int]]:
    return redraw_start(latents, noise, ts, 1 - strength, alpha_bar)


def the_first_times(
    latents: Tensor, noise: Tensor, ts: Sequence[int], strength: float, alpha_bar: Tensor
) -> tuple[Tensor, list[int]]:
    left = list(ts[: round(strength * (len(ts) - 1)) + 1])
    abar = alpha_bar[left[0]]
    return abar**0.5 * latents + (1 - abar) ** 0.5 * noise, left


def one_time_too_few(
    latents: Tensor, noise: Tensor, ts: Sequence[int], strength: float, alpha_bar: Tensor
) -> tuple[Tensor, list[int]]:
    left = list(ts[-round(strength * (len(ts) - 1)) :])
    abar = alpha_bar[left[0]]
    return abar**0.5 * latents + (1 - abar) ** 0.5 * noise, left


def rounded_down(
    latents: Tensor, noise: Tensor, ts: Sequence[int], strength: float, alpha_bar: Tensor
) -> tuple[Tensor, list[int]]:
    left = list(ts[-int(strength * (len(ts) - 1)) - 1 :])
    abar = alpha_bar[left[0]]
    return abar**0.5 * latents + (1 - abar) ** 0.5 * noise, left


def rounded_up(
    latents: Tensor, noise: Tensor, ts: Sequence[int], strength: float, alpha_bar: Tensor
) -> tuple[Tensor, list[int]]:
    left = list(ts[-math.ceil(strength * (len(ts) - 1)) - 1 :])
    abar = alpha_bar[left[0]]
    return abar**0.5 * latents + (1 - abar) ** 0.5 * noise, left


def all_the_noise(
    latents: Tensor, noise: Tensor, ts: Sequence[int], strength: float, alpha_bar: Tensor
) -> tuple[Tensor, list[int]]:
    left = redraw_start(latents, noise, ts, strength, alpha_bar)[1]
    abar = alpha_bar[ts[0]]
    return abar**0.5 * latents + (1 - abar) ** 0.5 * noise, left


def no_noise(
    latents: Tensor, noise: Tensor, ts: Sequence[int], strength: float, alpha_bar: Tensor
) -> tuple[Tensor, list[int]]:
    return latents.clone(), redraw_start(latents, noise, ts, strength, alpha_bar)[1]


def roots_forgotten(
    latents: Tensor, noise: Tensor, ts: Sequence[int], strength: float, alpha_bar: Tensor
) -> tuple[Tensor, list[int]]:
    left = redraw_start(latents, noise, ts, strength, alpha_bar)[1]
    abar = alpha_bar[left[0]]
    return abar * latents + (1 - abar) * noise, left


def strength_as_share(
    latents: Tensor, noise: Tensor, ts: Sequence[int], strength: float, alpha_bar: Tensor
) -> tuple[Tensor, list[int]]:
    left = redraw_start(latents, noise, ts, strength, alpha_bar)[1]
    return (1 - strength) * latents + strength * noise, left


def _starts(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for size, ts, strength in (
        ((2, 3, 4, 2), [49, 39, 29, 19, 9, -1], 0.6),
        ((1, 2, 3, 5), [49, 44, 39, 34, 29, 24, 19, 14, 9, 4, -1], 0.32),  # 3.2 moves
        ((2, 1, 2, 3), [49, 39, 29, 19, 9, -1], 0.55),  # 2.75 moves
    ):
        latents, noise = torch.randn(2, *size, generator=g)
        alpha_bar = torch.cumprod(1 - 0.03 - 0.06 * torch.rand(50, generator=g), dim=0)
        cases.append((latents, noise, ts, strength, alpha_bar))
    return cases


REDRAW_START = Exercise(
    id="12.redraw_start",
    task="Find the times that a strength leaves (the nearest number of moves), and noise the "
    "latents as the first of them wants.",
    points=3,
    cases=_starts,
    reference=redraw_start,
    right=(_redraw_start_from_the_front,),
    wrong=(
        Wrong(strength_turned_round, "a strength of 1 walks ALL of the way; here it walks none"),
        Wrong(the_first_times, "these are the times at the noisy end: the LAST ones are left"),
        Wrong(one_time_too_few, "n moves need n + 1 times, as there is one between any two"),
        Wrong(rounded_down, "2.75 moves are nearer to 3: round(...) in place of int(...)"),
        Wrong(rounded_up, "3.2 moves are nearer to 3: round(...) takes the nearest"),
        Wrong(all_the_noise, "noise it as the first time LEFT wants, not the first of all"),
        Wrong(no_noise, "the latents are still clean: add as much noise as belongs to that time"),
        Wrong(roots_forgotten, "abar and 1 - abar are shares of variance: take their roots"),
        Wrong(strength_as_share, "how noisy a time is stands in alpha_bar, not in strength"),
    ),
    hints=(
        "A list of n + 1 times has n moves; strength times n of them, rounded, are walked.",
        "`left = ts[-moves - 1:]`; then lesson 05's add_noise at alpha_bar[left[0]].",
    ),
)

# --- put_back


def put_back(x: Tensor, known: Tensor, noise: Tensor, mask: Tensor, abar: float) -> Tensor:
    """The new where mask (b, 1, h, w) is 1; where it is 0 the known latents, as noisy as x is.

    x, known and noise (b, c, h, w); abar is the share of x's time.
    """
    there = abar**0.5 * known + (1 - abar) ** 0.5 * noise
    return mask * x + (1 - mask) * there


def _put_back_where(x: Tensor, known: Tensor, noise: Tensor, mask: Tensor, abar: float) -> Tensor:
    there = known * abar**0.5 + noise * (1 - abar) ** 0.5
    return torch.where(mask > 0.5, x, there)


def _put_back_by_difference(
    x: Tensor, known: Tensor, noise: Tensor, mask: Tensor, abar: float
) -> Tensor:
    there = abar**0.5 * known + (1 - abar) ** 0.5 * noise
    return there + mask * (x - there)


def mask_turned_round(x: Tensor, known: Tensor, noise: Tensor, mask: Tensor, abar: float) -> Tensor:
    return put_back(x, known, noise, 1 - mask, abar)


def put_back_clean(x: Tensor, known: Tensor, noise: Tensor, mask: Tensor, abar: float) -> Tensor:
    return mask * x + (1 - mask) * known


def noise_at_full_strength(
    x: Tensor, known: Tensor, noise: Tensor, mask: Tensor, abar: float
) -> Tensor:
    return mask * x + (1 - mask) * (known + noise)


def without_roots(x: Tensor, known: Tensor, noise: Tensor, mask: Tensor, abar: float) -> Tensor:
    return mask * x + (1 - mask) * (abar * known + (1 - abar) * noise)


def added_up(x: Tensor, known: Tensor, noise: Tensor, mask: Tensor, abar: float) -> Tensor:
    there = abar**0.5 * known + (1 - abar) ** 0.5 * noise
    return x + (1 - mask) * there


def noised_twice(x: Tensor, known: Tensor, noise: Tensor, mask: Tensor, abar: float) -> Tensor:
    merged = mask * x + (1 - mask) * known
    return abar**0.5 * merged + (1 - abar) ** 0.5 * noise


def _merges(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for (b, c, h, w), abar in (((2, 3, 4, 5), 0.3), ((1, 4, 2, 6), 0.8)):
        x, known, noise = torch.randn(3, b, c, h, w, generator=g)
        mask = (torch.randperm(b * h * w, generator=g) % 2).float().reshape(b, 1, h, w)
        cases.append((x, known, noise, mask, abar))
    return cases


PUT_BACK = Exercise(
    id="12.put_back",
    task="Keep x where the mask is 1; elsewhere put the known latents, with the noise of x's time.",
    points=2,
    cases=_merges,
    reference=put_back,
    right=(_put_back_where, _put_back_by_difference),
    wrong=(
        Wrong(mask_turned_round, "it is turned round: the mask is 1 where something NEW is wanted"),
        Wrong(put_back_clean, "the known part must be as noisy as its surroundings at this time"),
        Wrong(noise_at_full_strength, "signal and noise each have a share: abar and 1 - abar"),
        Wrong(without_roots, "abar and 1 - abar are shares of variance: their roots multiply"),
        Wrong(added_up, "where the known goes back, x must go: multiply x by the mask"),
        Wrong(noised_twice, "x has its noise already: noise the known part alone, then merge"),
    ),
    hints=(
        "First the known latents at x's time (lesson 05's add_noise), then choose by the mask.",
        "`mask * x + (1 - mask) * there`: the mask's one channel is stretched over all.",
    ),
)

EXERCISES = (GUIDED_ANSWER, DRAW, REDRAW_START, PUT_BACK)
