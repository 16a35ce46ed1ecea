"""What is counted together is what would have been counted one by one."""

from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from shared.metrics import observe_all

BUCKETS = (0.005, 0.1, 1, 30)


def _said(histogram: Histogram) -> Sequence[tuple[str, object, float]]:
    (metric,) = histogram.collect()
    return [(sample.name, sample.labels, sample.value) for sample in metric.samples]


@given(st.lists(st.floats(0, 100) | st.sampled_from(BUCKETS), max_size=20))
@example([0.0, 0.005, 0.1, 30.0, 30.1])
def test_a_histogram_says_of_many_at_once_what_it_says_of_each(seconds: Sequence[float]) -> None:
    one_by_one, at_once = (Histogram("a", "b", buckets=BUCKETS, registry=CollectorRegistry()) for _ in range(2))
    for one in seconds:
        one_by_one.observe(one)
    observe_all(at_once, seconds)
    expected, found = _said(one_by_one), _said(at_once)
    assert [sample for sample in found if sample[0] != "a_sum"] == [
        sample for sample in expected if sample[0] != "a_sum"
    ]
    assert abs(found[-1][2] - expected[-1][2]) < 1e-6
