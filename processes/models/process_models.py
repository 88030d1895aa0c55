"""What can be run: process models with their parameters and outputs, grouped in applications."""

from datetime import timedelta
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Count, F, FilteredRelation, Q
from django.db.models.functions import Greatest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from processes.encryption import encrypt
from processes.exceptions import SecretsUnusable
from processes.models.trails import Trail
from processes.models.workers import Worker
from processes.secrets import MASK, is_encrypted
from processes.value_types import ValueType, WrongType, convert

MAX_RETRY_COUNT = 99
MAX_RETRY_DELAY = timedelta(days=1)
MIN_TIME_LIMIT = timedelta(seconds=1)
MAX_KILL_GRACE = timedelta(hours=1)
VALUE_TYPES = [
    (ValueType.TEXT.value, _("text")),
    (ValueType.INTEGER.value, _("integer")),
    (ValueType.NUMBER.value, _("number")),
    (ValueType.BOOLEAN.value, _("boolean")),
    (ValueType.DATE.value, _("date")),
    (ValueType.DATE_TIME.value, _("date-time")),
    (ValueType.CHOICE.value, _("choice")),
    (ValueType.JSON.value, _("JSON")),
]
# What a process answers is not secret, so an output is none.
PARAMETER_TYPES = [*VALUE_TYPES, (ValueType.SECRET.value, _("secret"))]


printable = RegexValidator(r"^[^\x00-\x1f\x7f]+\Z", _("Use printable characters only."))


class Application(models.Model):
    """A named group of process models that staff and API clients can be limited to."""

    name = models.CharField(_("name"), max_length=100, unique=True, validators=[printable])
    description = models.TextField(_("description"), blank=True)

    history = Trail()

    class Meta:
        verbose_name = _("application")
        verbose_name_plural = _("applications")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


def _held_runs() -> FilteredRelation:
    # Rows under a lease are counted, never a counter: that could leak.
    return FilteredRelation("runs", condition=Q(runs__status="RUNNING"))


class ProcessModelQuerySet(models.QuerySet["ProcessModel"]):
    """Process models by what their limit of parallel runs leaves."""

    def count_room(self) -> dict[int, int]:
        """Return how many more runs of those that have a limit may begin, by id."""
        limited = self.exclude(max_parallel_runs=None).order_by().alias(held=_held_runs())
        room = Greatest(F("max_parallel_runs") - Count("held"), 0)
        return dict(limited.annotate(room=room).values_list("pk", "room"))

    def at_limit(self) -> Self:
        """Return those of which as many runs are executed as may be, over all workers, or more."""
        limited = self.exclude(max_parallel_runs=None).order_by().alias(held=_held_runs())
        return limited.annotate(running=Count("held")).filter(running__gte=F("max_parallel_runs"))


class ProcessModel(models.Model):
    """What can be run: an executor, its configuration, and the parameters it takes."""

    class Executor(models.TextChoices):
        """The kinds of process model this installation can carry out."""

        PYTHON = "python", _("Python function")
        COMMAND = "command", _("command")

    class OnWorkerLost(models.TextChoices):
        """What becomes of a run whose worker died."""

        FAIL = "fail", _("fail")
        RETRY = "retry", _("retry")

    name = models.CharField(
        _("name"),
        max_length=200,
        unique=True,
        validators=[printable],
        help_text=_("API clients start the process by this name."),
    )
    application = models.ForeignKey(
        Application,
        verbose_name=_("application"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="process_models",
    )
    title = models.CharField(_("title"), max_length=200, blank=True)
    description = models.TextField(_("description"), blank=True)
    executor = models.CharField(_("executor"), max_length=20, choices=Executor.choices)
    configuration = models.JSONField(_("configuration"), default=dict, blank=True)
    enabled = models.BooleanField(
        _("enabled"),
        default=True,
        help_text=_("A disabled process model cannot be started; runs already queued wait."),
    )
    time_limit = models.DurationField(
        _("time limit"),
        null=True,
        blank=True,
        validators=[MinValueValidator(MIN_TIME_LIMIT, _("Give at least one second."))],
        help_text=_(
            "Hours:minutes:seconds. An attempt that takes longer is told to end, and fails. Empty:"
            " no limit. A change counts for attempts that begin later."
        ),
    )
    kill_grace = models.DurationField(
        _("grace before kill"),
        default=timedelta(seconds=10),
        validators=[
            MinValueValidator(timedelta(0), _("Give no time below zero.")),
            MaxValueValidator(MAX_KILL_GRACE, _("Give at most one hour.")),
        ],
        help_text=_(
            "Hours:minutes:seconds that an attempt has to end by itself once it is cancelled or has"
            " reached its time limit; then it is killed."
        ),
    )
    max_parallel_runs = models.PositiveIntegerField(
        _("maximum parallel runs"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "Over all workers together. Empty: no limit. A lower limit ends nothing that runs."
        ),
    )
    default_worker = models.ForeignKey(
        Worker,
        verbose_name=_("default worker"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Used when a start names no worker. Empty: any worker."),
    )
    default_retry_count = models.PositiveSmallIntegerField(
        _("default retry count"),
        default=0,
        validators=[MaxValueValidator(MAX_RETRY_COUNT)],
        help_text=_("Additional runs after an error, when a start names no number."),
    )
    default_retry_delay = models.DurationField(
        _("default retry delay"),
        default=timedelta,
        validators=[MinValueValidator(timedelta(0)), MaxValueValidator(MAX_RETRY_DELAY)],
    )
    on_worker_lost = models.CharField(
        _("when the worker is lost"),
        max_length=10,
        choices=OnWorkerLost.choices,
        default=OnWorkerLost.FAIL,
        help_text=_(
            "Nobody knows how far such an attempt came. Retry makes another one, even where a run"
            " has no retries: choose it for what may be done twice."
        ),
    )
    max_output_bytes = models.PositiveIntegerField(
        _("maximum size of the outputs in bytes"),
        default=1024 * 1024,
        help_text=_("As JSON. A run that sets more fails."),
    )
    accepts_undeclared_values = models.BooleanField(
        _("accepts undeclared values"),
        default=False,
        help_text=_("A process model that declares no parameter takes any value."),
    )

    objects = ProcessModelQuerySet.as_manager()
    history = Trail()

    class Meta:
        verbose_name = _("process model")
        verbose_name_plural = _("process models")
        ordering = ["name"]
        constraints = [
            # Protects the API's promise that retryCount is 0-99, whoever writes the row.
            models.CheckConstraint(
                condition=Q(default_retry_count__lte=MAX_RETRY_COUNT),
                name="process_model_retry_count",
            ),
            # Protects the worker from a limit that would end every attempt before it begins.
            models.CheckConstraint(
                condition=Q(time_limit=None) | Q(time_limit__gt=timedelta(0)),
                name="process_model_time_limit",
            ),
        ]
        indexes = [
            # Serves the claim and the bells: which process models have a limit.
            models.Index(
                fields=["max_parallel_runs"],
                condition=Q(max_parallel_runs__isnull=False),
                name="process_model_limited",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def secret_names(self) -> set[str]:
        """The names of the parameters that are secret."""
        return {parameter.name for parameter in self.parameters.all() if parameter.is_secret}

    def takes_any_value(self) -> bool:
        """Tell whether values without a declared parameter are accepted."""
        return self.accepts_undeclared_values or not self.parameters.all()


def _mask_default(parameter: "Parameter", default: Any) -> Any:
    return MASK if parameter.is_secret or is_encrypted(default) else default


class Parameter(models.Model):
    """A value that a process model takes."""

    process_model = models.ForeignKey(
        ProcessModel, on_delete=models.CASCADE, related_name="parameters"
    )
    name = models.CharField(_("name"), max_length=200, validators=[printable])
    value_type = models.CharField(
        _("type"), max_length=20, choices=PARAMETER_TYPES, default=ValueType.TEXT
    )
    required = models.BooleanField(_("required"), default=True)
    default = models.JSONField(_("default"), null=True, blank=True)
    choices = models.JSONField(_("choices"), default=list, blank=True)
    help_text = models.TextField(_("help text"), blank=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    history = Trail(parent="process_model", shown={"default": _mask_default})

    class Meta:
        verbose_name = _("parameter")
        verbose_name_plural = _("parameters")
        ordering = ["position", "id"]
        constraints = [
            # Protects callers from a value whose meaning would depend on the order of rows.
            models.UniqueConstraint(fields=["process_model", "name"], name="parameter_name_once"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a default that the parameter itself would refuse."""
        if self.default is None or (self.is_secret and is_encrypted(self.default)):
            return
        try:
            self.default = self.convert(self.default)
        except (WrongType, SecretsUnusable) as error:
            raise ValidationError({"default": str(error)}) from error

    @property
    def is_secret(self) -> bool:
        """Tell whether its values are encrypted and never shown."""
        return self.value_type == ValueType.SECRET

    def convert(self, value: Any) -> Any:
        """Return `value` in the form it is stored in, encrypted if it is a secret.

        Raise WrongType if it is of another type, NoSecretsKey if it cannot be encrypted.
        """
        stored = convert(ValueType(self.value_type), value, choices=self.choices)
        return encrypt(stored) if self.is_secret else stored


class Output(models.Model):
    """A value that a process model gives back, answered as `__out_<name>`."""

    process_model = models.ForeignKey(
        ProcessModel, on_delete=models.CASCADE, related_name="outputs"
    )
    name = models.CharField(_("name"), max_length=200, validators=[printable])
    value_type = models.CharField(
        _("type"), max_length=20, choices=VALUE_TYPES, default=ValueType.TEXT
    )
    help_text = models.TextField(_("help text"), blank=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    history = Trail(parent="process_model")

    class Meta:
        verbose_name = _("output")
        verbose_name_plural = _("outputs")
        ordering = ["position", "id"]
        constraints = [
            # Two outputs of one name would be one key of the answer.
            models.UniqueConstraint(fields=["process_model", "name"], name="output_name_once"),
        ]

    def __str__(self) -> str:
        return self.name
