"""What an exercise is: one value, which `check`, the grader, the builder and the tests all read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Answer = Callable[..., Any]  # what a learner writes: a function, or a class
Case = tuple[Any, ...]  # the arguments of one call


def plain_call(answer: Answer, case: Case) -> Any:
    """The usual probe: call the answer with the case's arguments."""
    return answer(*case)


@dataclass(frozen=True)
class Wrong:
    """A wrong answer that people really give, and the sentence that would help its author."""

    answer: Answer
    hint: str

    @property
    def name(self) -> str:
        """The function's own name, so that it reads as a diagnosis: "without_the_roots"."""
        return self.answer.__name__


@dataclass(frozen=True, eq=False)
class Exercise:
    """One thing for the learner to write, and all it takes to tell whether it is right.

    - `id`: the lesson, a dot, the name of the learner's function: "01.conv2d".
    - `task`: one sentence, as a request.
    - `cases(seed)`: the calls to try, a few small ones; the same seed gives the same cases, fresh
      each time. No square inputs only, no sizes of 1 only: they hide mistakes.
    - `reference`: the course's finished part. It stands in while the learner's is not right.
    - `right`: other ways to write it that must pass. `wrong`: at least three that must not.
    - `hints`: from a nudge to nearly the answer; the builder folds them away under the exercise.
    - `probe(answer, case)`: uses the answer and gives back tensors, arrays, numbers, or a list or
      tuple of these: a plain call for most, a loop for a sampler or a training step. It must take
      everything from its arguments, because the grader runs it in another process.
    - `tolerance`: how far a number may be off, as a part of (1 + its size).
    - `seconds`: how long all cases together may take.

    Raises ValueError when the id has no lesson and name, or when no hint or case could be made.
    """

    id: str
    task: str
    points: int
    cases: Callable[[int], Sequence[Case]]
    reference: Answer
    right: tuple[Answer, ...]
    wrong: tuple[Wrong, ...]
    hints: tuple[str, ...]
    probe: Callable[[Answer, Case], Any] = plain_call
    tolerance: float = 1e-4
    seconds: float = 5.0

    def __post_init__(self) -> None:
        lesson, dot, name = self.id.partition(".")
        if not (len(lesson) == 2 and lesson.isdigit() and dot and name.isidentifier()):
            raise ValueError(
                f'an exercise id is two digits, a dot and a function\'s name, as "01.conv2d"; '
                f"got {self.id!r}"
            )
        if self.points < 1 or not self.hints or not self.right:
            raise ValueError(f"{self.id} needs at least one point, one hint and one right variant")

    @property
    def lesson(self) -> str:
        """The lesson's two digits."""
        return self.id[:2]

    @property
    def name(self) -> str:
        """The name of the learner's function, by which it is found in a notebook."""
        return self.id[3:]
