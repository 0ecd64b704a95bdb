"""Skip-gram with negative sampling, ours and gensim's (2 workers), on the same text in one run.

    python benchmarks/word2vec.py [--epochs 2]

The same window, negatives, subsampling, learning rate and epochs. Prints raw words (before
subsampling) per second by the clock and by processor time, and how many of 272 analogies have the
right word among the first five. Ours should be at least half as fast, and score at least 0.9 times.
"""

import argparse
import time
from collections.abc import Callable

import torch
from gensim.models import Word2Vec

from course_lib import word2vec
from course_lib.datasets import corpus
from course_lib.vocabulary import as_numbers, count_words
from course_lib.word_vectors import CAPITALS, FAMILY, WordVectors, answered, questions

WIDTH, WINDOW, NEGATIVES, SAMPLE, LR, AT_MOST = 100, 5, 5, 1e-3, 0.025, 20_000


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor, both cores added up."""
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - clock, time.process_time() - processor


def ours(sentences: list[list[str]], epochs: int) -> tuple[WordVectors, tuple[float, float]]:
    """Our vectors and the time that reading took; counting words is not in it."""
    vocabulary = count_words(sentences, at_most=AT_MOST)
    text = as_numbers(sentences, vocabulary)
    lists = word2vec.new_embeddings(vocabulary, WIDTH)
    options = {"window": WINDOW, "negatives": NEGATIVES, "sample": SAMPLE, "lr": LR}

    def run() -> None:
        for epoch in range(epochs):
            word2vec.read(lists, text, vocabulary, epoch=epoch, of=epochs, **options)

    took = timed(run)
    return lists.vectors, took


def gensims(sentences: list[list[str]], epochs: int) -> tuple[WordVectors, tuple[float, float]]:
    """gensim's vectors and the time that reading took; counting words is not in it."""
    model = Word2Vec(
        sg=1,
        vector_size=WIDTH,
        window=WINDOW,
        negative=NEGATIVES,
        sample=SAMPLE,
        alpha=LR,
        min_count=5,
        max_final_vocab=AT_MOST,
        workers=2,
        seed=0,
    )
    model.build_vocab(sentences)
    took = timed(lambda: model.train(sentences, total_examples=len(sentences), epochs=epochs))
    return WordVectors(tuple(model.wv.index_to_key), torch.tensor(model.wv.vectors)), took


def main() -> None:
    """Run both and print a line for each, then the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=2)
    epochs = parser.parse_args().epochs
    sentences = corpus.sentences()
    raw = epochs * sum(map(len, sentences))
    asked = questions(CAPITALS), questions(FAMILY)
    results = {}
    for name, method in (("ours", ours), ("gensim", gensims)):
        vectors, (clock, processor) = method(sentences, epochs)
        capitals, family = (answered(vectors, q) for q in asked)
        results[name] = raw / clock, raw / processor, capitals + family
        print(
            f"{name:>6}: {raw / clock:9,.0f} words a second by the clock, {raw / processor:9,.0f} "
            f"a processor second; {len(vectors.words):,} words; capitals {capitals} of 182, "
            f"family {family} of 90",
            flush=True,
        )
    pairs = zip(results["ours"], results["gensim"], strict=True)
    by_clock, by_processor, score = (a / max(b, 1e-9) for a, b in pairs)
    print(f"ours / gensim: {by_clock:.2f} by the clock (wanted: 0.5)")
    print(f"               {by_processor:.2f} by processor time")
    print(f"               {score:.2f} in analogies (wanted: 0.9)")


if __name__ == "__main__":
    main()
