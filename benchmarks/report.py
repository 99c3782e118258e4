"""What was measured beside what was promised: as a table, as JSON and as a plot."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One goal and what became of it.

    Attributes:
        what: the thing measured.
        figure: what is compared with the goal, a ratio within one run unless ``unit`` says otherwise.
        at_least: the goal, if more is better; else ``at_most``.
        measured: the figures behind it, for people.
        samples: the same for machines, by name, one value a round or request.
    """

    what: str
    figure: float
    measured: str
    at_least: float | None = None
    at_most: float | None = None
    unit: str = "x"
    samples: dict[str, list[float]] = field(default_factory=dict)

    @property
    def is_reached(self) -> bool:
        above = self.at_least is None or self.figure >= self.at_least
        return above and (self.at_most is None or self.figure <= self.at_most)

    @property
    def goal(self) -> str:
        sign, bound = ("≥", self.at_least) if self.at_least is not None else ("≤", self.at_most)
        return f"{sign} {bound:g} {self.unit}"

    @property
    def margin(self) -> float:
        """How far beyond its goal the figure is, as a ratio that is above 1 where the goal is reached."""
        if self.at_least is not None:
            return self.figure / self.at_least
        assert self.at_most is not None
        return self.at_most / max(self.figure, 1e-9)


def spread(samples: Sequence[float], digits: int = 1) -> str:
    """Median, and least and greatest where there are several: ``38.2 (36.9-39.0)``."""
    median = f"{statistics.median(samples):.{digits}f}"
    if len(samples) == 1:
        return median
    return f"{median} ({min(samples):.{digits}f}-{max(samples):.{digits}f})"


def percentile(samples: Sequence[float], share: float) -> float:
    """The sample that this share of all of them does not exceed."""
    return sorted(samples)[min(len(samples) - 1, int(share * len(samples)))]


def table(rows: Sequence[Row]) -> Table:
    """All goals, with what was measured and the verdict."""
    shown = Table("what", "measured, median (range)", "figure", "goal", "verdict")
    for row in rows:
        verdict = "[green]reached[/green]" if row.is_reached else "[red]missed[/red]"
        shown.add_row(row.what, row.measured, f"{row.figure:.2f} {row.unit}", row.goal, verdict)
    return shown


def write(rows: Sequence[Row], options: dict[str, Any], directory: Path, console: Console) -> None:
    """Write ``results.json``, ``results.md`` and ``results.svg`` into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    cores = len(os.sched_getaffinity(0))
    machine = {
        "cores": cores,
        "machine": platform.machine(),
        "python": platform.python_version(),
    }
    found = [{**asdict(row), "goal": row.goal, "is_reached": row.is_reached} for row in rows]
    content = {"machine": machine, "options": options, "rows": found}
    (directory / "results.json").write_text(json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n")
    (directory / "results.md").write_text(page(rows, cores, options))
    plot(rows, directory / "results.svg")
    console.print(f"written to {directory}: results.json, results.md, results.svg")


def page(rows: Sequence[Row], cores: int, options: dict[str, Any]) -> str:
    """All goals as a page of the documentation, and where the processor time of an image goes."""
    given = ", ".join(f"{name} {value}" for name, value in options.items() if name not in ("directory", "formats"))
    lines = [
        "# Figures of the last run",
        "",
        f"Written by `make bench` on {cores} cores ({given}). How to read it: [performance](../performance.md).",
        "",
        "| what | measured, median (range) | figure | goal | verdict |",
        "|---|---|---|---|---|",
        *(
            f"| {row.what} | {row.measured} | {row.figure:.2f} {row.unit} | {row.goal} "
            f"| {'reached' if row.is_reached else '**missed**'} |"
            for row in rows
        ),
        "",
        "![each figure as a share of its goal](results.svg)",
        "",
        *_breakdown(rows, cores),
    ]
    return "\n".join(lines)


def _breakdown(rows: Sequence[Row], cores: int) -> list[str]:
    """What the processor's time goes into, and how many images a second would fill it: the model for planning."""
    prefix = "cpu_milliseconds_of_"
    by_format = {row.what.split()[0]: row.samples for row in rows if f"{prefix}client" in row.samples}
    if not by_format:
        return []
    processes = [name.removeprefix(prefix) for name in next(iter(by_format.values())) if name.startswith(prefix)]
    lines = [
        "## Processor time of an image, in milliseconds",
        "",
        f"| | {' | '.join(processes)} | all but the client | tutorial build | database requests "
        f"| images/s that fill {cores} cores | measured |",
        "|---" * (len(processes) + 6) + "|",
    ]
    for format, samples in by_format.items():
        keys = (
            *(prefix + name for name in processes),
            "cpu_milliseconds_per_image",
            "tutorial_cpu_milliseconds_per_image",
            "database_requests_per_image",
        )
        figures = (f"{statistics.median(samples[key]):.1f}" if key in samples else "" for key in keys)
        busy = statistics.median(samples["cpu_milliseconds_per_image"]) + statistics.median(samples[prefix + "client"])
        rate = statistics.median(samples["images_per_second"])
        lines.append(f"| {format} | {' | '.join(figures)} | {1000 * cores / busy:.1f} | {rate:.1f} |")
    return [*lines, ""]


def drawing() -> Any:
    """Matplotlib's ``pyplot``, which then writes the same SVG for the same figures."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "album"
    from matplotlib import pyplot

    return pyplot


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw how each figure stands to its goal."""
    pyplot = drawing()

    figure, axes = pyplot.subplots(figsize=(9, 0.42 * len(rows) + 1.2))
    shown = list(reversed(rows))
    colours = ["#2f7d4f" if row.is_reached else "#b3402e" for row in shown]
    # Beyond four times the goal the length of a bar says nothing more.
    axes.barh([row.what for row in shown], [min(4.0, row.margin) for row in shown], color=colours)
    for place, row in enumerate(shown):
        axes.text(0.03, place, f"{row.figure:.2f} {row.unit} (goal {row.goal})", va="center", color="white", size=8)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xlabel("figure as a share of its goal; beyond the line the goal is reached")
    axes.tick_params(axis="y", labelsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
