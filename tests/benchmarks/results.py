"""What the lanes found, as data, and the page that is made of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from tests.benchmarks import machine

PAGE = Path(__file__).parents[2] / "docs/benchmarks.md"


@dataclass(slots=True)
class Table:
    """Rows of texts under a heading; the first row names the columns."""

    title: str
    rows: list[list[str]] = field(default_factory=list)

    def markdown(self) -> str:
        head, *rest = self.rows
        lines = [f"**{self.title}**", "", _line(head), _line(["---"] * len(head)), *map(_line, rest)]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Goal:
    """What was to be reached, and what was. `off`: how many times too much it is, or too little; up to 1 is met."""

    what: str
    goal: str
    found: str
    off: float

    @property
    def verdict(self) -> str:
        return "met" if self.off <= 1 else f"**missed**, {self.off:.2f} times"


def at_most(what: str, limit: float, found: float, unit: str, form: str = "{:.2f}") -> Goal:
    """A goal that a smaller figure meets."""
    return Goal(what, f"<= {limit:g} {unit}".strip(), f"{form.format(found)} {unit}".strip(), found / limit)


def at_least(what: str, limit: float, found: float, unit: str, form: str = "{:.0f}") -> Goal:
    """A goal that a larger figure meets."""
    return Goal(what, f">= {limit:g} {unit}".strip(), f"{form.format(found)} {unit}".strip(), limit / max(found, 1e-9))


@dataclass(slots=True)
class Lane:
    """One lane's results. `notes` are sentences; a lane that could not be run has nothing else."""

    title: str
    about: str
    tables: list[Table] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        parts = [f"## {self.title}", self.about, *(table.markdown() for table in self.tables)]
        if self.goals:
            rows = [["goal", "wanted", "found", ""]]
            rows += [[one.what, one.goal, one.found, one.verdict] for one in self.goals]
            parts.append(Table("Goals", rows).markdown())
        parts += [f"- {note}" for note in self.notes]
        return "\n\n".join(parts)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    """The median, and the lowest and highest of all rounds."""
    if not values:
        return ""
    middle = form.format(median(values))
    return f"{middle} ({form.format(min(values))} to {form.format(max(values))})" if len(values) > 1 else middle


HEAD = """# Benchmarks

Made by `{command}` on {date}; nothing here is written by hand. Every figure is a median of several rounds in which all
who are compared take turns, with the lowest and highest in parentheses. Trust the ratios: the machine is small and
shared.

{machine}
"""


def write_page(lanes: Sequence[Lane], command: str, path: Path = PAGE) -> None:
    """Write `docs/benchmarks.md`."""
    facts = "\n".join(f"- {name}: {value}" for name, value in machine.described().items())
    head = HEAD.format(command=command, date=datetime.now(UTC).date().isoformat(), machine=facts)
    path.write_text("\n\n".join([head.strip(), *(lane.markdown() for lane in lanes)]) + "\n", encoding="utf-8")
