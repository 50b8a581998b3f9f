"""The command line of merged reports: ``python -m vqe_prune.report outputs/``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from vqe_prune.errors import InputError, one_line
from vqe_prune.overrides import check_arguments
from vqe_prune.report.merge import merge_folders
from vqe_prune.report.merge_page import write_merged
from vqe_prune.report.merge_table import format_merged, headline, passed_over
from vqe_prune.run_folder import check_writable

NAME = "merged"
"""Of the files: the folder of a run has a report.html of its own."""

USAGE = """\
Usage: python -m vqe_prune.report FOLDER [FOLDER ...] [output_dir=FOLDER]

Merges all runs, scans and multiruns below these folders: prints one table, and writes merged.html (tables, Pareto and
scan pictures), merged.csv and, with pyarrow (pip install 'vqe-prune[tables]'), merged.parquet into output_dir
(the first folder). Each study counts once; what is no result, or broken, is named and passed over.

Exit status: 0 done; 2 no folder, or nothing in it can be read.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        check_arguments(arguments)
        if {"-h", "--help"} & set(arguments):
            print(USAGE, end="")
            return 0
        folders, place = _places(arguments)
        check_writable(place)
        merged = merge_folders(folders)
        if not merged.rows and not merged.scans:
            for line in passed_over(merged):
                print(one_line(line), file=sys.stderr)
            raise InputError(f"{' '.join(map(str, folders))}: there is no finished run; give a folder such as outputs")
        print(format_merged(merged))
        print("\n" + "\n".join([headline(merged), *passed_over(merged)]))
        place.mkdir(parents=True, exist_ok=True)
        files = write_merged(merged, place, name=NAME, command=f"python -m vqe_prune.report {shlex.join(arguments)}")
    except InputError as error:
        print(f"vqe_prune: {one_line(error)}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:  # the reader of our output has gone, as with | head
        return 141
    except OSError as error:
        why = f"{error.filename or 'file'}: {error.strerror or error}"
        print(f"vqe_prune: {one_line(why)}", file=sys.stderr)
        return InputError.exit_status
    except KeyboardInterrupt:
        return 130
    print("Results: " + ", ".join(str(place / file) for file in files))
    if not any(file.endswith(".parquet") for file in files):
        print("merged.parquet is not written: it needs pyarrow: pip install 'vqe-prune[tables]'")
    return 0


def _places(arguments: Sequence[str]) -> tuple[list[Path], Path]:
    """The folders to read, and the one to write to."""
    folders: list[Path] = []
    place: Path | None = None
    for argument in arguments:
        if argument.startswith("-"):
            raise InputError(f"unknown option {argument}; give folders, and output_dir=FOLDER, see --help")
        key, equals, text = argument.partition("=")
        if key == "output_dir" and equals:
            if not text or place is not None:
                raise InputError(f"{argument}: give one folder")
            place = Path(text)
        elif not Path(argument).is_dir():
            raise InputError(f"{argument} is not a folder; give one with results, such as outputs")
        else:
            folders.append(Path(argument))
    if not folders:
        raise InputError("give a folder with results: python -m vqe_prune.report outputs")
    return folders, folders[0] if place is None else place


if __name__ == "__main__":
    sys.exit(main())
