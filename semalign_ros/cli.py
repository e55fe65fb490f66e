"""The ``semalign`` command: finds the module of the command and reports errors.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from semalign_ros import __version__
from semalign_ros.errors import SemalignError, unknown_name

COMMANDS: tuple[str, ...] = (
    "convert",
    "play",
    "record",
    "live",
    "demo",
    "evaluate",
    "report",
    "compare",
    "calibrate",
    "gallery",
    "render",
    "train",
    "export",
    "models",
    "bench",
    "doctor",
)
"""In the order of `semalign --help`. Each is a module in `semalign_ros.commands`."""


def _load(name: str) -> ModuleType:
    return importlib.import_module(f"semalign_ros.commands.{name}")


def _overview() -> str:
    lines = [f"  {name:10s} {_load(name).HELP}" for name in COMMANDS]
    return (
        "usage: semalign [--version] [--debug] COMMAND ...\n\n"
        "Does the vision-language model in the car still mean what the camera sees?\n\n"
        "commands:\n" + "\n".join(lines) + "\n\n"
        "`semalign COMMAND --help` shows the options and an example.\n"
        "--debug shows the traceback of an error."
    )


def build_parser(name: str) -> argparse.ArgumentParser:
    """Parser of one command, with its help and example."""
    module = _load(name)
    parser = argparse.ArgumentParser(
        prog=f"semalign {name}",
        description=module.HELP,
        epilog=f"example:\n  {module.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser


def _reason(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return f"not enough memory ({error})" if str(error) else "not enough memory"
    file = f"{error.filename}: " if error.filename else ""
    return file + (error.strerror or str(error))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(_overview() + "\n")
        return 0 if arguments else 2
    if arguments[0] == "--version":
        sys.stdout.write(f"semalign {__version__}\n")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        sys.stderr.write(f"semalign: {unknown_name('command', name, COMMANDS)}\n")
        return 2
    try:
        parsed = build_parser(name).parse_args(rest)
        return _load(name).run(parsed) or 0
    except SemalignError as error:
        if debug:
            raise
        sys.stderr.write(f"semalign {name}: {error}\n")
        return 1
    except ImportError as error:
        if debug:
            raise
        sys.stderr.write(
            f"semalign {name}: {error}; `semalign doctor` tells which packages are missing or "
            "broken\n"
        )
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"semalign {name}: interrupted\n")
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`semalign models list | head -1`).
        return 0
    except (OSError, MemoryError) as error:
        # What no command foresaw: no permission, a name too long, a full disk.
        if debug:
            raise
        sys.stderr.write(f"semalign {name}: {_reason(error)}\n")
        return 1
