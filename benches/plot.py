"""Draws the plots of docs/ from the figures below: python3 benches/plot.py

Owns two drawings. Never measures: the figures stand in docs/performance.md.
"""

import math
import pathlib

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
COLOURS = ["#777777", "#1b6ca8", "#c8553d"]
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 320, 60, 40

GROWTH = {
    "floor": [(100, 4.84), (1000, 5.61), (5000, 5.87), (9000, 6.24)],
    "Portcullis, 1 worker": [(100, 5.00), (1000, 6.07), (5000, 6.25), (9000, 6.83)],
    "Portcullis, 2 workers": [(100, 5.07), (1000, 5.96), (5000, 6.67), (9000, 6.88)],
}
LATENCY = {
    "floor": [(50, 8.2), (90, 16.9), (99, 23.6)],
    "Portcullis": [(50, 9.0), (90, 21.5), (99, 35.7)],
    "Bun": [(50, 8.8), (90, 21.5), (99, 61.2)],
}


def draw(name, series, place, ticks, unit, top, step):
    """One line a series; `place` puts a value of the x axis between 0 and 1."""
    x = lambda value: LEFT + place(value) * (WIDTH - LEFT - 20)
    y = lambda value: HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - 20)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="14">{unit}</text>',
    ]
    for line in range(0, top + 1, step):
        out.append(f'<path d="M{LEFT} {y(line):.0f}H{WIDTH - 20}" stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(line) + 4:.0f}" text-anchor="end">{line}</text>')
    for value, label in ticks:
        out.append(f'<text x="{x(value):.0f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{label}</text>')
    for at, ((label, points), colour) in enumerate(zip(series.items(), COLOURS)):
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3" fill="{colour}"/>' for a, b in points]
        out.append(f'<text x="{LEFT + 12}" y="{34 + 16 * at}" fill="{colour}">{label}</text>')
    out.append("</svg>\n")
    (DOCS / name).write_text("\n".join(out))


draw(
    "growth.svg",
    GROWTH,
    lambda receivers: 0.05 + 0.9 * (math.log10(receivers) - 2) / 2,
    [(100, "100"), (1000, "1,000"), (5000, "5,000"), (9000, "9,000 receivers")],
    "us of processor time a delivery, one message in flight",
    10,
    2,
)
draw(
    "latency.svg",
    LATENCY,
    lambda percentile: 0.05 + 0.9 * {50: 0, 90: 0.5, 99: 1}[percentile],
    [(50, "p50"), (90, "p90"), (99, "p99")],
    "ms from when a message was due, 1,000 receivers, 20 messages/s",
    70,
    10,
)
