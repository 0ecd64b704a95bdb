"""The measure of the text-to-image model: what is known of its numbers beforehand."""

from types import SimpleNamespace

import pytest
import torch

from course_lib.cli import main
from course_lib.commands import evaluate as command
from course_lib.datasets import emoji, registry
from course_lib.files import pretrained
from course_lib.metrics import benchmark, evaluate
from course_lib.metrics.benchmark import NOTHING, Proportion, Settings, shrunk

NAMES = ("test_combinations", "test_style_pairs", "train_seen")


@pytest.fixture(scope="module")
def questions():
    return {m.name: m for m in benchmark.measures(NAMES)}


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [  # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_wilsons(right, n, low, high):
    assert Proportion(right, n).interval() == pytest.approx((low, high), abs=5e-5)
    assert Proportion(n - right, n).interval() == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_a_share_as_text():
    assert str(Proportion(81, 263)) == "0.31 (0.26-0.37) of 263"


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_draughtsman_is_always_right(questions, name):
    measure = questions[name]
    right = measure.right(measure.small[measure.true])
    assert right.all()
    found = benchmark.proportions(right, measure.styles)
    assert set(found) == {"all", *emoji.STYLES}
    assert sum(found[s].n for s in emoji.STYLES) == found["all"].n == len(emoji.questions(name))


def test_one_of_the_hundred_at_random_is_right_once_in_a_hundred(questions):
    g, right, n = torch.Generator().manual_seed(0), 0, 0
    for measure in questions.values():
        column = torch.randint(100, (len(measure.true), 1), generator=g)
        answers = measure.small[measure.questions.gather(1, column)[:, 0]]
        right += int(measure.right(answers).sum())
        n += len(answers)
    low, high = Proportion(right, n).interval()
    assert low < 0.01 < high


def test_white_paper_and_grey_are_right_about_as_rarely(questions):
    for shade in (1.0, 0.0):
        for measure in questions.values():
            answers = torch.full((len(measure.true), measure.small.shape[1]), shade)
            assert measure.right(answers).float().mean() < 0.05


def test_what_is_as_near_as_the_truth_is_wrong(questions):
    measure = questions["train_seen"]
    alike = SimpleNamespace(small=torch.zeros_like(measure.small), questions=measure.questions)
    answers = torch.zeros(len(measure.true), measure.small.shape[1])
    assert not benchmark.Benchmark.right(alike, answers).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_copied_sibling_never_wins_as_it_stands_among_the_hundred(questions, name):
    measure = questions[name]
    copied = measure.best_sibling()
    assert NOTHING not in copied
    for number, row in zip(copied, measure.questions.tolist(), strict=True):
        assert number in row[1:]
        assert measure.every.kinds[number] == "train"
    assert measure.copied(copied)["all"] == Proportion(0, len(measure.true))


def test_another_style_is_the_same_thing_seen_in_training(questions):
    measure = questions["test_style_pairs"]
    every, copied = measure.every, measure.another_style()
    assert NOTHING not in copied  # each is known in two other styles at least
    for own, number in zip(measure.true, copied, strict=True):
        assert every.codes[number] == every.codes[own]
        assert every.styles[number] != every.styles[own]
        assert every.kinds[number] == "train"
        assert {every.styles[number][:6], every.styles[own][:6]} != {"fluent"}
    assert 0.05 < measure.copied(copied)["all"].right / len(copied) < 0.95
    nowhere = questions["test_combinations"].another_style()
    assert set(nowhere) == {NOTHING}  # held out in every style
    assert questions["test_combinations"].copied(nowhere) == {}


class Recorder:
    """Stands in for a model: notes what it is asked, and draws the true picture."""

    def __init__(self, every: emoji.Emoji) -> None:
        self.asked: list[tuple[str, int]] = []
        self.settings: set[tuple[int, float]] = set()
        self.every, self.at = every, {c: i for i, c in enumerate(every.captions)}

    def draw(self, prompts, seeds, *, num_inference_steps, guidance_scale):
        assert len(prompts) == len(seeds) <= 100
        self.asked += zip(prompts, seeds, strict=True)
        self.settings.add((num_inference_steps, guidance_scale))
        return self.every.pictures[[self.at[p] for p in prompts]]

    def encode(self, pictures):
        return pictures

    decode = encode


@pytest.mark.usefixtures("plain_shapes")  # stand-ins for the classes
def test_each_caption_is_drawn_once_with_a_seed_of_its_own(questions):
    measure = questions["test_combinations"]
    model = Recorder(measure.every)
    found = benchmark.compare(
        measure, model, Settings(num_inference_steps=7, guidance_scale=2.5, seed=40)
    )
    assert model.settings == {(7, 2.5)}
    assert [c for c, _ in model.asked] == measure.captions
    assert [s for _, s in model.asked] == list(range(40, 40 + len(measure.true)))
    n = len(measure.true)
    assert found["model"]["all"] == found["decoded true latent"]["all"] == Proportion(n, n)


def test_pictures_are_compared_as_averages_of_16_by_16():
    picture = torch.zeros(1, 3, 64, 64)
    picture[:, 0, :4, 4:8] = 1
    small = shrunk(picture)
    assert small.shape == (1, 768)
    assert small.nonzero().tolist() == [[0, 1]]
    assert small[0, 1] == 1


# What the command prints


@pytest.mark.usefixtures("plain_shapes")  # stand-ins for the classes
def test_the_test_split_is_drawn_with_the_frozen_settings(questions, monkeypatch, capsys):
    model = Recorder(questions["train_seen"].every)
    monkeypatch.setattr(pretrained, "load_pretrained", lambda: model)
    monkeypatch.setattr(benchmark, "measures", lambda names, step: [questions[n] for n in names])
    assert main(["evaluate", "text_to_image"]) == 0
    frozen = registry.splits("emoji")["measure"]
    assert model.settings == {(frozen["steps"], frozen["scale"])}
    assert model.asked[0][1] == frozen["seed"]
    out = capsys.readouterr().out
    assert f"guidance {frozen['scale']}" in out
    combinations, style_pairs, seen = out.split("\n\n")[2:5]
    assert combinations.startswith("test_combinations")
    assert "0.00 (0.00-0.01) of 330" in combinations
    assert [line.split()[0] for line in seen.splitlines()[2:]] == [
        *("all", "noto", "twemoji", "fluent", "fluent", "openmoji")
    ]
    assert "1.00 (1.00-1.00) of 800" in style_pairs


@pytest.mark.parametrize(
    "option", [["--scale", "0"], ["--steps", "9"], ["--checkpoint", "x"], ["--every", "3"]]
)
def test_choices_are_made_on_validation(option, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(command, "_text_to_image", lambda options: asked.append(options))
    assert main(["evaluate", "text_to_image", *option]) == 1
    assert "add --split validation" in capsys.readouterr().err
    assert main(["evaluate", "text_to_image", *option, "--split", "validation"]) == 0
    assert len(asked) == 1


def test_an_unknown_measure_or_split_is_refused(capsys):
    assert main(["evaluate", "fid"]) == 1
    assert "no measure 'fid'; there are vae, clip, text_to_image" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["evaluate", "--split", "train"])
    assert "invalid choice: 'train'" in capsys.readouterr().err


def test_the_averaged_weights_of_an_unfinished_run_can_be_measured(tmp_path):
    from safetensors.torch import save_file

    from course_lib import unet

    model = unet.emoji_latent()
    state = {f"average.{k}": v + 1 for k, v in model.state_dict().items()}
    state |= {f"model.{k}": v.clone() for k, v in model.state_dict().items()}
    save_file(state, tmp_path / "checkpoint.safetensors")
    found = evaluate.of_checkpoint(tmp_path / "checkpoint.safetensors")
    key = "conv_in.weight"
    torch.testing.assert_close(found.unet.state_dict()[key], model.state_dict()[key] + 1)


def test_a_file_that_is_no_checkpoint_is_told(tmp_path, capsys):
    from safetensors.torch import save_file

    (tmp_path / "text").write_text("hello")
    save_file({"average.x": torch.zeros(1)}, tmp_path / "other")
    for name in ("text", "other"):
        asked = ["evaluate", "text_to_image", "--split", "validation"]
        asked += ["--checkpoint", str(tmp_path / name)]
        assert main(asked) == 1
        assert "is not a checkpoint of emoji_text_to_image" in capsys.readouterr().err


@pytest.mark.usefixtures("plain_shapes")  # stand-ins for the classes
def test_clip_is_asked_among_each_hundred_apart(monkeypatch):
    """A CLIP that knows each pair is right; one that mixes up two of one set is twice wrong."""
    split = "validation"
    n = emoji.questions(f"{split}_search").numel()

    def embed(clip, pictures, ids):
        texts = torch.eye(100)
        if clip == "mixes up":
            texts[[0, 1]] = texts[[1, 0]]
        return torch.eye(100), texts

    monkeypatch.setattr(evaluate.retrieval, "embed", embed)
    right = evaluate.search_quality("knows", list, split)
    assert {name: found["all"] for name, found in right.items()} == {
        "caption for a picture": Proportion(n, n),
        "picture for a caption": Proportion(n, n),
    }
    wrong = evaluate.search_quality("mixes up", list, split)
    assert wrong["caption for a picture"]["all"] == Proportion(n - 2 * n // 100, n)
