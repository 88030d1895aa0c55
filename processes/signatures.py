"""A function's signature, type hints and docstring, read as the parameters and outputs of a process."""

import enum
import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

import docstring_parser

from processes.executors.context import RunContext
from processes.secrets import Secret
from processes.value_types import ValueType, WrongType, to_stored

PLAIN_TYPES: tuple[tuple[Any, ValueType], ...] = (
    (str, ValueType.TEXT),
    (int, ValueType.INTEGER),
    (float, ValueType.NUMBER),
    (bool, ValueType.BOOLEAN),
    (date, ValueType.DATE),
    (datetime, ValueType.DATE_TIME),
    (dict, ValueType.JSON),
    (list, ValueType.JSON),
    (Any, ValueType.JSON),
    (Secret, ValueType.SECRET),
)
ALLOWED = (
    "allowed are str, int, float, bool, date, datetime, Literal['a', 'b'], an Enum of texts,"
    " dict, list, Any, a TypedDict and, for a parameter, Secret, each also with '| None'"
)


class UnusableProcess(TypeError):
    """The function cannot be a process; the message names it, what is wrong and what is allowed."""


@dataclass(frozen=True)
class ParameterSpec:
    """A parameter; `default` is in its stored form, None without one.

    The function gets a member of `enum_class` if it is set, the text that is stored otherwise.
    """

    name: str
    value_type: ValueType
    required: bool
    default: Any
    choices: tuple[str, ...]
    help_text: str
    position: int
    enum_class: type[enum.Enum] | None = None


@dataclass(frozen=True)
class OutputSpec:
    """An output; one that is not `required` may be None or left out."""

    name: str
    value_type: ValueType
    help_text: str = ""
    choices: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True)
class Signature:
    """What a function takes and returns; any output is accepted if none is declared."""

    parameters: tuple[ParameterSpec, ...]
    outputs: tuple[OutputSpec, ...]
    outputs_declared: bool
    takes_context: bool
    description: str


@dataclass(frozen=True)
class _Kind:
    value_type: ValueType
    choices: tuple[str, ...] = ()
    enum_class: type[enum.Enum] | None = None
    optional: bool = False


@dataclass(frozen=True)
class _Documentation:
    description: str
    help_texts: Mapping[str, str]


def describe_function(function: Callable[..., Any]) -> Signature:
    """Return the parameters and outputs of `function`. Raise UnusableProcess where it has none.

    Help comes from the docstring ("Args:", and "Attributes:" of the returned TypedDict), else
    from a text in `Annotated`. A return annotation `dict` declares no outputs and allows any.
    """
    if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
        raise UnusableProcess(f"{function!r} cannot be a process: write it as a plain function.")
    hints = _read_hints(function, function)
    documentation = _read_docstring(function.__doc__)
    parameters = list(inspect.signature(function).parameters.values())
    takes_context = bool(parameters) and hints.get(parameters[0].name) is RunContext
    outputs = _describe_outputs(function, hints)
    return Signature(
        parameters=tuple(
            _describe_parameter(function, parameter, hints, documentation, position)
            for position, parameter in enumerate(parameters[takes_context:])
        ),
        outputs=outputs or (),
        outputs_declared=outputs is not None,
        takes_context=takes_context,
        description=documentation.description,
    )


def _name_of(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _read_hints(function: Callable[..., Any], annotated: Any) -> dict[str, Any]:
    """Return the type hints of `annotated`, which is `function` or a class in its signature."""
    try:
        return get_type_hints(annotated, include_extras=True)
    except Exception as error:  # annotations may be texts, and evaluating one may raise anything
        raise UnusableProcess(
            f"{_name_of(function)}: its annotations cannot be read ({error})."
        ) from error


def _read_docstring(text: str | None) -> _Documentation:
    text = inspect.cleandoc(text or "")
    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return _Documentation(text, {})
    parts = (parsed.short_description, parsed.long_description)
    return _Documentation(
        description="\n\n".join(part for part in parts if part),
        help_texts={
            param.arg_name: " ".join((param.description or "").split()) for param in parsed.params
        },
    )


def _describe_parameter(
    function: Callable[..., Any],
    parameter: inspect.Parameter,
    hints: Mapping[str, Any],
    documentation: _Documentation,
    position: int,
) -> ParameterSpec:
    name = parameter.name
    where = f"{_name_of(function)}: the parameter {name!r}"
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise UnusableProcess(
            f"{where} is {parameter.kind.description}; it must have a name of its own."
        )
    if name not in hints:
        raise UnusableProcess(f"{where} has no annotation; {ALLOWED}.")
    if hints[name] is RunContext:
        raise UnusableProcess(f"{where} is the RunContext, which must be the first parameter.")
    kind = _read_annotation(hints[name])
    if kind is None:
        raise UnusableProcess(f"{where} is annotated {_show(hints[name])}; {ALLOWED}.")
    has_default = parameter.default is not parameter.empty
    return ParameterSpec(
        name=name,
        value_type=kind.value_type,
        required=not (has_default or kind.optional),
        default=_store_default(where, parameter.default, kind) if has_default else None,
        choices=kind.choices,
        help_text=documentation.help_texts.get(name) or _annotated_text(hints[name]),
        position=position,
        enum_class=kind.enum_class,
    )


def _store_default(where: str, default: Any, kind: _Kind) -> Any:
    if default is None and kind.optional:
        return None
    if kind.value_type == ValueType.SECRET:
        raise UnusableProcess(
            f"{where} has a default, and a secret in the code is none; allowed is None."
        )
    try:
        return to_stored(kind.value_type, default, choices=kind.choices)
    except WrongType as error:
        raise UnusableProcess(
            f"{where} has the default {default!r}; it takes {error.expected}."
        ) from error


def _describe_outputs(
    function: Callable[..., Any], hints: Mapping[str, Any]
) -> tuple[OutputSpec, ...] | None:
    """Return the outputs that the return annotation declares, None if it allows any."""
    returned = hints.get("return", inspect.Parameter.empty)
    if returned is types.NoneType:
        return ()
    if (get_origin(returned) or returned) in (dict, Mapping):
        return None
    if not _is_typed_dict(returned):
        raise UnusableProcess(
            f"{_name_of(function)}: its return annotation must be a TypedDict with one key an"
            " output, dict for any outputs, or None for none."
        )
    documentation = _read_docstring(returned.__doc__)
    return tuple(
        _describe_output(function, returned, name, annotation, documentation)
        for name, annotation in _read_hints(function, returned).items()
    )


def _describe_output(
    function: Callable[..., Any],
    returned: Any,
    name: str,
    annotation: Any,
    documentation: _Documentation,
) -> OutputSpec:
    kind = _read_annotation(annotation)
    if kind is None:
        raise UnusableProcess(
            f"{_name_of(function)}: the output {name!r} is annotated {_show(annotation)}; {ALLOWED}."
        )
    if kind.value_type == ValueType.SECRET:
        raise UnusableProcess(
            f"{_name_of(function)}: the output {name!r} is a Secret; outputs are answered in clear."
        )
    # With annotations kept as texts, __required_keys__ does not know of NotRequired.
    left_out = name not in returned.__required_keys__ or get_origin(annotation) is NotRequired
    return OutputSpec(
        name=name,
        value_type=kind.value_type,
        help_text=documentation.help_texts.get(name) or _annotated_text(annotation),
        choices=kind.choices,
        required=not (left_out or kind.optional),
    )


def _read_annotation(annotation: Any) -> _Kind | None:
    """Return the type of value that the annotation stands for, None if there is none."""
    annotation = _without_extras(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _read_union(arguments)
    if origin is Literal:
        return _read_choices(arguments)
    if inspect.isclass(annotation) and issubclass(annotation, enum.Enum):
        kind = _read_choices(tuple(member.value for member in annotation))
        return kind and replace(kind, enum_class=annotation)
    if _is_typed_dict(annotation):
        return _Kind(ValueType.JSON)
    plain = origin or annotation
    return next((_Kind(value_type) for known, value_type in PLAIN_TYPES if known is plain), None)


def _read_union(members: tuple[Any, ...]) -> _Kind | None:
    others = [member for member in members if member is not types.NoneType]
    kind = _read_annotation(others[0]) if len(others) == 1 else None
    return kind and replace(kind, optional=True)


def _read_choices(choices: tuple[Any, ...]) -> _Kind | None:
    if not choices or not all(isinstance(choice, str) for choice in choices):
        return None
    return _Kind(ValueType.CHOICE, choices=choices)


def _without_extras(annotation: Any) -> Any:
    """Return the type inside Annotated, Required and NotRequired."""
    wrapped = hasattr(annotation, "__metadata__") or get_origin(annotation) in (
        Required,
        NotRequired,
    )
    return _without_extras(get_args(annotation)[0]) if wrapped else annotation


def _annotated_text(annotation: Any) -> str:
    """Return the first text that Annotated holds for the reader."""
    metadata = getattr(annotation, "__metadata__", ())
    return next((item for item in metadata if isinstance(item, str)), "")


def _is_typed_dict(annotation: Any) -> bool:
    # Also true for those of typing_extensions, which typing.is_typeddict does not know.
    return isinstance(annotation, type) and hasattr(annotation, "__required_keys__")


def _show(annotation: Any) -> str:
    return inspect.formatannotation(annotation)
