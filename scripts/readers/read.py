"""Reads the files of one run with readers from PyPI, and prints what they hold.

    read.py hlog FILE               percentile and nanoseconds, of all intervals added
    read.py prometheus FILE         the same, of the finished run
    read.py hgrm FILE HLOG          nothing, when each line says what HLOG's histogram does
"""

import math
import sys

from hdr_plot.hdr_plot import parse_metadata, parse_percentiles
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from prometheus_client.parser import text_string_to_metric_families

PERCENTILES = [50, 75, 90, 99, 99.9, 99.99]


def hlog(path):
    histogram = HdrHistogram(1, 600_000_000_000, 3)
    reader = HistogramLogReader(path, histogram)
    while reader.add_next_interval_histogram(histogram):
        pass
    return histogram


def value(histogram, percentile, error=-1e-6):
    """Readers round the number of values that a percentile comes to, the driver rounds it up: a
    quarter of a value below, both mean the same one. Of what is printed with twelve decimals, the
    last may be wrong, which is an error in that number."""
    total = histogram.get_total_count()
    count = min(math.ceil(percentile / 100 * total + error), total)
    return histogram.get_value_at_percentile(100 * (count - 0.25) / total)


def prometheus(path):
    with open(path) as file:
        families = text_string_to_metric_families(file.read())
        samples = [sample for family in families for sample in family.samples]
    for sample in samples:
        if sample.name == "httpdyno_latency_seconds" and "quantile" in sample.labels:
            yield 100 * float(sample.labels["quantile"]), 1e9 * sample.value


def compare(hgrm, histogram):
    rows = parse_percentiles(hgrm)
    assert len(rows) > 20, f"only {len(rows)} lines"
    for row in rows.itertuples():
        read = [value(histogram, 100 * row.Percentile, error) for error in (-1e-6, 1e-6)]
        assert round(1e6 * row.Latency) in read, f"{row}: {read}"
    said = parse_metadata(hgrm)
    assert int(said["Total count"]) == histogram.get_total_count(), said
    assert abs(float(said["Mean"]) / (histogram.get_mean_value() / 1e6) - 1) < 1e-5, said
    assert abs(float(said["StdDeviation"]) / (histogram.get_stddev() / 1e6) - 1) < 1e-3, said


what, path = sys.argv[1:3]
if what == "hlog":
    histogram = hlog(path)
    for percentile in PERCENTILES:
        print(f"{percentile:g} {value(histogram, percentile)}")
elif what == "prometheus":
    for percentile, nanoseconds in prometheus(path):
        print(f"{percentile:g} {nanoseconds:.0f}")
else:
    compare(path, hlog(sys.argv[3]))
