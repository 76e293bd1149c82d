"""Writes tools/<name>/requirements.txt from requirements.in: every package pinned, with hashes, for Python 3.10 and later.

Run by hand after a change of a .in file: `python tools/lock.py` (needs `uv` on the PATH).
"""

import re
import subprocess
from pathlib import Path

COMPILE = (
    "uv pip compile --quiet --universal --python-version 3.10 --generate-hashes "
    "--no-strip-extras --no-annotate --no-header --no-emit-index-url requirements.in"
).split()


def lock(folder: Path) -> None:
    """Pins one folder's tools."""
    compiled = subprocess.run(COMPILE, cwd=folder, check=True, capture_output=True, text=True).stdout
    entries = re.split(r"(?m)^(?=\S)", compiled)
    lines = ["# Written by tools/lock.py from requirements.in. Do not edit.\n"]
    for entry in filter(str.strip, entries):
        # pip's hash mode resolves `name` and `name[extra]` apart: a package that is wanted both ways is pinned both ways.
        plain = re.sub(r"^([\w.-]+)\[[^\]]*\]", r"\1", entry)
        if plain != entry:
            lines.append(plain)
        lines.append(entry)
    (folder / "requirements.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    for source in sorted(Path(__file__).parent.glob("*/requirements.in")):
        lock(source.parent)
