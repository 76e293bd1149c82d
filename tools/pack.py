"""Packs a program as Lambda wants it: PROGRAM ZIP [LEVEL]. One entry `bootstrap`, executable, without a time: the same program makes the same zip."""

import os
import sys
import zipfile


def main(program: str, target: str, level: int = 6) -> None:
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, whose modes the next line means.
    entry.external_attr = 0o100755 << 16
    new = target + ".new"
    with zipfile.ZipFile(new, "w") as packed, open(program, "rb") as file:
        packed.writestr(entry, file.read(), compresslevel=level)
    os.replace(new, target)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:4]))
