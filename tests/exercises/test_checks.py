"""Every exercise of the course, present and future: right passes, wrong fails and is told why."""

import ast
import re
import runpy
import signal
import threading
import time

import numpy as np
import pytest
import torch

from course_lib.exercises import progress as saved
from course_lib.exercises.check import check, examine, progress, summary
from course_lib.exercises.compare import Verdict, judge
from course_lib.exercises.exercise import Exercise, Wrong, plain_call
from course_lib.exercises.observe import leaves, observe
from course_lib.exercises.registry import all_exercises, exercises_of, find, lessons
from course_lib.exercises.stubs import is_stub
from course_lib.exercises.time_limit import TooSlow, within

EXERCISES = all_exercises()
every_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)
every_wrong = pytest.mark.parametrize(
    ("exercise", "wrong"),
    [pytest.param(e, w, id=f"{e.id}-{w.name}") for e in EXERCISES for w in e.wrong],
)
SEEDS = (0, 1, 20_26)


@pytest.fixture(autouse=True)
def _own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path))
    monkeypatch.setattr(saved, "_unsaved", {})


@pytest.fixture
def said(capsys):
    """What has been printed since it was last asked."""
    return lambda: capsys.readouterr().out


# --- every exercise of the course ---


@every_exercise
@pytest.mark.parametrize("seed", SEEDS)
def test_the_reference_and_every_right_variant_pass(exercise, seed):
    for answer in (exercise.reference, *exercise.right):
        assert examine(exercise, answer, seed) == Verdict("passed"), answer.__name__


@every_wrong
@pytest.mark.parametrize("seed", SEEDS)
def test_every_wrong_answer_fails_with_its_own_hint(exercise, wrong, seed):
    verdict = examine(exercise, wrong.answer, seed)
    assert (verdict.words, verdict.mistake) == (wrong.hint, wrong.name)
    assert verdict.status == "failed"


@every_exercise
def test_there_are_at_least_three_wrong_answers_with_three_different_hints(exercise):
    assert len({w.hint for w in exercise.wrong}) == len(exercise.wrong) >= 3
    assert len({w.name for w in exercise.wrong}) == len(exercise.wrong)


@every_exercise
def test_cases_are_the_same_for_a_seed_and_others_for_another(exercise):
    def numbers(seed):
        return [leaf.values for case in exercise.cases(seed) for leaf in leaves(case)]

    one, again, other = numbers(0), numbers(0), numbers(1)
    assert len(one) > 0
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=False))


@every_exercise
@pytest.mark.usefixtures("one_thread")
def test_a_check_is_quick(exercise):
    examine(exercise, exercise.right[0])
    started = time.process_time()
    examine(exercise, exercise.right[0])
    assert time.process_time() - started < 1


@every_exercise
def test_a_stub_is_not_attempted_and_the_course_helps_out(exercise, said):
    def stub(*args, **kwargs):
        raise NotImplementedError("your turn")

    assert check(exercise.id, stub) is exercise.reference
    assert "not attempted yet" in said()


@every_exercise
def test_nothing_numbers_and_exceptions_never_pass(exercise, said):
    def gives_none(*args, **kwargs):
        return None

    def gives_a_lonely_nan(*args, **kwargs):
        return torch.tensor(float("nan"))

    def breaks(*args, **kwargs):
        return {}["no such key"]

    for answer in (gives_none, gives_a_lonely_nan, breaks, "not a function", None, 3):
        assert check(exercise.id, answer) is exercise.reference
        assert "not yet: " in said()


@every_exercise
def test_each_exercise_says_all_it_must(exercise):
    assert exercise.task.endswith(".")
    assert 1 <= exercise.points <= 5
    assert exercise.reference.__doc__
    assert exercise is find(exercise.id)


def test_ids_are_unique_and_belong_to_their_lesson():
    ids = [e.id for e in EXERCISES]
    assert len(ids) == len(set(ids))
    for lesson in lessons():
        assert all(e.lesson == lesson for e in exercises_of(lesson))


# --- what check says, on one exercise made for it ---


def scaled(x, factor):
    """`factor` times x."""
    return factor * x


def _cases(seed):
    g = torch.Generator().manual_seed(seed)
    return [(torch.randn(2, 3, generator=g) + 3, 2.0), (torch.randn(4, 3, generator=g) + 3, 3.0)]


def forgets(x, factor):
    return x


TOY = Exercise(
    id="99.scaled",
    task="Scale it.",
    points=2,
    cases=_cases,
    reference=scaled,
    right=(lambda x, factor: x * factor,),
    wrong=(Wrong(forgets, "the factor is never used."),),
    hints=("Multiply.",),
    seconds=0.5,
)


def prints(x, factor):
    print(factor * x)


def in_place(x, factor):
    x *= factor
    return x


def breaks_on_a_line(x, factor):
    y = factor * x
    return y @ y


def sleeps_for_ever(x, factor):
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            pass


def swallows_everything(x, factor):
    for _ in range(10_000):
        try:
            time.sleep(0.01)
        except:  # noqa: E722
            pass


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (forgets, "the factor is never used."),
        (lambda x, factor: None, "it returns None. Is a `return` missing"),
        (prints, "it prints something but returns nothing"),
        (in_place, "it changes its input in place"),
        (lambda x, factor: (factor * x)[0], r"shape should be \(2, 3\), but is \(3,\)"),
        (lambda x, factor: (factor * x).T, r"the axes are the other way round"),
        (lambda x, factor: (factor * x)[None], "nothing is stretched to fit"),
        (lambda x, factor: (factor * x).mean(), r"but is \(\)"),
        (lambda x, factor: (factor * x).double(), "dtype should be float32, but is float64"),
        (lambda x, factor: (factor * x).numpy(), "a torch tensor, but gives a numpy array"),
        (lambda x, factor: (factor * x).tolist(), "should give back one value, but gives 2 values"),
        (lambda x, factor: [factor * x, x], "should give back one value, but gives 2 values"),
        (lambda x, factor: {"x": x}, "a torch tensor, but gives a dict"),
        (lambda x, factor: factor * x / 0, "6 of 6 values are infinite"),
        (lambda x, factor: x * float("nan"), r"6 of 6 values are NaN \(not a number\)"),
        (lambda x, factor: -factor * x, "wrong sign"),
        (lambda x, factor: factor * x + 1, r"all are off by \+1"),
        (lambda x, factor: factor * x * 3, "all are 3 times what they should be"),
        (lambda x, factor: (factor * x).flip(0), "reversed along axis 0"),
        (lambda x, factor: factor * x * 0, "all of yours are zero"),
        (breaks_on_a_line, r"RuntimeError: .*\(line \d+ of its cell: `return y @ y`\)"),
        (lambda x: x, "TypeError: .*takes 1 positional argument but 2 were given"),
        (lambda x, factor: exit(), "it stopped with SystemExit"),
        (sleeps_for_ever, "it was stopped after 0.5 seconds"),
        (swallows_everything, "it was stopped after 0.5 seconds"),
        (torch.ones(3), "check wants the function itself: write scaled, without calling it"),
    ],
)
def test_each_kind_of_wrong_gets_its_own_sentence(answer, sentence):
    verdict = examine(TOY, answer)
    assert verdict.status in ("failed", "error")
    assert re.search(sentence, verdict.words, re.IGNORECASE), verdict.words


def test_the_sentence_names_the_case_and_the_first_value_that_differs():
    def wrong_in_one_place(x, factor):
        y = factor * x
        y[1, 2] = 100
        return y

    words = examine(TOY, wrong_in_one_place).words
    assert words.startswith("with x (2, 3) and factor = 2.0: 1 of 6 values differ; ")
    assert "the first at [1, 2] should be " in words
    assert "but is 100." in words


@pytest.mark.parametrize("body", ["...", "pass", "y = x\n    ...", "'''Only words.'''"])
def test_a_blank_body_is_a_stub(body, tmp_path):
    (tmp_path / "blank.py").write_text(f"def scaled(x, factor):\n    {body}\n")
    blank = runpy.run_path(str(tmp_path / "blank.py"))
    assert examine(TOY, blank["scaled"]) == Verdict("not attempted")


def test_a_class_with_a_blank_method_is_a_stub():
    class Scaled:
        def __init__(self, x, factor):
            raise NotImplementedError("your turn")

    assert examine(TOY, Scaled) == Verdict("not attempted")


def test_values_are_never_broadcast():
    same_everywhere = Exercise(**{**vars(TOY), "cases": lambda seed: [(torch.ones(2, 3), 2.0)]})
    assert examine(same_everywhere, lambda x, f: torch.full((1, 3), 2.0)).status == "failed"
    assert examine(same_everywhere, lambda x, f: torch.tensor(2.0)).status == "failed"
    assert examine(same_everywhere, lambda x, f: torch.full((2, 3), 2.0)).status == "passed"


@pytest.mark.parametrize(
    ("wanted", "given", "passes"),
    [
        (5, 5, True),
        (5, np.int64(5), True),
        (5, torch.tensor(5), True),
        (5, 5.0, False),
        (5, True, False),
        (2.5, 2.5, True),
        (2.0, 2, True),
        (2.0, torch.tensor(2.0), True),
        (torch.tensor(2.0), 2.0, False),
        ([1, 2], (1, 2), True),
        ([1, 2], [1, 2, 3], False),
        ([1, 2], torch.tensor([1, 2]), False),
        ([], [], True),
        ([], [1], False),
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], ["a", "c"], False),
        ([("a", "b"), ("c", "d")], [["a", "b"], ["c", "d"]], True),
        ((torch.ones(2), [1, 2]), [torch.ones(2), (1, 2)], True),
        ((torch.ones(2), [1, 2]), [torch.ones(2), (1, 3)], False),
        (torch.tensor([True]), torch.tensor([True]), True),
        (torch.tensor([True]), torch.tensor([1]), False),
        (np.ones(2), np.ones(2), True),
        (torch.tensor([float("nan")]), torch.tensor([float("nan")]), True),
        (torch.ones(2, dtype=torch.bfloat16), torch.ones(2), False),
    ],
)
def test_kinds_of_values(wanted, given, passes):
    e = Exercise(
        **{
            **vars(TOY),
            "cases": lambda seed: [()],
            "reference": lambda: wanted,
            "wrong": (Wrong(lambda: "nonsense", "no."),),
        }
    )
    assert examine(e, lambda: given).status == ("passed" if passes else "failed")


def test_a_right_answer_comes_back_and_a_wrong_one_is_replaced(said):
    right = find("00.negative").right[0]
    assert check("00.negative", right) is right
    assert said() == "00.negative  right: 1 point\n"
    wrong = find("00.negative").wrong[0]
    assert check("00.negative", wrong.answer) is find("00.negative").reference
    assert wrong.hint in said()


def test_checking_what_check_gave_back_does_not_count(said):
    stand_in = check("00.negative", lambda picture: picture)
    said()
    assert check("00.negative", stand_in) is stand_in
    assert "this is the course's own negative" in said()
    summary("00")
    assert "0 of 1 exercises passed, 0 of 1 points" in said()


def test_an_unknown_id_names_the_nearest_and_does_not_raise(said):
    assert check("00.negatives", len) is len
    assert "Did you mean '00.negative'?" in said()


def test_a_check_that_breaks_says_so_and_does_not_raise(said, monkeypatch):
    monkeypatch.setattr("course_lib.exercises.check.judge", lambda *a: 1 / 0)
    e = find("00.negative")
    assert check(e.id, e.right[0]) is e.reference
    assert "the check itself broke, not your code (ZeroDivisionError)" in said()


def test_an_interrupt_goes_through():
    def interrupted(picture):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("00.negative", interrupted)


def test_judging_needs_no_code_of_the_learner():
    seen = [observe(TOY, TOY.right[0], case) for case in TOY.cases(7)]
    assert judge(TOY, seen, seed=7) == Verdict("passed")
    assert judge(TOY, seen, seed=8).status == "failed"
    with pytest.raises(ValueError, match="2 cases, but 1 results"):
        judge(TOY, seen[:1], seed=7)


def test_a_probe_can_loop():
    def twice(answer, case):
        x, factor = case
        return answer(answer(x, factor), factor)

    e = Exercise(**{**vars(TOY), "probe": twice})
    assert e.probe is not plain_call
    assert examine(e, lambda x, factor: factor * x) == Verdict("passed")
    assert examine(e, forgets).mistake == "forgets"


@pytest.mark.parametrize("fields", [{"id": "1.x"}, {"id": "01."}, {"points": 0}, {"hints": ()}])
def test_a_malformed_exercise_is_refused(fields):
    with pytest.raises(ValueError, match=r"an exercise id is|needs at least"):
        Exercise(**{**vars(TOY), **fields})


# --- the time limit ---


def test_the_time_limit_works_in_another_thread():
    caught = []

    def elsewhere():
        with pytest.raises(TooSlow):
            within(0.2, lambda: sleeps_for_ever(0, 0))
        caught.append(within(5.0, lambda: "quick"))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(10)
    assert caught == ["quick"]


def test_the_time_limit_gives_back_another_timer():
    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    old = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        within(5.0, lambda: None)
        time.sleep(0.6)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *old)
        signal.signal(signal.SIGALRM, before)
    assert rang == [1]


# --- progress ---


def test_what_was_passed_stays_passed_and_is_summed_up(said):
    e = find("00.negative")
    check(e.id, e.right[0])
    check(e.id, e.wrong[0].answer)
    said()
    summary("00")
    assert said() == (
        "00.negative  passed           1/1\nLesson 00: 1 of 1 exercises passed, 1 of 1 points.\n"
    )
    progress()
    assert "Lesson 00: 1 of 1 #" in said()


@pytest.mark.parametrize("spoilt", ["", "{", "[1, 2]", '"x"', "\x00\xff"])
def test_a_spoilt_progress_file_counts_as_none(spoilt, tmp_path, said):
    (tmp_path / ".course_progress.jsonl").write_text(spoilt)
    summary("00")
    assert "not checked yet" in said()
    check("00.negative", find("00.negative").right[0])
    assert saved.load() == {"00.negative": "passed"}
    assert [p.name for p in tmp_path.iterdir()] == [".course_progress.jsonl"]


def test_progress_lasts_for_the_session_where_nothing_can_be_written(monkeypatch, said):
    monkeypatch.setenv("COURSE_PROGRESS", "/no/such/folder")
    check("00.negative", find("00.negative").right[0])
    said()
    summary("00")
    assert "1 of 1 exercises passed" in said()


# --- answers as learners write them ---


def _a_patch_and_its_mean(image, kernel, row, column):
    h, w = kernel.shape
    return (image[row : row + h, column : column + w] * kernel).mean()


def _noise_times_levels(pictures, noise, levels):
    return pictures + noise * levels


def _alpha_upside_down(x, x0, fresh, abar, abar_next):
    alpha = abar_next / abar
    variance = (1 - abar_next) / (1 - abar) * (1 - alpha)
    return x0 + variance**0.5 * fresh


@pytest.mark.parametrize(
    ("id", "answer", "words"),
    [
        ("01.output_pixel", _a_patch_and_its_mean, "a mean divides by their number"),
        ("03.noisy", _noise_times_levels, "levels (b,) lines up with the LAST axis"),
        ("03.score", lambda guess, noise: float(((guess - noise) ** 2).mean()), "Leave out"),
        ("05.ddpm_step", _alpha_upside_down, "which of yours is below 0?"),
        (
            "05.times",
            lambda n, num_inference_steps: list(torch.linspace(n, 0, num_inference_steps)),
            ".tolist()",
        ),
        ("08.pairs", lambda ids, window: None, "Is a `return` missing"),
        ("10.text_vector", lambda states, ids, end: list(states[:, 0]), "torch.stack"),
    ],
)
def test_an_answer_of_a_learners_own_is_told_what_helps(id, answer, words):
    verdict = examine(find(id), answer, seed=0)
    assert verdict.status == "failed"
    assert words in verdict.words


def test_a_return_above_the_given_last_line_is_an_answer():
    tree = ast.parse(
        "def f(x):\n    return x\n    raise NotImplementedError('your turn')\n"
        "def g(x):\n    raise NotImplementedError('your turn')\n"
    )
    assert [is_stub(node) for node in tree.body] == [False, True]
