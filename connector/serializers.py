"""The shape of a start call and of the answers; nothing here writes."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from rest_framework import serializers

from connector.error_codes import CODES
from connector.fields import (
    FlagField,
    MomentField,
    ObjectField,
    TextField,
    TimeZoneField,
    WholeNumberField,
)
from connector.plan_status import MAX_RUNS
from processes.models import Run

MAX_DELAY_SECONDS = 86_400
# Spellings of the published text, read as what they evidently mean.
PUBLISHED_KEYS = {"run immediately": "runImmediately"}
NEAR = 0.7  # of 1; below it a key is more likely a value that stands in the wrong place
FLAGS = ("runOnce", "runImmediately")


class StartSerializer(serializers.Serializer[Any]):
    """The body of a start call. Null and "" mean *not given* for every optional field."""

    name = TextField(max_length=200, help_text="Process model name.")
    values = ObjectField(required=False, help_text="Values for the process model's parameters.")
    quartzDef = TextField(  # noqa: N815 - the published name
        max_length=1000, required=False, help_text="Quartz expression of 6 or 7 fields."
    )
    startDate = MomentField(  # noqa: N815 - the published name
        required=False, help_text="First date; `yyyy-MM-dd HH:mm:ss` in `timezone`, or ISO 8601."
    )
    endDate = MomentField(  # noqa: N815 - the published name
        required=False, help_text="Last date of the plan, later than `startDate`."
    )
    runOnce = FlagField(  # noqa: N815 - the published name
        required=False,
        help_text="Y: only the first fire time of the plan; with `runImmediately` no plan.",
    )
    runImmediately = FlagField(  # noqa: N815 - the published name
        required=False, help_text="Y: run now, beside the plan if there is one."
    )
    retryCount = WholeNumberField(  # noqa: N815 - the published name
        minimum=0, maximum=99, required=False, help_text="Additional runs after an error."
    )
    worker = WholeNumberField(
        minimum=1,
        maximum=2**63 - 1,
        expected="the id of a worker, such as 1",
        required=False,
        help_text="Worker id; without one: any.",
    )
    timezone = TimeZoneField(
        required=False,
        help_text="IANA name; the plan follows its wall clock, and so do dates without an offset.",
    )
    retryDelay = WholeNumberField(  # noqa: N815 - follows the published names
        minimum=0, maximum=MAX_DELAY_SECONDS, required=False, help_text="Seconds between retries."
    )
    priority = WholeNumberField(
        minimum=1, maximum=99, required=False, help_text="99 is claimed first; 50 unless given."
    )

    def to_internal_value(self, data: Mapping[str, Any]) -> Any:
        """Repair what the published text gets wrong, then check every field."""
        given, warnings = repair(data)
        unknown = [key for key in given if key not in self.fields]
        if unknown:
            raise serializers.ValidationError(
                {key: [_unknown(key, list(self.fields))] for key in unknown}
            )
        checked = super().to_internal_value(
            {key: value for key, value in given.items() if value is not None and value != ""}
        )
        return checked | {"warnings": warnings}


def repair(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return `data` with the published text's slips mended, and a warning for each."""
    given: dict[str, Any] = {}
    warnings: list[str] = []
    for key, value in data.items():
        name = PUBLISHED_KEYS.get(key, key)
        if name != key and name in data:
            warnings.append(f"{key!r} was ignored beside {name!r}.")
            continue
        if name != key:
            warnings.append(f"{key!r} was read as {name!r}.")
        given[name] = value
    for flag in FLAGS:
        value = given.get(flag)
        if isinstance(value, str) and value.endswith(",") and len(value) <= len("false,"):
            given[flag] = value[:-1]
            warnings.append(f"{flag!r}: {value!r} was read as {value[:-1]!r}.")
    return given, warnings


def _unknown(key: str, known: list[str]) -> str:
    near = get_close_matches(key.lower(), [name.lower() for name in known], n=1, cutoff=NEAR)
    by_lower = {name.lower(): name for name in known}
    if near:
        return f"{key!r} is not a field of this call; did you mean {by_lower[near[0]]!r}?"
    return (
        f"{key!r} is not a field of this call; the fields are {', '.join(known)}, and the values of"
        " the process belong into 'values'."
    )


class StartedSerializer(serializers.Serializer[Any]):
    """The answer to an accepted start."""

    robustaSpid = serializers.UUIDField(  # noqa: N815 - the published name
        help_text="Ask for the status with it."
    )
    message = serializers.CharField(help_text='"Process saved"')
    warnings = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="What was repaired or ignored; only when something was.",
    )


class DryRunSerializer(serializers.Serializer[Any]):
    """The answer to a dry run: nothing was stored."""

    message = serializers.CharField()
    plan = serializers.CharField(help_text="The plan in words.")
    fireTimes = serializers.ListField(  # noqa: N815 - follows the published names
        child=serializers.DateTimeField()
    )
    worker = serializers.IntegerField(allow_null=True)
    values = serializers.DictField(help_text="The values after conversion.")
    warnings = serializers.ListField(child=serializers.CharField())


class PlanRunSerializer(serializers.Serializer[Any]):
    """A run of a plan."""

    robustaSpid = serializers.UUIDField(  # noqa: N815 - the published name
        help_text="Ask for its status with it, outputs included."
    )
    status = serializers.ChoiceField(choices=Run.Status.values)
    message = serializers.CharField(help_text="The status in words.")
    fireTime = serializers.DateTimeField(  # noqa: N815 - follows the published names
        allow_null=True,
        help_text="The fire time that made it; null for one that was started beside the plan.",
    )
    startedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815
    finishedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815


class StatusSerializer(serializers.Serializer[Any]):
    """The answer to a status call; the outputs stand beside it as `__out_<name>`."""

    status = serializers.ChoiceField(choices=[*Run.Status.values, "EXPIRED"])
    message = serializers.CharField(help_text="The status in words.")
    runs = PlanRunSerializer(
        many=True,
        required=False,
        help_text=f"Only for a plan: its runs so far, newest first, at most the last {MAX_RUNS:,}.",
    )
    nextRun = serializers.DateTimeField(  # noqa: N815 - follows the published names
        required=False,
        allow_null=True,
        help_text="Only for a plan: when it makes its next run, with the offset of its zone.",
    )


class ErrorSerializer(serializers.Serializer[Any]):
    """Every answer that is not a success."""

    message = serializers.CharField(help_text="One sentence a person can act on.")
    code = serializers.ChoiceField(choices=list(CODES), help_text="A stable code for programs.")

    def get_fields(self) -> dict[str, Any]:
        """Add `errors`, whose name every serializer uses itself."""
        errors = serializers.DictField(
            child=serializers.ListField(child=serializers.CharField()),
            required=False,
            help_text="Texts by field, where a field is at fault.",
        )
        return super().get_fields() | {"errors": errors}
