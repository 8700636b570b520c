"""The ratio between two servers, from one ratio of each round, and how far chance may have moved it.

The interval is that between two of the sorted ratios, and says nothing of how they are distributed: the true median is
outside of the k-th lowest and the k-th highest of n where fewer than k of n fair coins show heads, or fewer than k tails.
"""

import math
import statistics
from dataclasses import dataclass

# The interval has the true median at least as often as this, where there are rounds enough: six.
WANTED = 0.95


@dataclass(frozen=True)
class Ratio:
    median: float
    low: float
    high: float

    def is_difference(self):
        return not self.low <= 1 <= self.high


def ratio(of_rounds):
    """The median of the rounds' ratios, with its interval."""
    ordered = sorted(of_rounds)
    rank = rank_of_interval(len(ordered))
    return Ratio(statistics.median(ordered), ordered[rank - 1], ordered[-rank])


def rank_of_interval(rounds):
    """Returns k, so that the interval reaches from the k-th lowest to the k-th highest ratio: the largest that is sure
    enough, or 1."""
    enough = [rank for rank in range(1, rounds // 2 + 1) if confidence(rounds, rank) >= WANTED]
    return max(enough, default=1)


def confidence(rounds, rank):
    """How often an interval from the rank-th lowest to the rank-th highest has the true median in it."""
    return 1 - 2 * sum(math.comb(rounds, heads) for heads in range(rank)) / 2 ** rounds


def reached(rounds):
    """How often the interval of so many rounds has the true median in it."""
    return confidence(rounds, rank_of_interval(rounds))
