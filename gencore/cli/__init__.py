"""The command line: words become a config, the config becomes calls. No logic of training or measuring here.

Exit codes: 0 done; 1 failed (disk full, out of memory); 2 bad input, nothing written; 3 diverged; 130 and 143 stopped
by Ctrl-C and SIGTERM, a checkpoint saved.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable
from typing import Annotated

import tyro
from pydantic import ValidationError
from tyro.conf import OmitArgPrefixes, OmitSubcommandPrefixes

from gencore import results
from gencore.cli.common import BAD_INPUT, DONE, FAILED, INTERRUPTED
from gencore.cli.looking import Doctor, Runs, Schema, Stop
from gencore.cli.measuring import Evaluate, Export, Report, Sample, SelfTest, Steps
from gencore.cli.training import Compare, Features, Train
from gencore.config import PRESETS, DDPMConfig, RunConfig


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = _parse(arguments)()
        sys.stdout.flush()
    except ValidationError as error:
        code = _complain(results.explain(error), BAD_INPUT)
    except (ValueError, FileNotFoundError) as error:
        code = _complain(str(error), BAD_INPUT)
    except BrokenPipeError:  # who reads our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit complains again
        code = DONE
    except OSError as error:
        code = _complain(f"{error.strerror or error}: {error.filename or 'a file of the run'}", FAILED)
    except (MemoryError, RuntimeError) as error:
        from gencore.training import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        text = str(error).partition("\n")[0]
        code = _complain(f"out of memory ({text}); close other programs, or ask for fewer images or a smaller network", FAILED)
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _complain(text: str, code: int) -> int:
    print(f"gencore: {text}", file=sys.stderr)
    return code


def _parse(arguments: list[str]) -> Callable[[], int]:
    """The command that `arguments` spell. Exits 0 for --help; raises ValueError with one line for bad ones."""
    commands = ["train", "compare", *_FLAT.values()]
    if arguments and not arguments[0].startswith("-") and arguments[0] not in commands:
        raise ValueError(f"unknown command {arguments[0]!r}; commands: {', '.join(commands)}")
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(_commands(), args=arguments, prog="gencore", description=_ABOUT)
    except SystemExit as end:
        if not end.code:
            raise
        raise ValueError(_one_line(complaint.getvalue())) from None


_ABOUT = "Train and measure generative models: VAE, GAN, cGAN, DDPM."
_FLAT = {
    Evaluate: "evaluate", Sample: "sample", Features: "features", Runs: "runs", Stop: "stop", Doctor: "doctor",
    SelfTest: "selftest", Steps: "steps", Report: "report", Export: "export", Schema: "schema",
}  # fmt: skip
"""Commands that are one type each; `train` and `compare` are made of several."""


def _commands() -> object:
    """All commands as one type, as tyro wants it; `train` has a subcommand a preset, with the preset's defaults."""
    presets = {name: Train(config=config, preset=name) for name, config in PRESETS.items()}
    train = tyro.extras.subcommand_type_from_defaults(
        presets, descriptions={name: _describe(config) for name, config in PRESETS.items()}
    )
    every: object = Annotated[OmitArgPrefixes[OmitSubcommandPrefixes[tyro.conf.AvoidSubcommands[train]]], tyro.conf.subcommand("train", description=Train.__doc__)]
    every |= Annotated[tyro.conf.AvoidSubcommands[Compare], tyro.conf.subcommand("compare")]
    for command, name in _FLAT.items():
        every |= Annotated[OmitArgPrefixes[command], tyro.conf.subcommand(name)]
    return every


def _describe(config: RunConfig) -> str:
    network = "plain MLPs" if getattr(config.model, "network", "conv") == "mlp" else "convolutional"
    if isinstance(config.model, DDPMConfig):
        network += f", predicts {config.model.prediction}"
    return f"{config.label}, {network}: {type(config.model).__doc__}"


def _one_line(box: str) -> str:
    """tyro's framed complaint without the frame, the pointers to help and pydantic's internals."""
    _, _, text = re.sub(r"[╭╮╰╯│─]+", "\n", box).strip().partition("\n")  # the frame's title goes too
    text = re.sub(r"\s+", " ", text.partition("For full helptext")[0].partition("] in gencore")[0])
    text = re.sub(r"\[type=.*?\]|For further information visit \S+|Value error, ", "", text)
    text = re.sub(r"Error parsing (\S+): invalid literal for int.*?: ('.*?') .*", r"\1 is \2; give a whole number", text)
    text = re.sub(r"Error parsing (\S+): could not convert string to float: ('.*?') .*", r"\1 is \2; give a number", text)
    if nearest := re.search(r"(Unrecognized options: .*?) Perhaps you meant: (.*)", text):
        flags = dict.fromkeys(re.findall(r"(?<!\S)--[a-z][\w.-]*", nearest[2].replace("--help", "")))
        text = f"{nearest[1]}; perhaps you meant {', '.join(flags)}"
    text = re.sub(r"Error parsing \S+: \d+ validation errors? for \w+ (\w+ (?=Input|Value))?", _flag, text)
    return re.sub(r"\s+", " ", text).strip()


def _flag(match: re.Match[str]) -> str:
    """The flag that a field's name stands for."""
    return f"--{match[1].strip().replace('_', '-')}: " if match[1] else ""
