"""From the words of a command line to a command, or to one line that says what is wrong with them."""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Annotated, Any

import tyro
from pydantic import BaseModel, ValidationError
from tyro import _errors
from tyro.conf import AvoidSubcommands, OmitArgPrefixes, OmitSubcommandPrefixes

from gencore.cli.data import Data
from gencore.cli.latent import Interpolate, Reconstruct
from gencore.cli.measuring import Evaluate, Export, Measure, MeasureBudgets, Report, Sample, SelfTest, Steps
from gencore.cli.mirror import Mirror
from gencore.cli.status import Doctor, Migrate, Runs, Schema, Stop
from gencore.cli.study import Study
from gencore.cli.training import Compare, Distill, Features, Train
from gencore.cli.translating import Translate
from gencore.config.families import variants
from gencore.config.options import HEADLINE, PRESETS, RunConfig, preset_title

Command = Callable[[], int]

COMMANDS: dict[str, type[Command]] = {
    "train": Train,
    "distill": Distill,
    "compare": Compare,
    "evaluate": Evaluate,
    "sample": Sample,
    "translate": Translate,
    "reconstruct": Reconstruct,
    "interpolate": Interpolate,
    "data": Data,
    "features": Features,
    "study": Study,
    "runs": Runs,
    "stop": Stop,
    "doctor": Doctor,
    "measure": Measure,
    "selftest": SelfTest,
    "steps": Steps,
    "budgets": MeasureBudgets,
    "report": Report,
    "export": Export,
    "mirror": Mirror,
    "schema": Schema,
    "migrate": Migrate,
}
_LABELS = [variant.label for variant in variants("generation", "translation")]
_ABOUT = f"Train and measure generative models: {', '.join(_LABELS)}."
_COMPARED = ", ".join(PRESETS[preset].label for preset in HEADLINE)
_NUMBERS = {"INT": "a whole number", "FLOAT": "a number"}


def parse(arguments: Sequence[str]) -> Command:
    """The command that `arguments` ask for. Exits 0 for --help; raises ValueError for bad ones."""
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        raise ValueError(f"unknown command {arguments[0]!r}; commands: {', '.join(COMMANDS)}")

    def refuse(event: _errors.ParseErrorEvent) -> None:
        if message := _explain(event, arguments):
            raise ValueError(message)

    with _errors.on_parse_error(refuse):
        command: Command = tyro.cli(_grammar(), args=arguments, prog="gencore", description=_ABOUT)
    return command


def _grammar() -> Any:
    """All commands as one type, for tyro; `train` has a subcommand a preset, with the preset's defaults."""
    annotated: Any = Annotated  # with types made while running, which a type checker cannot follow
    avoid: Any = AvoidSubcommands
    without_subcommand_prefix: Any = OmitSubcommandPrefixes
    without_prefix: Any = OmitArgPrefixes
    presets = {name: Train(config=config, preset=name) for name, config in PRESETS.items()}
    about = {name: f"{preset_title(name)}: {type(PRESETS[name].model).__doc__}" for name in presets}
    train: Any = tyro.extras.subcommand_type_from_defaults(presets, descriptions=about)
    described: dict[str, tuple[Any, str | None]] = {
        "train": (without_subcommand_prefix[avoid[train]], Train.__doc__),
        "compare": (
            avoid[Compare],
            f"Train {_COMPARED} alike, measure them and print one table.",
        ),
    }
    every: Any = None
    for name, command in COMMANDS.items():
        kind, description = described.get(name, (command, None))
        if name != "compare":  # its models' options keep the model's name in front
            kind = without_prefix[kind]
        one = annotated[kind, tyro.conf.subcommand(name, description=description)]
        every = one if every is None else every | one
    return every


def _explain(event: _errors.ParseErrorEvent, arguments: Sequence[str]) -> str | None:
    """A refusal of tyro's as one line with what to do; None leaves tyro to print its own text.

    tyro's public interface prints errors and exits. This hook is its only source of errors as data. It is
    private, so the tyro version is bounded in pyproject.toml, and kinds of event that are not known here fall
    through.
    """
    match event:
        case _errors.MissingSubcommand(subcommand_spec=choices):
            return f"{' '.join(['gencore', *arguments])} needs one of: {', '.join(choices.parser_from_name)}"
        case _errors.MissingArgs(missing_arguments=missing):
            names = ", ".join(one.arg.lowered.metavar or one.arg.display_name() for one in missing)
            return f"{names} is missing; `gencore {arguments[0]} --help` describes it"
        case _errors.UnrecognizedArgs(tokens=tokens):
            return _explain_unknown(tokens, arguments)
        case _errors.InvalidChoice(argument=argument, value=value, choices=choices):
            subject = (
                f"{value!r} is unknown" if argument.is_positional() else f"{_flag(argument)} is {value!r}"
            )
            return f"{subject}; use {', '.join(choices)}"
        case _errors.BadValue(argument=argument, reason="too_few_values"):
            return f"{_flag(argument)} needs a value ({argument.lowered.metavar})"
        case _errors.InstantiationFailure(argument=None):
            return _explain_invalid(sys.exception(), arguments)
        case _errors.InstantiationFailure(argument=argument) if argument is not None:
            kind = str(argument.lowered.metavar)
            expected = next((words for word, words in _NUMBERS.items() if word in kind), kind)
            return f"{_flag(argument)} is {_given(argument, arguments)!r}; give {expected}"
    return None


def _explain_unknown(tokens: Sequence[str], arguments: Sequence[str]) -> str:
    """Names the options of the command that look alike, or the presets where the first word is none."""
    command = arguments[0]
    if command == "train" and (len(arguments) < 2 or arguments[1] not in PRESETS):
        return f"gencore train needs a preset first: {', '.join(PRESETS)}"
    unknown = [token.partition("=")[0].replace("_", "-") for token in tokens if token.startswith("--")]
    known = [*_flags(COMMANDS[command]), *(_flags(PRESETS[arguments[1]]) if command == "train" else ())]
    alike = dict.fromkeys(
        flag for token in unknown for flag in difflib.get_close_matches(token, known, cutoff=0.75)
    )
    advice = (
        f"perhaps you meant {', '.join(alike)}" if alike else f"`gencore {command} --help` lists the options"
    )
    return f"unknown option {', '.join(unknown or tokens)}; {advice}"


def _explain_invalid(error: BaseException | None, arguments: Sequence[str]) -> str | None:
    """What pydantic says of values outside their bounds; None where `error` does not come from pydantic."""
    while error is not None and not isinstance(error, ValidationError):
        error = error.__context__
    if error is None:
        return None
    lines = []
    for item in error.errors(include_url=False):
        message = item["msg"].removeprefix("Value error, ")
        if item["loc"]:
            option = str(item["loc"][-1]).replace("_", "-")
            typed = (word.partition("=")[0] for word in arguments if word.startswith("--"))
            flag = next(
                (word for word in typed if word.endswith((f"--{option}", f".{option}"))), f"--{option}"
            )
            message = f"{flag}: {message} (got {item['input']!r})"
        lines.append(message)
    return "; ".join(lines)


def _flag(argument: Any) -> str:
    """As typed, such as `--epochs`; the placeholder of a positional argument."""
    return str(argument.lowered.metavar if argument.is_positional() else argument.lowered.name_or_flags[-1])


def _given(argument: Any, arguments: Sequence[str]) -> str:
    """What was typed for an option: one word, or all up to the next option where it takes several."""
    flag = _flag(argument)
    for place, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name.replace("_", "-") == flag:
            following = list(takewhile(lambda one: not one.startswith("--"), arguments[place + 1 :]))
            several = str(argument.lowered.metavar).startswith("[")
            return value if equals else " ".join(following if several else following[:1])
    return " ".join(arguments)


def _flags(part: Any, prefix: str = "") -> Iterator[str]:
    """The options of a command, or of the configs in it."""
    match part:
        case Mapping():
            values: Mapping[str, Any] = part
            for name, value in values.items():
                yield from _flags(value, f"{prefix}{name}.")
        case RunConfig():
            for section in part.sections.values():
                yield from _flags(section, prefix)
        case BaseModel():
            for name, value in part:
                yield from _flags(value, prefix) if isinstance(value, BaseModel) else (_option(prefix, name),)
        case _:
            for field in dataclasses.fields(part):
                if field.default_factory is dataclasses.MISSING:
                    yield _option(prefix, field.name)
                else:
                    yield from _flags(field.default_factory(), prefix)


def _option(prefix: str, name: str) -> str:
    return f"--{prefix}{name.removeprefix('as_').removesuffix('_').replace('_', '-')}"
