"""`manage.py doctor`: what is configured, reachable and late, and what to do about it."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from config.doctor import Section, examine
from config.visible import make_visible
from scheduler.health import Check, Level


class Command(BaseCommand):
    """Look at the installation and say what an admin has to know."""

    help = "Says what is configured, reachable and late; exits with 1 when something is in error."
    # A wrong installation is what it is for.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the form of the answer."""
        parser.add_argument("--json", action="store_true", help="answer one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print every check; exit with 1 if one is in error."""
        sections = self._answer_json() if options["json"] else self._answer_text()
        levels = {check.level for section in sections for check in section.checks}
        if Level.ERROR in levels:
            raise SystemExit(1)

    def _answer_json(self) -> list[Section]:
        sections = list(examine())
        levels = [check.level for section in sections for check in section.checks]
        worst = max(levels, key=list(Level).index)
        named = {section.title: [asdict(check) for check in section.checks] for section in sections}
        self.stdout.write(json.dumps({"level": worst, **named}, indent=2))
        return sections

    def _answer_text(self) -> Iterator[Section]:
        for section in examine():
            self.stdout.write(section.title)
            for check in section.checks:
                self._print(check)
            self.stdout.flush()
            yield section

    def _print(self, check: Check) -> None:
        paint = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.ERROR: self.style.ERROR,
        }[check.level]
        self.stdout.write(
            f"  {paint(f'{check.level:<7}')}  {check.name:<12}  {make_visible(check.message)}"
        )
        if check.remedy:
            self.stdout.write(f"{'':<25}{check.remedy}")
