"""The command line: `course lab`, `course check`, `course doctor` and the rest.

A command is a function `add(commands)` that puts its parser there and sets `run`, a function from
the parsed arguments to an exit code. Its module is imported only when it is called for, so that
`course --help` stays quick.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from course_lib import __version__

# name -> (module with `add_arguments(parser)` and `run(options) -> int`, what it is for)
COMMANDS = {
    "lab": ("course_lib.commands.lab", "open the lessons in JupyterLab, on copies of your own"),
    "check": ("course_lib.commands.check_notebook", "run the exercises of one notebook"),
    "doctor": ("course_lib.commands.doctor", "versions, device, data and weights; what to mend"),
    "draw": ("course_lib.commands.draw", "draw a picture from a sentence"),
    "train": ("course_lib.commands.train", "make a bundled weight file anew"),
    "export": ("course_lib.commands.export", "save the model as a folder that diffusers opens"),
    "grade": ("course_lib.commands.grade", "check a class's notebooks"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 when all is well, 1 when not, 2 for a wrong call."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="course", description="Stable Diffusion, by hand.")
    parser.add_argument("--version", action="version", version=f"course {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, words) in COMMANDS.items():
        if find_spec(module) is None:
            continue
        command = commands.add_parser(name, help=words, description=f"{words.capitalize()}.")
        if given and given[0] == name:
            import_module(module).add_arguments(command)
    options = parser.parse_args(given)
    try:
        return int(import_module(COMMANDS[options.command][0]).run(options))
    except KeyboardInterrupt:
        print("Stopped.")
        return 130
    except (ValueError, OSError) as error:
        print(f"course {options.command}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
