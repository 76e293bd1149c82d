"""Makes the root of an image for `sam local`: this machine's own C library, and a shell from busybox for SAM CLI's build of the image.

It stands in for AWS's `public.ecr.aws/lambda/provided:al2023` where no registry of images can be reached. What it has not of AWS's: the
version of glibc (2.34 there; `cargo xtask release-check` looks at what the release programs ask for), and every program but a shell.
"""

import io
import re
import subprocess
import tarfile
from pathlib import Path

BUSYBOX = Path("/bin/busybox")
# What the C library opens by itself, beside what a program names.
RESOLVER = ("libresolv.so.2", "libnss_dns.so.2", "libnss_files.so.2")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def libraries(program: Path) -> list[Path]:
    """The libraries that a program is started with, its loader among them."""
    said = subprocess.run(["ldd", str(program)], check=True, capture_output=True, text=True).stdout
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", said)]


def write(tar: Path, program: Path) -> None:
    """Writes the root into a tar file, for containers that start `program`."""
    with tarfile.open(tar, "w") as out:
        for folder in ("bin", "usr/bin", "var/task", "var/runtime", "opt", "tmp", "etc", "proc", "dev", "sys"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            out.addfile(entry)
        found = libraries(program)
        beside = next(path.parent for path in found if path.name.startswith("libc.so"))
        found += [beside / name for name in RESOLVER if (beside / name).exists()]
        for file in dict.fromkeys([*found, BUSYBOX, CERTIFICATES]):
            out.add(file.resolve(), arcname=str(file).lstrip("/"))
        applets = subprocess.run([str(BUSYBOX), "--list"], check=True, capture_output=True, text=True).stdout.split()
        for applet in applets:
            if applet == "busybox":
                continue
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            out.addfile(link)
        users = b"root:x:0:0:root:/:/bin/sh\nsbx_user1051:x:993:990::/:/bin/sh\n"
        entry = tarfile.TarInfo("etc/passwd")
        entry.size = len(users)
        out.addfile(entry, io.BytesIO(users))
