import time
from itertools import combinations

import pytest
import torch

from course_lib.datasets import compositing, fish, registry

SPLITS = ("train", "validation", "test")


@pytest.mark.parametrize("kind", ["fish", "decoys", "backgrounds"])
def test_no_subject_and_no_background_is_in_two_splits(kind):
    split = registry.splits("fish")
    for a, b in combinations(SPLITS, 2):
        assert not set(split[a][kind]) & set(split[b][kind])
    names = {name.partition("/")[0] if kind == "fish" else name for name in split["cells"][kind]}
    assert names == {name for part in SPLITS for name in split[part][kind]}


@pytest.mark.parametrize(
    "alike",
    [
        ("discus2", "discus3"),
        ("butfish", "butterflyfish"),
        ("sea1", "sea2"),
        ("grass", "GreenMeadow"),
    ],
)
def test_look_alikes_stay_on_one_side(alike):
    split = registry.splits("fish")
    homes = {s for s in SPLITS for k in ("fish", "backgrounds") if set(alike) & set(split[s][k])}
    assert len(homes) == 1


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_composes_from_its_own_cells_only(split):
    """The pixels of every cell that a split uses are those of the names it is given."""
    box, names = fish._box(split), registry.splits("fish")
    all_fish, all_decoys, all_backgrounds = fish._sheets()
    own = [n for n in names["cells"]["fish"] if n.partition("/")[0] in names[split]["fish"]]
    assert len(own) == box.fish.shape[1]
    for kind, cells, sheet in (
        ("decoys", box.decoys, all_decoys),
        ("backgrounds", box.backgrounds, all_backgrounds),
    ):
        places = [names["cells"][kind].index(name) for name in sorted(names[split][kind])]
        torch.testing.assert_close(cells[0], sheet[sorted(places)])
    places = [names["cells"]["fish"].index(name) for name in own]
    torch.testing.assert_close(box.fish[0], all_fish[places])


def test_the_same_seed_composes_the_same_scenes_and_another_seed_others():
    first, again, other = fish.scenes(4, 7), fish.scenes(4, 7), fish.scenes(4, 8)
    torch.testing.assert_close(first, again, atol=0, rtol=0)
    assert (first[0] - other[0]).abs().mean() > 0.05


@pytest.mark.parametrize("split", SPLITS)
def test_scenes_are_in_range_and_each_shows_some_fish(split):
    pictures, masks = fish.scenes(200, 1, split)
    assert pictures.shape == (200, 3, 64, 64)
    assert masks.shape == (200, 1, 64, 64)
    assert pictures.min() >= -1
    assert pictures.max() <= 1
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    shown = masks.mean(dim=(1, 2, 3))
    assert (shown > 0.005).all()
    assert shown.max() < 0.8


def test_the_mask_lies_where_the_fish_is():
    """The same scene with and without its fish differs inside the mask, and nowhere far from it."""
    with_fish, mask = fish.scene("f02", "sea3", x=20.0, y=40.0)
    corner, _ = fish.scene("f02", "sea3", x=200.0, y=200.0)  # swum out of the picture
    changed = (with_fish - corner).abs().amax(1, keepdim=True) > 0.02
    near = torch.nn.functional.max_pool2d(mask, 3, stride=1, padding=1) > 0
    assert changed[mask > 0.5].float().mean() > 0.95
    assert not changed[~near].any()
    ys, xs = torch.nonzero(mask[0, 0], as_tuple=True)
    assert abs(xs.float().mean() - 20) < 4
    assert abs(ys.float().mean() - 40) < 4


def test_things_that_are_not_fish_are_never_in_the_mask(monkeypatch):
    """Paint all decoys pure red: no pixel of the mask is red, yet red pixels there are."""
    box = fish._box("train")
    red = torch.zeros_like(box.decoys)
    red[:, :, 0] = red[:, :, 3] = (box.decoys[:, :, 3] > 0.5).float()
    monkeypatch.setattr(fish, "_box", lambda _: fish.Box(box.fish, red, box.backgrounds * 0))
    monkeypatch.setattr(fish, "camouflaged", lambda thing, *_: thing)
    pictures, masks = fish.scenes(64, 3)
    is_red = (pictures[:, :1] > 0.3) & (pictures[:, 1:].amax(1, keepdim=True) < -0.7)
    assert is_red.float().mean() > 0.02
    assert (is_red & (masks > 0.5)).sum() < 0.01 * is_red.sum()  # but for dark red fish
    without, _ = fish.scenes(64, 3, decoys=False)
    assert (
        (without[:, :1] > 0.3) & (without[:, 1:].amax(1, keepdim=True) < -0.7)
    ).float().mean() < 0.01


def test_backgrounds_of_another_split_can_be_asked_for(monkeypatch):
    boxes = {s: fish._box(s) for s in SPLITS}
    grey = torch.full_like(boxes["test"].backgrounds, 0.5)
    boxes["test"] = fish.Box(boxes["test"].fish, boxes["test"].decoys, grey)
    monkeypatch.setattr(fish, "_box", lambda split: boxes[split])
    spread = {
        where: fish.scenes(32, 5, "test", backgrounds=where, decoys=False)[0].std(dim=(2, 3)).mean()
        for where in ("same", "train")
    }
    assert spread["same"] < 0.8 * spread["train"]


def test_variety_changes_the_colours_inside_the_shape():
    thing = fish._box("train").fish[0, :8]
    g = torch.Generator().manual_seed(0)
    changed = compositing.recoloured(thing, 1.0, g)
    torch.testing.assert_close(changed[:, 3], thing[:, 3])
    assert (changed[:, :3] <= changed[:, 3:] + 1e-6).all()
    assert (changed[:, :3] - thing[:, :3]).abs().mean() > 0.02
    assert compositing.recoloured(thing, 0.0, g) is thing
    plain, varied = fish.scenes(16, 2)[0], fish.scenes(16, 2, variety=1.0)[0]
    assert (plain - varied).abs().mean() > 0.05


def test_a_pattern_changes_colours_and_leaves_the_shape():
    thing, texture = fish._box("train").fish[0, :4], torch.rand(4, 3, 64, 64)
    whole, none = torch.ones(4, 1, 1, 1), torch.zeros(4, 1, 1, 1)
    torch.testing.assert_close(compositing.patterned(thing, texture, none), thing)
    changed = compositing.patterned(thing, texture, whole)
    torch.testing.assert_close(changed[:, 3], thing[:, 3])
    torch.testing.assert_close(changed[:, :3], texture * thing[:, 3:])


def test_a_bend_shifts_where_pixels_come_from_smoothly():
    thing = fish._box("train").fish[0, :3]
    middle, ones = torch.full((3, 2), 32.0), torch.ones(3, 2)
    across = torch.zeros(3, 64, 64, 2)
    across[..., 0] = 4 / 32  # four pixels to the right
    moved = compositing.placed(thing, middle, ones, torch.zeros(3), across)
    torch.testing.assert_close(moved[..., :-4], thing[..., 4:])
    bends = compositing.bends(500, 0.1, torch.Generator().manual_seed(0))
    assert bends.shape == (500, 64, 64, 2)
    assert bends[:, 0, 0].std().item() == pytest.approx(0.1, rel=0.1)  # a knot
    assert (bends[:, 1:] - bends[:, :-1]).abs().max() < 0.1
    assert not compositing.bends(2, 0.0, torch.Generator()).any()


def test_a_camouflaged_fish_has_the_mean_colour_of_what_it_covers():
    thing = fish._box("train").fish[0, :4]
    behind = torch.tensor([0.4, 0.5, 0.45])[None, :, None, None].expand(4, 3, 64, 64)
    hidden = compositing.camouflaged(thing, behind, torch.ones(4, 1, 1, 1))
    area = thing[:, 3:].sum((2, 3))
    mean = hidden[:, :3].sum((2, 3)) / area
    torch.testing.assert_close(mean, behind.mean((2, 3)), atol=0.06, rtol=0)  # clipped at black
    torch.testing.assert_close(hidden[:, 3:], thing[:, 3:])
    seen = compositing.camouflaged(thing, behind, torch.zeros(4, 1, 1, 1))
    torch.testing.assert_close(seen, thing)


def test_a_cut_out_placed_in_the_middle_at_full_size_is_itself():
    thing = fish._box("train").fish[0, :3]
    middle, ones = torch.full((3, 2), 32.0), torch.ones(3, 2)
    torch.testing.assert_close(compositing.placed(thing, middle, ones, torch.zeros(3)), thing)
    mirrored = compositing.placed(thing, middle, ones * torch.tensor([-1.0, 1.0]), torch.zeros(3))
    torch.testing.assert_close(mirrored, thing.flip(3))
    moved = compositing.placed(thing, middle + torch.tensor([5.0, -3.0]), ones, torch.zeros(3))
    torch.testing.assert_close(moved[:, :, :-3, 5:], thing[:, :, 3:, :-5], atol=1e-5, rtol=0)
    quarter = compositing.placed(thing, middle, ones, torch.full((3,), torch.pi / 2))
    torch.testing.assert_close(quarter, thing.rot90(-1, (2, 3)), atol=1e-4, rtol=0)
    half = compositing.placed(thing, middle, ones * 0.5, torch.zeros(3))
    torch.testing.assert_close(half.sum() / thing.sum(), torch.tensor(0.25), atol=0.02, rtol=0)


def test_pasting_covers_by_opacity_and_leaves_the_rest():
    picture, thing = torch.rand(1, 3, 64, 64), torch.zeros(1, 4, 64, 64)
    torch.testing.assert_close(compositing.paste(picture, thing), picture, atol=0, rtol=0)
    thing[:, 0, :32], thing[:, 3, :32] = 0.5, 0.5  # red, half see-through, above only
    pasted = compositing.paste(picture, thing)
    torch.testing.assert_close(pasted[:, :, 32:], picture[:, :, 32:], atol=0, rtol=0)
    red = torch.tensor([1.0, 0, 0])[None, :, None, None]
    torch.testing.assert_close(pasted[:, :, :32], (picture[:, :, :32] + red) / 2)


def test_the_fixed_five_hundred_are_five_hundred():
    pictures, masks = fish.fixed_500()
    assert (len(pictures), len(masks)) == (500, 500)
    torch.testing.assert_close(pictures, fish.fixed_500()[0], atol=0, rtol=0)


def test_the_real_photographs_are_wider_than_high():
    pictures = fish.photographs()
    assert pictures.shape == (28, 3, 64, 96)
    assert pictures.min() >= -1
    assert pictures.max() <= 1
    assert (pictures.std(dim=(1, 2, 3)) > 0.05).all()  # no empty cell


@pytest.mark.usefixtures("one_thread")
def test_two_hundred_scenes_a_second_and_loading_in_two():
    for made_once in (fish._box, fish._sheets):
        made_once.cache_clear()
    start = time.process_time()
    fish.scenes(1, 0)
    assert time.process_time() - start < 2
    seconds = []
    for seed in range(3):
        start = time.process_time()
        fish.scenes(64, seed, variety=1.0)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 64 / 200


def test_the_bundled_fish_keep_within_their_budget():
    names = ("cut_outs", "backgrounds", "photographs")
    assert sum(registry.path(f"fish/{name}.webp").stat().st_size for name in names) < 2e6


def test_wrong_wishes_are_answered_in_a_sentence():
    with pytest.raises(ValueError, match="wanted one of train, validation, test"):
        fish.scenes(1, 0, "tset")
    with pytest.raises(ValueError, match=r"variety must be from 0 to 1, got 2\.0"):
        fish.scenes(1, 0, variety=2.0)
    with pytest.raises(ValueError, match="no scene of 'whale' on 'reef'"):
        fish.scene("whale", "reef")
    with pytest.raises(ValueError, match=r"at most 1, got 3\.0"):
        fish.scene("f02", "reef", share=3.0)
