"""What the first cell of every notebook calls: a device, a seed, one line about both."""

import random
import sys

import torch

import course_lib
from course_lib.files import paths


def pick_device() -> torch.device:
    """CUDA where there is one, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def begin(seed: int = 0) -> torch.device:
    """Seed Python and torch, print one line (course, device, data), give back the device."""
    random.seed(seed)
    torch.manual_seed(seed)
    device = pick_device()
    names = {"cuda": "a CUDA GPU", "mps": "Apple's GPU (MPS)", "cpu": "the CPU"}
    where = "in Google Colab" if "google.colab" in sys.modules else "on this computer"
    print(
        f"Course {course_lib.__version__} {where}, with {names[device.type]}; {_data()} "
        "Exercises are checked on the CPU."
    )
    return device


def _data() -> str:
    try:
        found = (paths.bundled("data") / "manifest.json").is_file()
    except FileNotFoundError:
        found = False
    return "data found." if found else "data NOT found: `course doctor` says how to mend that."
