"""How schedules stand: one rule for the screens that show it and the filters that ask for it."""

from typing import Any

from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.enums import TextChoices
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from scheduler.models import Fire, Schedule


class State(TextChoices):
    """How a schedule stands."""

    ARMED = "armed", _("armed")
    PAUSED = "paused", _("paused")
    DISABLED = "disabled", _("disabled")
    FINISHED = "finished", _("finished")
    ENDED = "ended", _("ended")
    NEVER_FIRES = "never_fires", _("never fires")
    ARMING = "arming", _("being armed")
    BROKEN = "broken", _("broken")


def with_state(schedules: "QuerySet[Schedule]") -> "QuerySet[Schedule]":
    """Annotate each schedule with its `state` and the database's `now`."""
    fires = Fire.objects.filter(schedule=OuterRef("pk"))
    disabled = Q(periodic_task__enabled=False)
    not_armed = Q(next_fire_time=None)
    paused = Q(paused_at__isnull=False) & (Q(paused_until=None) | Q(paused_until__gt=Now()))
    return schedules.annotate(
        now=ExpressionWrapper(Now(), output_field=DateTimeField()),
        state=_first_that_holds(
            (~Q(error=""), State.BROKEN),
            # A run-once plan that has run was disabled by the beat that claimed it.
            (
                disabled & Q(periodic_task__one_off=True) & Exists(fires.filter(outcome="ran")),
                State.FINISHED,
            ),
            (disabled, State.DISABLED),
            # Enabled in bulk a moment ago; the beat follows within seconds.
            (not_armed & Q(was_enabled=False), State.ARMING),
            (not_armed & (Q(periodic_task__expires__lt=Now()) | Exists(fires)), State.ENDED),
            (not_armed, State.NEVER_FIRES),
            (paused, State.PAUSED),
        ),
    )


def _first_that_holds(*rules: tuple[Any, State]) -> Case:
    return Case(
        *[When(condition, then=Value(state.value)) for condition, state in rules],
        default=Value(State.ARMED.value),
        output_field=CharField(),
    )
