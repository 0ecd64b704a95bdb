"""The command line: `course lab`, `course check`, `course doctor` and the rest.

A command is a module with `add_arguments(parser)`, which says what it takes, and `run(options)`,
which returns an exit code. It is imported only when it is called for, so that `course --help`
stays quick.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from course_lib import __version__
from course_lib.commands.terminal import in_words, show_all_letters

# name -> (its module, what it is for)
COMMANDS = {
    "lab": ("course_lib.commands.lab", "open the lessons in JupyterLab, on copies of your own"),
    "check": ("course_lib.commands.check_notebook", "run the exercises of one notebook"),
    "doctor": (
        "course_lib.commands.doctor",
        "versions, device, data and weights; how to fix what is wrong",
    ),
    "draw": ("course_lib.commands.draw", "draw a picture from a sentence"),
    "train": ("course_lib.commands.train", "train a bundled weight file again"),
    "evaluate": ("course_lib.commands.evaluate", "measure how good the bundled weights are"),
    "export": ("course_lib.commands.export", "save the model as a folder that diffusers opens"),
    "download": ("course_lib.commands.download", "fetch the published weights, if you want them"),
    "inspect": ("course_lib.commands.inspect", "say what a weight file or a model folder is"),
    "grade": ("course_lib.commands.grade", "check a class's notebooks"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; exit code 0: all is well, 1: not, 2: wrong call, 130: stopped by Ctrl-C."""
    show_all_letters()
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="course", description="Stable Diffusion, by hand.")
    parser.add_argument("--version", action="version", version=f"course {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, words) in COMMANDS.items():
        command = commands.add_parser(name, help=words, description=f"{words.capitalize()}.")
        if given and given[0] == name:
            import_module(module).add_arguments(command)
    options = parser.parse_args(given)
    try:
        return int(import_module(COMMANDS[options.command][0]).run(options))
    except KeyboardInterrupt:
        print("Stopped.")
        return 130
    except Exception as error:
        if not (words := in_words(error)):
            raise  # a fault of the course: its traceback helps whoever mends it
        print(f"course {options.command}: {words}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
