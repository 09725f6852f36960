"""Measurements as lines, as a table of medians, and as files."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_BEGIN: Final = "<!-- measured: begin -->"
_END: Final = "<!-- measured: end -->"
_COLUMNS: Final = (
    "", "charges/s, median (least to most)", "times the best plain", "CPU us a charge: workers", "PostgreSQL", "Valkey",
    "together", "the leanest plain takes so many times that", "enqueueing, not in it",
    "stand-in", "workers' MB",
)  # fmt: skip
_PARTS: Final = ("workers", "PostgreSQL", "Valkey", "stand-in")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One contestant, once. ``cpu_us`` is microseconds of CPU a charge, by who spent them."""

    contestant: str
    is_ours: bool
    latency: int  # of the gateway, milliseconds
    charges: int
    seconds: float  # from the bell to the last record
    cpu_us: Mapping[str, float]
    enqueueing_us: float  # CPU a charge before the measured time: a message each; in none of the sums
    megabytes: float  # of all worker processes
    foreign_cores: float  # busy with something else meanwhile
    load: float  # one-minute load average right before

    @property
    def rate(self) -> float:
        """Charges a second."""
        return self.charges / self.seconds

    @property
    def cpu_of_ours(self) -> float:
        """Microseconds of CPU a charge, without the stand-in."""
        return sum(self.cpu_us[part] for part in _PARTS[:3])

    def line(self) -> str:
        """What a person reads while it runs."""
        parts = ", ".join(f"{name} {self.cpu_us[name]:.0f}" for name in _PARTS)
        return (
            f"{self.latency:>4} ms  {self.contestant:<24} {self.charges:>6} charges {self.rate:>6.0f}/s"
            f"  CPU us: {parts}; {self.megabytes:.0f} MB, others {self.foreign_cores:.2f} cores, load {self.load:.2f}"
        )


def printed(measured: Sequence[Measurement], about: Mapping[str, str]) -> str:
    """The machine, and the table of medians in Markdown."""
    lines = [f"- {name}: {value}" for name, value in about.items()]
    loads = [one.load for one in measured]
    foreign = [one.foreign_cores for one in measured]
    lines.append(
        f"- load average before the measurements: {min(loads):.2f} to {max(loads):.2f}; cores busy with something"
        f" else: median {statistics.median(foreign):.2f}, at most {max(foreign):.2f}"
    )
    for latency in sorted({one.latency for one in measured}):
        lines += ["", f"### Gateway latency {latency} ms", "", *_table([m for m in measured if m.latency == latency])]
    return "\n".join(lines)


def _table(measured: Sequence[Measurement]) -> list[str]:
    names = list(dict.fromkeys(one.contestant for one in measured))
    by_name = {name: [one for one in measured if one.contestant == name] for name in names}
    plain = [name for name in names if not by_name[name][0].is_ours]
    best = max(plain, key=lambda name: _median(by_name[name], "rate"), default=None)
    leanest = min(plain, key=lambda name: _median(by_name[name], "cpu_of_ours"), default=None)
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---" * len(_COLUMNS) + "|"]
    for name in names:
        runs = by_name[name]
        rates = [one.rate for one in runs]
        cpu = {part: statistics.median(one.cpu_us[part] for one in runs) for part in _PARTS}
        faster = _median(runs, "rate") / _median(by_name[best], "rate") if best else 1
        leaner = _median(by_name[leanest], "cpu_of_ours") / _median(runs, "cpu_of_ours") if leanest else 1
        lines.append(
            f"| {name}{' (best plain)' if name == best else ''} | {statistics.median(rates):,.0f}"
            f" ({min(rates):,.0f} to {max(rates):,.0f}) | {faster:.1f} | {cpu['workers']:.0f}"
            f" | {cpu['PostgreSQL']:.0f} | {cpu['Valkey']:.0f} | {_median(runs, 'cpu_of_ours'):.0f} | {leaner:.1f}"
            f" | {_median(runs, 'enqueueing_us'):.0f} | {cpu['stand-in']:.0f} | {_median(runs, 'megabytes'):.0f} |"
        )
    return lines


def _median(runs: Sequence[Measurement], name: str) -> float:
    return statistics.median(float(getattr(one, name)) for one in runs)


def written(measured: Sequence[Measurement], about: Mapping[str, str], *, folder: Path) -> None:
    """Put the table into the page, between its marks, and every measurement into the JSON beside it."""
    page = folder / "performance.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    page.write_text(f"{before}{_BEGIN}\n{printed(measured, about)}\n{_END}{after}", encoding="utf-8")
    runs = [{**asdict(one), "charges_a_second": one.rate} for one in measured]
    file = folder / "performance.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    told = json.dumps({**kept, "about": dict(about), "measurements": runs}, indent=1, ensure_ascii=False)
    file.write_text(told + "\n", encoding="utf-8")
