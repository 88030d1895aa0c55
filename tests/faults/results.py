"""The table at the end of the fault tests."""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.findings import Findings

HEADINGS = ("fault", "trials", "lost", "twice", "unasked", "lies", "slowest", "seed")


@dataclass(frozen=True)
class Result:
    """A line of the table; `slowest` is in seconds, and says of what in `note`."""

    fault: str
    trials: int
    lost: int
    twice: int
    unasked: int
    lies: int
    slowest: float
    seed: int
    note: str = ""

    @classmethod
    def of(
        cls, fault: str, findings: Findings, *, trials: int, seed: int, slowest: float, note: str
    ) -> "Result":
        """Return the line for what the checker has found."""
        return cls(
            fault,
            trials,
            len(findings.lost),
            len(findings.twice),
            len(findings.unasked),
            len(findings.lies),
            round(slowest, 2),
            seed,
            note,
        )

    def keep(self) -> None:
        """Print the line, and keep it for the table where one is asked for."""
        print(f"\n{format_table([self])}")  # noqa: T201 - pytest shows it with -s
        if file := os.environ.get("FAULTS_RESULTS"):
            with Path(file).open("a") as results:
                results.write(json.dumps(asdict(self)) + "\n")


def format_table(results: list[Result]) -> str:
    """Return the results in columns, each with its note in the line below."""
    cells = [[str(getattr(result, name)) for name in HEADINGS] for result in results]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *cells, strict=True)]
    lines = [_join(HEADINGS, widths)]
    for result, row in zip(results, cells, strict=True):
        lines += [_join(row, widths), f"    {result.note}"]
    return "\n".join(lines)


def _join(cells: "tuple[str, ...] | list[str]", widths: list[int]) -> str:
    padded = [
        cell.ljust(width) if number == 0 else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded)


def main() -> None:
    """Print the table of the results in the file named on the command line."""
    lines = Path(sys.argv[1]).read_text().splitlines()
    print(format_table([Result(**json.loads(line)) for line in lines]))  # noqa: T201


if __name__ == "__main__":
    main()
