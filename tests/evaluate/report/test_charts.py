import math
import xml.etree.ElementTree as ElementTree

from streamseg.evaluate.report.charts import line_chart

SPACE = "{http://www.w3.org/2000/svg}"


def drawn(xs: list[float], ys: list[float]) -> list[tuple[float, float]]:
    svg = line_chart(
        {"a < b": (xs, ys)}, title="t", x_label="x & y", y_label="y", x_range=(0, 1)
    ).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    (line,) = ElementTree.fromstring(svg).iter(f"{SPACE}polyline")
    pairs = [pair.split(",") for pair in line.attrib["points"].split()]
    return [(float(x), float(y)) for x, y in pairs]


def test_points_lie_in_proportion_and_up_is_more() -> None:
    (x0, y0), (x1, y1), (x2, y2) = drawn([0, 0.5, 1], [0, 1, 0.25])
    assert x0 < x1 < x2
    assert abs((x1 - x0) - (x2 - x1)) < 0.2
    assert y1 < y2 < y0
    assert abs((y0 - y2) - (y0 - y1) / 4) < 0.2


def test_what_is_not_finite_is_left_out() -> None:
    assert len(drawn([0, 0.5, 1], [0, math.nan, 1])) == 2
    assert drawn([], []) == []


def test_many_points_are_thinned_and_the_last_one_stays() -> None:
    points = drawn([i / 999 for i in range(1000)], [i / 999 for i in range(1000)])
    assert 100 < len(points) <= 201
    assert points[-1] == drawn([1], [1])[0]
