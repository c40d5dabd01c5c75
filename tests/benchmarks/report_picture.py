"""The picture of a report in the README: `python -m tests.benchmarks.report_picture RUN` makes it from a run's figures.

The figures of a report are single SVG files whose ids differ, so one file can hold several of them.
"""

import re
import sys
from pathlib import Path

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "report.svg"
WIDTH, HEIGHT = 940, 730
TITLE = "Part of a report: seven quantizers on Lorenz, protocol quick, three seeds"
PANELS = (
    ("pareto--lorenz", "Bits per frame against explained variance", 30, 92),
    ("planes--lorenz--som-vq", "U-matrix and component planes of som-vq, seed 0", 540, 92),
    ("intervals--lorenz--mse", "Reconstruction: means and 95 % t intervals", 30, 528),
    ("intervals--lorenz--topographic_error", "Topographic error of the quantizers with a grid", 500, 528),
)
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif"


def picture(run):
    """SVG with some figures of a run, on a white page."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" color="#1b2733" fill="currentColor" font-family="{FONT}">',
        f"<title>{TITLE}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>',
        f'<text x="30" y="40" font-size="19" font-weight="600">{TITLE}</text>',
    ]
    for name, caption, x, y in PANELS:
        figure = (run / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        parts.append(f'<text x="{x}" y="{y - 14}" font-size="13" font-weight="600">{caption}</text>')
        parts.append(re.sub(r"^<svg ", f'<svg x="{x}" y="{y}" ', figure.strip()))
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(picture(Path(sys.argv[1])), encoding="utf-8")
