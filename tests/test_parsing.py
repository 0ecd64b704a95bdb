"""Many notebooks are read at once by threads; Python 3.11's own parser is not made for that."""

import ast
import gc
import inspect
import sys
import threading

from course_lib.checks.parsing import parse


class Ring:
    """Garbage that runs Python code when it is collected, wherever the interpreter stands."""

    def __init__(self):
        self.me = self

    def __del__(self):
        for _ in range(50):
            pass


def test_threads_that_parse_at_once_do_not_disturb_each_other():
    source, wrong = inspect.getsource(ast)[:20000].rpartition("\nclass")[0], []

    def work():
        for _ in range(40):
            Ring()
            try:
                parse(source)
            except SystemError as error:
                wrong.append(str(error))

    before = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(5)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before[0])
        gc.set_threshold(*before[1])
    assert wrong == []
