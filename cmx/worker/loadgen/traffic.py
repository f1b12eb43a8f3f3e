"""What is asked for, and when: the samples and arrivals that LoadGen would choose for the same seeds."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain, cycle, islice, repeat
from time import perf_counter_ns, sleep
from typing import List, Tuple

import numpy as np

from cmx.worker.loadgen.effective import Effective
from cmx.worker.loadgen.randomness import Generator

SPIN_NS = 150_000
"""How long before an arrival sleeping ends: waking up is up to this late, and a spinning thread is not."""
_MOST_DRAWN = 300_000
"""For how many queries permutations are kept: LoadGen keeps them for any number, which takes seconds a million here."""
_UNSEEDED = 5489
"""The seed of a ``std::mt19937`` that was given none."""


def sample_sets(settings: Effective, total: int, count: int) -> List[List[int]]:
    """The first ``count`` samples in random order, as sets that fit in memory together.

    One of them is all that performance mode uses. In multi-stream a set is followed by its beginning, so that a query
    may start at each of its samples.
    """
    order = list(range(min(count, total)))
    Generator(settings.qsl_rng_seed).shuffle(order)
    size = settings.performance_sample_count
    return [order[start : start + size] for start in range(0, len(order), size)]


def padded(samples: Sequence[int], settings: Effective) -> List[int]:
    """A set as it is loaded: in multi-stream with its beginning once more behind it."""
    if settings.scenario != "multi-stream":
        return list(samples)
    return [samples[place % len(samples)] for place in range(len(samples) + settings.samples_per_query - 1)]


def arrivals(settings: Effective, set_size: int) -> array[int]:
    """When each query of a server run comes, in ns from its start: a Poisson process, the first query at 0.

    The last one is the first that comes after the duration, or the last of the least number; where whole permutations
    of the ``set_size`` samples are asked for, it ends one.
    """
    waits = Generator(settings.schedule_rng_seed).exponentials(settings.target_qps)
    duration, least = settings.target_duration_ms * 1_000_000, settings.min_query_count
    whole = settings.sample_concatenate_permutation
    if whole:
        least += -least % set_size
    found = array("q", [0])
    while found[-1] < duration or len(found) < least:
        found.append(found[-1] + int(next(waits) * 1e9))
        if whole and len(found) >= least and found[-1] < duration:
            least += set_size
    return found


def performance_samples(settings: Effective, samples: Sequence[int]) -> Iterator[int]:
    """The sample of each query, for ever, of a loaded set; in multi-stream where in the set a query starts.

    Ends where each sample is to be asked for once (``performance_issue_unique``).
    """
    source, once, permutations = _shuffled(settings, samples)
    multi = settings.scenario == "multi-stream"
    if settings.performance_issue_unique:
        chosen: Iterator[int] = iter(once)
    elif settings.performance_issue_same:
        chosen = repeat(settings.performance_issue_same_index)
    elif settings.sample_concatenate_permutation and not multi:
        chosen = cycle(permutations)
    else:
        choice = np.arange(len(samples)) if multi else np.asarray(samples)
        return chain.from_iterable(choice[drawn].tolist() for drawn in source.all_below(len(samples)))
    return chosen if multi else map(samples.__getitem__, chosen)


def _shuffled(settings: Effective, samples: Sequence[int]) -> Tuple[Generator, List[int], List[int]]:
    """The generator of places in a set, after what LoadGen draws from it first; and what those draws are.

    They are the places that queries start at, each once, and permutations of all places for the least number of
    queries. LoadGen makes them whether or not it uses them, and what it draws next depends on that.
    """
    source = Generator(settings.sample_index_rng_seed)
    multi = settings.scenario == "multi-stream"
    once = list(range(0, len(samples), settings.samples_per_query if multi else 1))
    source.shuffle(once)
    places = list(range(len(padded(samples, settings))))
    permutations: List[int] = []
    if not settings.sample_concatenate_permutation:
        source.skip_shuffles(len(places), -(-settings.min_query_count // len(places)))
        return source, once, []
    for _ in range(-(-min(settings.min_query_count, _MOST_DRAWN) // len(places))):
        source.shuffle(places)
        permutations += places
    return source, once, permutations


def asked(settings: Effective, samples: Sequence[int], count: int) -> List[int]:
    """The first ``count`` samples that performance mode asks for, of a loaded set."""
    if settings.scenario == "offline":
        return offline_samples(settings, samples)[:count]
    chosen = performance_samples(settings, samples)
    if settings.scenario != "multi-stream":
        return list(islice(chosen, count))
    ring, size = padded(samples, settings), settings.samples_per_query
    return [ring[place + offset] for place in islice(chosen, count // size) for offset in range(size)]


def offline_samples(settings: Effective, samples: Sequence[int]) -> List[int]:
    """The one query of an offline run: a loaded set again and again."""
    count = settings.samples_per_query
    if settings.performance_issue_same:
        return [samples[settings.performance_issue_same_index]] * count
    if not settings.sample_concatenate_permutation:
        return list(islice(cycle(samples), count))
    source = _shuffled(settings, samples)[0]
    found: List[int] = []
    while len(found) < count:
        again = list(samples)
        source.shuffle(again)
        found += again
    return found


def accuracy_queries(settings: Effective, samples: Sequence[int]) -> List[List[int]]:
    """The queries with which accuracy mode asks for each sample of a loaded set once.

    In multi-stream the last query may be a short one, where LoadGen asks for some samples again.
    """
    if settings.scenario == "offline":
        return [list(samples)]
    step = settings.samples_per_query if settings.scenario == "multi-stream" else 1
    starts = list(range(0, len(samples), step))
    Generator(settings.sample_index_rng_seed).shuffle(starts)
    return [list(samples[start : start + step]) for start in starts]


def logged(settings: Effective) -> Iterator[bool]:
    """Of each sample in turn, whether performance mode keeps its answer: LoadGen's own lot, for audits."""
    offset, chance = next(Generator(settings.accuracy_log_rng_seed).fractions()), _log_probability(settings)
    return ((fraction + offset) % 1.0 <= chance for fraction in Generator(_UNSEEDED).fractions())


def _log_probability(settings: Effective) -> float:
    if not settings.accuracy_log_sampling_target:
        return settings.accuracy_log_probability
    expected = int(settings.target_qps * settings.min_duration_ms / 1000)
    if settings.scenario != "offline":
        expected *= settings.samples_per_query
    return settings.accuracy_log_sampling_target / max(expected, settings.min_sample_count)


def wait_until(due_ns: int) -> int:
    """Sleep, then spin until ``perf_counter_ns`` has reached ``due_ns``; the time then.

    While it spins other threads may run: a thread that holds Python's lock would delay their answers.
    """
    now = perf_counter_ns()
    if due_ns - now > SPIN_NS:
        sleep((due_ns - now - SPIN_NS) / 1e9)
        now = perf_counter_ns()
    while now < due_ns:
        sleep(0)
        now = perf_counter_ns()
    return now
