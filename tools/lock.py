"""Writes tools/<name>/requirements.txt from requirements.in: every package pinned, with hashes, for Python 3.10 and later (or what the
file's first line says, as `# Python: 3.12`).

Run by hand after a change of a .in file: `python tools/lock.py`, with the names of folders or for all (needs `uv` on the PATH).
"""

import re
import subprocess
import sys
from pathlib import Path

COMPILE = (
    "uv pip compile --quiet --generate-hashes "
    "--no-strip-extras --no-annotate --no-header --no-emit-index-url requirements.in"
).split()


def lock(folder: Path) -> None:
    """Pins one folder's tools."""
    wanted = re.match(r"# Python: ([\d.]+)\n", (folder / "requirements.in").read_text(encoding="utf-8"))
    # One version on Linux, where the packages cannot be resolved for all later ones.
    target = ["--python-version", wanted[1], "--python-platform", "linux"] if wanted else ["--universal", "--python-version", "3.10"]
    compiled = subprocess.run([*COMPILE, *target], cwd=folder, check=True, capture_output=True, text=True).stdout
    entries = re.split(r"(?m)^(?=\S)", compiled)
    lines = ["# Written by tools/lock.py from requirements.in. Do not edit.\n"]
    for entry in filter(str.strip, entries):
        # pip's hash mode resolves `name` and `name[extra]` apart: a package that is wanted both ways is pinned both
        # ways.
        plain = re.sub(r"^([\w.-]+)\[[^\]]*\]", r"\1", entry)
        if plain != entry:
            lines.append(plain)
        lines.append(entry)
    (folder / "requirements.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    for source in sorted(Path(__file__).parent.glob("*/requirements.in")):
        if source.parent.name in (sys.argv[1:] or [source.parent.name]):
            lock(source.parent)
