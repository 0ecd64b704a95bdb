import builtins
import sys

import ipywidgets
import nbclient
import nbformat
import pytest
import torch

from course_lib.display import drag, widgets
from course_lib.display.plots import new_figure, pictures_figure
from course_lib.display.widgets import choice, drag_pad, explore, kernel_editor, live, slider, text


def draw(**values):
    """A picture whose shade is given by the numbers among the values."""
    numbers = [float(torch.as_tensor(v).sum()) for v in values.values() if not isinstance(v, str)]
    return pictures_figure([torch.full((4, 4), sum(numbers) / 10)]), f"got {sorted(values.items())}"


def all_of(kind, box):
    found = [box] if isinstance(box, kind) else []
    for child in getattr(box, "children", ()):
        found += all_of(kind, child)
    return found


@pytest.fixture
def crowd(monkeypatch):
    """A front end is live; what it is shown."""
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *out, **_: shown.append(out[0]))
    monkeypatch.setattr(widgets, "someone_is_there", lambda: True)
    return shown


def test_the_static_figure_comes_first_and_the_live_controls_second(crowd, capsys):
    explore(draw, caption="a square", size=slider(0, 9, 3))
    static, controls = crowd
    assert "image/png" in static
    assert isinstance(controls, ipywidgets.VBox)
    out = capsys.readouterr().out
    assert "What to see: a square" in out
    assert "Numbers: got [('size', 3)]" in out


def test_without_a_front_end_there_are_no_controls(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *out, **_: shown.append(out[0]))
    explore(draw, caption="a square", size=slider(0, 9, 3))
    assert len(shown) == 1


def test_moving_a_slider_changes_the_picture_and_its_numbers():
    box = live(draw, {"size": slider(0, 9, 3)})
    (image,), (control,), (words,) = (
        all_of(kind, box) for kind in (ipywidgets.Image, ipywidgets.IntSlider, ipywidgets.Label)
    )
    assert image.layout.display == "none"
    control.value = 4
    first = bytes(image.value)
    assert first.startswith(b"\x89PNG")
    assert image.layout.display == "block"
    assert "('size', 4)" in words.value
    control.value = 9
    assert bytes(image.value) != first


def test_controls_keep_each_others_values():
    box = live(draw, {"a": slider(0, 9, 3), "b": choice(["x", "y"]), "c": text("hello")})
    (words,) = all_of(ipywidgets.Label, box)
    all_of(ipywidgets.IntSlider, box)[0].value = 5
    all_of(ipywidgets.Dropdown, box)[0].value = "y"
    all_of(ipywidgets.Text, box)[0].value = "bye"
    assert words.value == "Yours. got [('a', 5), ('b', 'y'), ('c', 'bye')]"


def test_a_mistake_in_a_control_is_a_sentence_and_the_picture_stays():
    def refuse(word):
        if word == "bad":
            raise ValueError("the word is bad")
        return new_figure()[0]

    box = live(refuse, {"word": text("good")})
    kinds = ipywidgets.Image, ipywidgets.Text, ipywidgets.Label
    (image,), (field,), (words,) = (all_of(kind, box) for kind in kinds)
    field.value = "fine"
    drawn = bytes(image.value)
    field.value = "bad"
    assert words.value == "That does not work: the word is bad"
    assert (bytes(image.value), image.layout.display) == (drawn, "block")


def test_a_kernel_is_typed_cell_by_cell_or_filled_by_a_preset():
    seen = []
    start, other = torch.zeros(3, 3), torch.arange(9.0).reshape(3, 3)
    box = kernel_editor(start, {"other": other}).build("kernel", seen.append)
    cells = all_of(ipywidgets.FloatText, box)
    cells[5].value = 2.5
    want = torch.zeros(3, 3)
    want[1, 2] = 2.5
    torch.testing.assert_close(seen[-1], want)
    all_of(ipywidgets.Dropdown, box)[0].value = "other"
    torch.testing.assert_close(seen[-1], other)
    assert len(seen) == 2, "a preset fills nine cells and redraws once"
    cells[0].value = 7.0
    assert all_of(ipywidgets.Dropdown, box)[0].value is None
    all_of(ipywidgets.Dropdown, box)[0].value = "other"
    torch.testing.assert_close(seen[-1], other)
    assert len(seen) == 4, "after typing, the same preset can be chosen again"


def test_the_drag_pad_and_its_sliders_follow_each_other():
    seen = []
    pad, sliders = drag_pad(-3.0, 3.0).build("code", seen.append).children
    pad.x = 1.5
    assert seen[-1] == (1.5, 0.0)
    assert sliders.children[0].value == 1.5
    sliders.children[1].value = -2.0
    assert seen[-1] == (1.5, -2.0)
    assert pad.y == -2.0


def test_without_anywidget_the_drag_pad_is_two_sliders(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "anywidget":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert drag.pad(-1.0, 1.0, (0.0, 0.0)) is None
    seen = []
    box = drag_pad(-1.0, 1.0).build("code", seen.append)
    all_of(ipywidgets.FloatSlider, box)[0].value = 0.5
    assert seen == [(0.5, 0.0)]


def test_controls_keep_their_keys_where_anywidget_is_there_and_work_where_it_is_not(monkeypatch):
    box = live(draw, {"size": slider(0, 9, 3)})
    assert "stopPropagation" in box.children[-1]._esm
    monkeypatch.setitem(sys.modules, "anywidget", None)
    box = live(draw, {"size": slider(0, 9, 3)})
    assert isinstance(box.children[-1], ipywidgets.Image)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: explore(draw, caption="c"), "at least one control"),
        (lambda: slider(1, 3, 4), "start between 1 and 3, got 4"),
        (lambda: choice(["a"], "b"), "start among a: 'b'"),
        (lambda: choice([]), "among nothing"),
        (lambda: drag_pad(-1.0, 1.0, (0.0, 2.0)), "between -1.0 and 1.0"),
        (lambda: kernel_editor(torch.zeros(3, 3), {"x": torch.zeros(5, 5)}), r"\(5, 5\) for 'x'"),
    ],
)
def test_errors_are_sentences(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_an_automatic_run_leaves_a_picture_and_no_widget_in_the_notebook():
    source = (
        "from course_lib.display.widgets import explore, slider\n"
        "from course_lib.display.plots import new_figure\n"
        "explore(lambda size: new_figure()[0], caption='empty', size=slider(1, 3, 2))"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    outputs = notebook.cells[0].outputs
    assert [sorted(o.data) for o in outputs if o.output_type == "display_data"] == [
        ["image/png", "text/plain"]
    ]
    assert notebook.metadata.get("widgets", {}) == {}
