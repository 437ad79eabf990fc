"""The command line: words become a config, the config becomes calls. No logic of training or measuring here.

Exit codes: 0 done; 1 failed (disk full, out of memory); 2 bad input, nothing written; 3 diverged; 130 and 143
stopped by Ctrl-C and SIGTERM, a checkpoint saved.
"""

from __future__ import annotations

import os
import sys

from pydantic import ValidationError

from gencore.cli.common import BAD_INPUT, DONE, FAILED, INTERRUPTED
from gencore.cli.parsing import parse
from gencore.store import results


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code."""
    if sys.platform == "win32":
        sys.exit(
            _complain(
                "Windows is not supported: a training could not be stopped in order; use WSL 2", BAD_INPUT
            )
        )
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = parse(arguments)()
        sys.stdout.flush()
    except ValidationError as error:
        code = _complain(results.explain(error), BAD_INPUT)
    except (ValueError, FileNotFoundError) as error:
        code = _complain(str(error), BAD_INPUT)
    except BrokenPipeError:  # the reader of our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails again
        code = DONE
    except OSError as error:
        code = _complain(f"{error.strerror or error}: {error.filename or 'a file of the run'}", FAILED)
    except (MemoryError, RuntimeError) as error:
        from gencore.training.faults import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        text = str(error).partition("\n")[0]
        code = _complain(
            f"out of memory ({text}); close other programs, or ask for fewer images or a smaller network",
            FAILED,
        )
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _complain(text: str, code: int) -> int:
    print(f"gencore: {text}", file=sys.stderr)
    return code
