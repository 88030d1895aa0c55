"""What a checker has found."""

from dataclasses import dataclass, field


@dataclass
class Findings:
    """What does not hold, a sentence each."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)

    def __add__(self, other: "Findings") -> "Findings":
        return Findings(
            self.lost + other.lost,
            self.twice + other.twice,
            self.unasked + other.unasked,
            self.lies + other.lies,
        )

    def __bool__(self) -> bool:
        return bool(self.lost or self.twice or self.unasked or self.lies)

    def __str__(self) -> str:
        kinds = {"lost": self.lost, "twice": self.twice, "unasked": self.unasked, "lie": self.lies}
        lines = [f"{kind}: {sentence}" for kind, found in kinds.items() for sentence in found]
        more = f"\n... and {len(lines) - 20} more" if len(lines) > 20 else ""
        return "\n".join(lines[:20]) + more
