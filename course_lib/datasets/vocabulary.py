"""CLIP's own byte-pair vocabulary: the merges that its tokenizer learned, most frequent first."""

import gzip

from course_lib.datasets import registry
from course_lib.tokenizer import parse_merges

COUNT = 48_894  # the file has more lines; CLIP uses these, for 49,408 tokens with bytes and ends


def merges() -> list[tuple[str, str]]:
    """The 48,894 pairs of pieces to be joined, in order; "</w>" marks the end of a word.

    Source: bpe_simple_vocab_16e6.txt of CLIP (MIT), Radford et al. 2021.
    """
    text = gzip.decompress(registry.path("bpe_simple_vocab_16e6.txt.gz").read_bytes()).decode()
    return parse_merges("\n".join(text.split("\n")[: 1 + COUNT]))  # the first line is a version
