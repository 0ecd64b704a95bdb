import io
import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.display import charts, diagram, plots
from course_lib.display.palette import PALETTE
from course_lib.files.image_files import to_rgb


@pytest.fixture
def shown(monkeypatch):
    """What goes out to the notebook, as (data, metadata)."""
    sent = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, raw, metadata: sent.append((data, metadata))
    )
    return sent


def test_minus_1_is_black_0_is_grey_1_is_white_and_the_rest_is_clamped():
    row = torch.tensor([[-7.0, -1.0, 0.0, 1.0, 7.0]])
    want = np.array([0.0, 0.0, 0.5, 1.0, 1.0], dtype=np.float32)
    np.testing.assert_array_equal(to_rgb(row), want[None, :, None].repeat(3, axis=2))


def test_channels_keep_their_order():
    red = torch.tensor([1.0, -1.0, -1.0])[:, None, None].expand(3, 2, 4)
    assert to_rgb(red).shape == (2, 4, 3)
    np.testing.assert_array_equal(to_rgb(red)[0, 0], [1, 0, 0])


def test_a_bool_picture_is_black_and_white():
    np.testing.assert_array_equal(to_rgb(torch.tensor([[False, True]]))[0, :, 0], [0, 1])


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "comes straight from a file"),
        (torch.zeros(4, 4, 3), "channels come last"),
        (torch.zeros(1, 3, 4, 4), "batch axis is still there"),
        (torch.full((4, 4), torch.nan), "got NaN"),
    ],
)
def test_a_wrong_picture_is_named_with_its_usual_cause(picture, sentence):
    with pytest.raises(ValueError, match=sentence):
        to_rgb(picture)


def test_the_screen_shows_the_pictures_own_pixels(shown):
    """A picture of 2 x 1 pixels enlarged to 100: the halves are exactly black and white."""
    picture = torch.tensor([[-1.0, 1.0]]).expand(50, 2)
    captured = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "show_figure", lambda fig, **_: captured.append(plots.png(fig)))
        plots.show_pictures([picture], caption="halves", size=100)
    pixels = np.asarray(Image.open(io.BytesIO(captured[0])).convert("L"))
    middle = pixels[pixels.shape[0] // 2]
    assert middle[25] == 0
    assert middle[75] == 255


def test_caption_and_numbers_are_printed_and_the_caption_is_the_alternative_text(shown, capsys):
    plots.show_pictures(torch.zeros(3, 1, 4, 6), caption="three grey squares")
    out = capsys.readouterr().out
    assert out == (
        "What to see: three grey squares\n"
        "Numbers: 3 pictures of 6 x 4 pixels, shown from 0.0 to 0.0\n"
    )
    (data, metadata), *rest = shown
    assert rest == []
    assert metadata["image/png"]["alt"] == "three grey squares"
    assert data["image/png"].startswith("iVBOR")


def test_own_numbers_replace_the_usual_ones(shown, capsys):
    plots.show_curves(
        {"loss": [2.0, 1.0]}, x_label="step", y_label="loss", caption="c", numbers="below 2: True"
    )
    assert "Numbers: below 2: True" in capsys.readouterr().out


def test_curves_say_which_way_they_go(shown, capsys):
    curves = {"a": [2.0, 1.0], "b": ([0, 10, 20], torch.tensor([1.0, 5.0, 9.0])), "c": [3.0, 3.0]}
    curves |= {"d": [2.0, 1.0, float("nan")]}
    plots.show_curves(curves, x_label="x", y_label="y", caption="c")
    out = " ".join(capsys.readouterr().out.split())
    assert "a: 2 points, down" in out
    assert "b: 3 points, up" in out
    assert "c: 2 points, level" in out
    assert "d: 3 points, not all of them numbers" in out


def test_one_number_is_no_curve():
    with pytest.raises(ValueError, match=r"'loss' as a list of y.*one number instead of a list"):
        plots.show_curves({"loss": torch.tensor(1.0)}, x_label="x", y_label="y", caption="c")


def test_a_heat_map_says_where_its_largest_value_is(shown, capsys):
    values = torch.zeros(3, 5)
    values[2, 4] = 1
    plots.show_heatmap(values, caption="c", x_labels=list("abcde"), y_labels=list("xyz"))
    assert "3 rows, 5 columns, the largest in row 2, column 4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "ends"),
    [([0.97, 0.99], (0, 0.99)), ([-3.0, -1.0], (-3, 0)), ([-1.0, 4.0], (-4, 4))],
)
def test_the_colours_of_a_table_have_zero_at_an_end_or_in_the_middle(values, ends):
    fig, (ax,) = plots.new_figure()
    charts.draw_heatmap(fig, ax, np.array([values]), 1)
    (image,) = ax.images
    assert image.get_clim() == pytest.approx(ends)
    assert image.get_cmap().name == ("PuOr_r" if ends[0] < 0 < ends[1] else "cividis")


def test_an_overlay_says_how_much_it_covers(shown, capsys):
    masks = torch.zeros(2, 10, 10, dtype=torch.bool)
    masks[0, :5] = True
    plots.show_overlay(torch.zeros(3, 10, 10), masks, ["top", "nothing"], caption="c")
    assert "covers 50%, 0%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: plots.show_figure(plots.new_figure()[0], caption=" "), "needs a caption"),
        (lambda: plots.show_pictures(torch.zeros(3, 4, 4), caption="c"), r"\[picture\]"),
        (lambda: plots.show_pictures([], caption="c"), "an empty list"),
        (lambda: plots.show_pictures(torch.zeros(2, 1, 4, 4), ["a"], caption="c"), "got 1"),
        (lambda: plots.show_curves({}, x_label="", y_label="", caption="c"), "at least one"),
        (
            lambda: plots.show_curves(
                {"a": ([1.0, 2.0], [1.0])}, x_label="", y_label="", caption="c"
            ),
            "equal lengths",
        ),
        (lambda: plots.show_heatmap(torch.zeros(2, 2, 2), caption="c"), "head axis"),
        (lambda: plots.show_heatmap(torch.zeros(2, 2), caption="c", x_labels=["a"]), "2 x_labels"),
        (
            lambda: plots.show_overlay(torch.zeros(3, 4, 4), torch.ones(4, 4) > 0, caption="c"),
            r"mask\[None\]",
        ),
        (
            lambda: plots.show_overlay(
                torch.zeros(3, 4, 4), torch.ones(1, 4, 4) > 0, ["a", "b"], caption="c"
            ),
            "1 labels, got 2",
        ),
    ],
)
def test_errors_are_sentences(call, sentence, shown):
    with pytest.raises(ValueError, match=sentence):
        call()
    assert shown == []


@pytest.mark.parametrize("lit", diagram.PARTS)
def test_the_diagram_lights_exactly_the_box_asked_for(lit):
    gids = [patch.get_gid().split(":") for patch in plots.diagram_figure(lit).axes[0].patches]
    assert {part for part, state in gids if state == "lit"} == {lit}
    before = diagram.PARTS[: diagram.PARTS.index(lit)]
    assert {part for part, state in gids if state == "built"} == set(before)


def test_every_part_has_a_box_and_all_lights_every_one():
    patches = plots.diagram_figure("all").axes[0].patches
    gids = [patch.get_gid().split(":") for patch in patches]
    assert {part for part, state in gids if state == "lit"} == set(diagram.PARTS)
    assert "built" not in {state for _, state in gids}


def test_a_lit_box_differs_by_more_than_its_colour():
    patches = plots.diagram_figure("unet").axes[0].patches
    width = {p.get_gid(): p.get_linewidth() for p in patches}
    assert width.pop("unet:lit") > 2 * max(width.values())


def test_the_diagram_refuses_unknown_names_and_lists_the_known(shown):
    with pytest.raises(ValueError, match=r"'UNet'.*convolutions, unet.*cross-attention, all"):
        plots.course_diagram("UNet")


def test_figures_stay_small(shown):
    """Some fifteen figures share 400 KB: a busy one may take 100, a plain one 30."""
    assert len(plots.png(plots.diagram_figure("all"))) < 30_000
    noise = torch.randn(8, 3, 90, 90, generator=torch.Generator().manual_seed(0))
    plots.show_pictures(noise, caption="the worst case: noise")
    assert len(shown[0][0]["image/png"]) < 100_000


# Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB.
VISION = {
    "full": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def _lab(colour, matrix):
    """CIE L*a*b* (D65) of "#rrggbb" as seen through `matrix`."""
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(matrix) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ linear / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
def test_the_first_five_colours_stay_apart_for_every_eye(vision):
    """A difference of 2.3 in L*a*b* is just noticeable; ask for five times that."""
    seen = [_lab(style.colour, VISION[vision]) for style in PALETTE[:5]]
    seen.append(_lab("#ffffff", VISION[vision]))
    closest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert closest > 11.5


@pytest.mark.parametrize("field", ["name", "colour", "line", "marker", "hatch"])
def test_no_two_styles_share_a_colour_dash_marker_or_hatch(field):
    values = [getattr(style, field) for style in PALETTE]
    assert len(set(values)) == len(values)


def test_long_captions_are_wrapped_and_what_a_lesson_aligned_stays(shown, capsys):
    numbers = "one  1\ntwo  2"
    plots.show_figure(plots.new_figure()[0], caption="many words " * 20, numbers=numbers)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    assert out.endswith(f"Numbers: {numbers}\n")


def test_a_mask_that_covers_everything_is_tinted(monkeypatch):
    captured = []
    monkeypatch.setattr(plots, "show_figure", lambda fig, **_: captured.append(plots.png(fig)))
    for mask in (torch.zeros(1, 20, 20), torch.ones(1, 20, 20)):
        plots.show_overlay(torch.zeros(3, 20, 20), mask.bool(), caption="all or nothing")
    assert captured[0] != captured[1]
