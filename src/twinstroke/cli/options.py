"""Options that several verbs have: the networks, and the rules of detection."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from click.core import ParameterSource
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from twinstroke.errors import UserError
from twinstroke.regions import Region, region_from
from twinstroke.settings.choices import Edition
from twinstroke.settings.detect import DetectSettings
from twinstroke.settings.load import load_settings
from twinstroke.settings.preset import PRESET_NAME
from twinstroke.settings.rules import problems_of, read_rules


class _File(click.Path):
    """A path whose name can be written into tables and pages, which are UTF-8."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """See that the system's bytes are text."""
        try:
            str(value).encode()
        except UnicodeEncodeError:
            self.fail(f"{str(value)!a} is not UTF-8; rename the file or folder.", param, ctx)
        return Path(value)


FILE = _File()
"""Whether it is there, and what it should be, says who reads it."""
RULES = DetectSettings.model_fields
"""What the command line may set."""
Verb = Callable[..., None]


@dataclass(frozen=True)
class Rules:
    """The rules that the command line asks for."""

    preset: Path | None
    given: Mapping[str, Any]
    """Those of its own options, which go first."""

    def settings(self, window: int, *, two_networks: bool) -> DetectSettings:
        """The rules, for a certain network.

        Args:
            window: Kept frames that the network sees at once.
            two_networks: Another one says where strokes are.

        Raises:
            UserError: One of them makes no sense, for this network; or the preset holds none.
        """
        values: dict[str, Any] = {"stride": max(1, window // 6)}
        if self.preset is not None:
            values = read_rules(self.preset).model_dump()
        values |= self.given
        if two_networks:
            if self.given.get("rejection") == "all":
                raise UserError(
                    "--rejection: all has no meaning with --stroke-model, which tells strokes from "
                    "none whatever their class; leave it out"
                )
            values["rejection"] = "sum"
        try:
            settings = DetectSettings(**values)
        except ValidationError as error:
            problems = problems_of(error, "--")
            raise UserError(problem.replace("_", "-", 1) for problem in problems) from None
        if settings.stride > window:
            raise UserError(
                f"--stride: {settings.stride} kept frames leave out some between two windows of "
                f"{window}; at most that"
            )
        return settings

    def __str__(self) -> str:
        own = f", but for {', '.join(self.given)}" if self.given else ""
        if self.preset is None:
            return f"default rules{own}; those of a preset come with --rules presets/<name>.yaml"
        return f"rules of {self.preset}{own}"


def with_networks(verb: Verb) -> Verb:
    """Add the options that name networks: ``model`` and ``stroke_model``."""
    verb = click.option(
        "--stroke-model",
        metavar="FILE",
        type=FILE,
        help="A second network, trained with targets=strokes, which says where strokes are; the "
        "first one names them.",
    )(verb)
    return click.option(
        "--model",
        metavar="FILE",
        type=FILE,
        required=True,
        help="The trained network: model.safetensors, or model.onnx.",
    )(verb)


def with_preset(verb: Verb) -> Verb:
    """Add the option that names a preset: ``preset``."""
    return click.option(
        "--preset",
        metavar="NAME",
        show_default="that of params.yaml",
        callback=_preset_name,
        help="Name of a file in presets/, without .yaml.",
    )(verb)


def _preset_name(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if ctx.resilient_parsing:  # the shell completes a line, perhaps of no project
        return value
    if value is None:
        return load_settings().name
    if not PRESET_NAME.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no name of a file in presets/.", ctx, param)
    return value


def with_edition(verb: Verb) -> Verb:
    """Add the option that says of which year a submission is: ``edition``."""
    return click.option(
        "--edition",
        type=click.Choice(get_args(Edition)),
        default=2022,
        show_default=True,
        help="Year of the MediaEval Sport Task.",
    )(verb)


def with_players(verb: Verb) -> Verb:
    """Add the option that says where players are: ``players``, names and regions."""
    return click.option(
        "--region",
        "players",
        metavar="[NAME=]X,Y,WIDTH,HEIGHT",
        multiple=True,
        callback=_players,
        help="A player, and the part of the picture in which this player is, in pixels from its "
        "upper left corner. Repeat it for each player: strokes of two may overlap.",
    )(verb)


def _players(
    ctx: click.Context, param: click.Parameter, texts: Sequence[str]
) -> list[tuple[str, Region]]:
    """Names and regions; who has no name gets a number."""
    players: dict[str, Region] = {}
    for number, text in enumerate(texts, start=1):
        name, sign, numbers = text.rpartition("=")
        name = " ".join(name.split()) if sign else f"player {number}"
        region = region_from(numbers.split(","))
        if isinstance(region, str):
            raise click.BadParameter(f"{text!r}: {region}; write x,y,width,height.", ctx, param)
        if not name or not name.isprintable():
            raise click.BadParameter(f"{text!r}: write a name before the =, or no =.", ctx, param)
        if name in players:
            raise click.BadParameter(f"{name!r} is there twice; name each once.", ctx, param)
        players[name] = region
    return [*players.items()]


def with_rules(verb: Verb) -> Verb:
    """Add ``--rules`` and an option for each of `RULES`; the verb gets all as ``rules``."""

    @functools.wraps(verb)
    def wrapped(rules: Path | None, **values: Any) -> None:
        source = click.get_current_context().get_parameter_source
        own = {name: values.pop(name) for name in RULES}
        given = {
            name: value
            for name, value in own.items()
            if source(name) is not ParameterSource.DEFAULT
        }
        verb(rules=Rules(rules, given), **values)

    result: Verb = wrapped
    for name, field in reversed(RULES.items()):
        result = _option(name, field)(result)
    return click.option(
        "--rules",
        metavar="PRESET",
        type=FILE,
        help="Take the rules from the section detect of this file, presets/<name>.yaml. Each of "
        "the options below goes before its rule there.",
    )(result)


def _option(name: str, field: FieldInfo) -> Callable[[Verb], Verb]:
    """The option that a field of the settings stands for."""
    kind: Any = field.annotation
    is_choice = get_origin(kind) is Literal
    return click.option(
        f"--{name.replace('_', '-')}",
        type=click.Choice(get_args(kind)) if is_choice else kind,
        metavar=None if is_choice else "N",
        default=None if field.is_required() else field.default,
        show_default="a sixth of the window" if field.is_required() else True,
        help=_first_sentence(field.description or ""),
    )


def _first_sentence(text: str) -> str:
    plain = " ".join(text.split()).replace("`", "")
    return re.split(r"(?<=\.) ", plain, maxsplit=1)[0]
