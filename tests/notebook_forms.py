"""Right answers as people write them: each is right where Jupyter runs it, and so must be here.

All but the last few are for lesson 00's `negative(picture)`; every form ends in its own `check`
unless it brings one.
"""

RIGHT = "def negative(picture):\n    return -picture"
STUB = 'def negative(picture):\n    raise NotImplementedError("your turn")'
CHECK = 'negative = check("00.negative", negative)'
_USES_K = "def negative(picture):\n    return k * picture"
_LINE = 'raise NotImplementedError("your turn")'

FORMS = {
    "plain": [RIGHT],
    "lambda": ["negative = lambda picture: -picture"],
    "renamed and assigned": ["def mine(picture):\n    return -picture", "negative = mine"],
    "renamed and handed over": [
        "def mine(picture):\n    return -picture",
        'negative = check("00.negative", mine)',
    ],
    "lambda handed over": ['negative = check("00.negative", lambda picture: -picture)'],
    "method handed over": [
        "class Mine:\n    def turn(self, picture):\n        return -picture",
        'negative = check("00.negative", Mine().turn)',
    ],
    "static method": [
        "class Mine:\n    @staticmethod\n    def turn(picture):\n        return -picture",
        "negative = Mine.turn",
    ],
    "callable object": [
        "class Mine:\n    def __call__(self, picture):\n        return -picture",
        "negative = Mine()",
    ],
    "partial": [
        "from functools import partial\nimport torch",
        "negative = partial(torch.mul, torch.tensor(-1.0))",
    ],
    "check without an assignment": [RIGHT, 'check("00.negative", negative)'],
    "check by attribute": [
        "import course_lib.exercises.check as tests",
        RIGHT,
        'negative = tests.check("00.negative", negative)',
    ],
    "check in a loop": [RIGHT, 'for f in [negative]:\n    check("00.negative", f)'],
    "check in a try": [RIGHT, "try:\n    " + CHECK + "\nexcept Exception:\n    pass"],
    "check in the same cell": [RIGHT + "\n\n\n" + CHECK],
    "constant": ["k = -1", _USES_K],
    "constant from a call": ["import math\nk = int(math.cos(math.pi))", _USES_K],
    "constant from a comprehension": ["k = -sum(1 for _ in range(1))", _USES_K],
    "constant made as a tensor": ["import torch\nk = torch.tensor([-1.0])", _USES_K],
    "augmented assignment": ["k = 1", "k -= 2", _USES_K],
    "if": ["import sys", "if sys.version_info >= (3, 0):\n    k = -1\nelse:\n    k = 2", _USES_K],
    "match": ["match 3:\n    case 3:\n        k = -1", _USES_K],
    "tuple assignment": ["a, (k, *rest) = 1, (-1, 2, 3)", _USES_K],
    "walrus": ["print(k := -1)", _USES_K],
    "try": ["try:\n    import no_such_package\nexcept ImportError:\n    k = -1", _USES_K],
    "with": ["import contextlib\nwith contextlib.suppress(OSError) as k:\n    k = -1", _USES_K],
    "for": ["k = 5", "for _ in range(6):\n    k = k - 1", _USES_K],
    "while": ["k = 5", "while k > -1:\n    k -= 1", _USES_K],
    "append": ["ks = []", "ks.append(-1)", "def negative(picture):\n    return ks[0] * picture"],
    "append in a loop": [
        "ks = []\nfor i in range(3):\n    ks.append(i - 1)",
        "def negative(picture):\n    return ks[0] * picture",
    ],
    "item": ["d = {}", "d['k'] = -1", "def negative(picture):\n    return d['k'] * picture"],
    "attribute": [
        "class Settings:\n    pass",
        "s = Settings()\ns.k = -1",
        "def negative(picture):\n    return s.k * picture",
    ],
    "setattr": [
        "class Settings:\n    pass",
        "s = Settings()",
        "setattr(s, 'k', -1)",
        "def negative(picture):\n    return s.k * picture",
    ],
    "filled by a helper": [
        "def fill(them):\n    them.append(-1)",
        "ks = []",
        "fill(ks)",
        "def negative(picture):\n    return ks[0] * picture",
    ],
    "global set by a call": ["def setup():\n    global k\n    k = -1", "setup()", _USES_K],
    "globals()": ["globals()['k'] = -1", _USES_K],
    "function attribute": [
        "def negative(picture):\n    return negative.k * picture",
        "negative.k = -1",
    ],
    "decorator": [
        "import functools\ndef loud(f):\n    @functools.wraps(f)\n    def g(*a):\n"
        "        return f(*a)\n    return g",
        "@loud\n" + RIGHT,
    ],
    "cached": [
        "from functools import cache",
        "@cache\ndef k():\n    return -1",
        "def negative(picture):\n    return k() * picture",
    ],
    "nested helper": [
        "def negative(picture):\n    def turn(x):\n        return -x\n    return turn(picture)"
    ],
    "helper below": [
        "def negative(picture):\n    return turn(picture)",
        "def turn(x):\n    return -x",
    ],
    "helper in a helper": [
        "def one(x):\n    return two(x)\ndef two(x):\n    return -x",
        "def negative(picture):\n    return one(picture)",
    ],
    "same helper name twice": [
        "def helper(x):\n    return -x",
        "def negative(picture):\n    return helper(picture)",
        CHECK,
        "def helper(x, y, z):\n    return 1",
    ],
    "a name that is used later": [
        "def turn(x):\n    return -x",
        "def negative(picture):\n    return turn(picture)",
        CHECK,
        "turn = 3",
    ],
    "tried with another below": [RIGHT, CHECK, "def negative(picture):\n    return 2 * picture"],
    "class with inheritance": [
        "class Base:\n    k = -1",
        "class Mine(Base):\n    def turn(self, x):\n        return self.k * x",
        "def negative(picture):\n    return Mine().turn(picture)",
    ],
    "dataclass": [
        "from dataclasses import dataclass",
        "@dataclass\nclass Turn:\n    k: float = -1.0\n"
        "    def of(self, x):\n        return self.k * x",
        "def negative(picture):\n    return Turn().of(picture)",
    ],
    "named tuple": [
        "from typing import NamedTuple",
        "class Turn(NamedTuple):\n    k: int = -1",
        "def negative(picture):\n    return Turn().k * picture",
    ],
    "enum": [
        "import enum",
        "class Turn(enum.IntEnum):\n    ROUND = -1",
        "def negative(picture):\n    return int(Turn.ROUND) * picture",
    ],
    "nn.Module": [
        "from torch import nn",
        "class Turn(nn.Module):\n    def forward(self, x):\n        return -x",
        "turn = Turn()",
        "def negative(picture):\n    return turn(picture)",
    ],
    "type annotations": [
        "from torch import Tensor",
        "def negative(picture: Tensor, k: int = -1) -> Tensor:\n    return k * picture",
    ],
    "no_grad decorator": ["import torch", "@torch.no_grad()\n" + RIGHT],
    "split over cells": [
        "k = -1\n\n",
        "one = 1",
        "def turn(x):\n    return k * one * x",
        "def negative(picture):\n    return turn(picture)",
    ],
    "star import": ["from torch import *", "def negative(picture):\n    return neg(picture)"],
    "import inside": ["def negative(picture):\n    import torch\n    return torch.neg(picture)"],
    "import from a package of torch's": [
        "import torch.nn.functional as F",
        "def negative(picture):\n    return -F.relu(picture) + F.relu(-picture)",
    ],
    "%%time": ["%%time\n" + RIGHT],
    "%%capture": ["%%capture out\n" + RIGHT],
    "blank lines above %%time": ["\n\n%%time\n" + RIGHT],
    "%%bash": ["%%bash\nls", RIGHT],
    "%matplotlib": ["%matplotlib inline\nimport math", RIGHT],
    "%time": ["%time k = -1", _USES_K],
    "!pip": ["!true pip install torch", RIGHT],
    "!pip in the same cell": ["!true pip install \\\n  torch\n" + RIGHT],
    "!ls to a variable": ["files = !true\n" + RIGHT],
    "help below": [RIGHT + "\n\nnegative?"],
    "a line that begins with %": [
        "k = (7\n% 8) - 8\n",
        "def negative(picture):\n    return (k\n        % -2) * picture",
    ],
    "a line that begins with !=": ["k = -int((3\n!= 4))", _USES_K],
    "magic and % in one cell": ["%pwd\nk = (7\n% 8) - 8", _USES_K],
    "line separator in a text": ["k = -1; text = 'a\u2028b'", _USES_K],
    "form feed": ["k = -1\n\f\n" + _USES_K],
    "carriage returns": ["k = -1\r\n", _USES_K.replace("\n", "\r\n")],
    "tabs": ["def negative(picture):\n\treturn -picture"],
    "indented cell": ["    k = -1\n    j = 2", _USES_K],
    "a prompt in front": [">>> k = -1", _USES_K],
    "stub's line below a with": [
        "import torch",
        f"def negative(picture):\n    with torch.no_grad():\n        return -picture\n    {_LINE}",
    ],
    "stub's line below an if": [
        f"def negative(picture):\n    if picture is not None:\n        return -picture\n    {_LINE}"
    ],
    "stub's line below a loop": [
        f"def negative(picture):\n    for k in (-1, 2):\n        return k * picture\n    {_LINE}"
    ],
    "stub's line below a try": [
        f"def negative(picture):\n    try:\n        return -picture\n    finally:\n        pass\n"
        f"    {_LINE}"
    ],
    "pass below a return": ["def negative(picture):\n    return -picture\n    pass"],
    "dots below an if": [
        "def negative(picture):\n    if True:\n        return -picture\n    ...",
    ],
    "stub above and a second try": [STUB, CHECK, RIGHT, CHECK],
    "stub above and another function": [
        STUB,
        "def turned(picture):\n    return -picture",
        'negative = check("00.negative", turned)',
    ],
    "def in a for": ["for _ in range(1):\n    def negative(picture):\n        return -picture"],
    "def in an if": ["if True:\n    def negative(picture):\n        return -picture"],
    "def under __main__": [
        "if __name__ == '__main__':\n    def negative(picture):\n        return -picture"
    ],
    "def in a try": [
        "try:\n    def negative(picture):\n        return -picture\nexcept ValueError:\n    pass"
    ],
    "made by exec": ["exec('def negative(picture): return -picture')\nnegative = negative"],
    "shadows a builtin": ["sum = -1", "def negative(picture):\n    return sum * picture"],
    "a default that is a global": ["k = -1", "def negative(picture, k=k):\n    return k * picture"],
    "closure": [
        "def maker(k):\n    def negative(picture):\n        return k * picture\n"
        "    return negative",
        "negative = maker(-1)",
    ],
    "del of a helper": ["k = 3\ndel k", "k = -1", _USES_K],
    "an error above": ["1 / 0", "raise RuntimeError", RIGHT],
    "training that does not end": [RIGHT, CHECK, "while True:\n    break"],
    "prints": ["def negative(picture):\n    print('hello')\n    return -picture"],
    "semicolons": ["k = 1; k = -k;", _USES_K],
    "unicode names": ["größe = -1", "def negative(picture):\n    return größe * picture"],
    "display": ["display(3)", "def negative(picture):\n    display(picture)\n    return -picture"],
}
for _name, _cells in FORMS.items():
    if not any("check(" in c for c in _cells):
        _cells.append(CHECK)
