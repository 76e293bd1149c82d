"""Runs a command beside a container engine of its own, as SAM CLI wants one: podman, where Docker is not to be had.

    python3 tools/sam-local/engine.py IMAGE=ROOT.tar [IMAGE=ROOT.tar ...] -- COMMAND ...

The command finds the engine by DOCKER_HOST, with the images that were named, each imported from the tar file of its root. It needs
root and Debian's podman. Engine, containers and command live in namespaces of their own:

- mounts: without cgroup v2 (a machine that has both kinds of cgroups is refused by crun otherwise), and with the engine's folders
  empty. Nothing of the machine's own podman or Docker is seen or changed.
- network: loopback and the bridge of the containers. Nothing can be reached from there, nor from outside.
- processes: all of them end with the first one.

Ends with the command's exit code; with UNABLE and one line where the machine does not allow it.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

INSIDE = "--inside"
UNABLE = 77  # the exit code that test programs give for "skipped"
READY_WITHIN = 60

CONTAINERS = """\
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
[network]
network_backend = "cni"
network_config_dir = "{folder}/networks"
"""
STORAGE = """\
[storage]
driver = "vfs"
runroot = "{folder}/run"
graphroot = "{folder}/images"
"""
# What the engine's helpers keep beside the folders that can be configured.
EMPTIED = ("/var/lib/cni", "/run/containers", "/run/netns", "/var/lib/containers")


def unable(why: str) -> int:
    print(f"no container engine: {why}", file=sys.stderr)
    return UNABLE


def missing() -> str | None:
    """Says what this machine lacks."""
    if os.geteuid() != 0:
        return "only root can make the namespaces that it runs in"
    for program in ("podman", "crun", "unshare"):
        if not any((Path(folder) / program).exists() for folder in os.environ["PATH"].split(":")):
            return f"{program} is missing (Debian: apt install podman)"
    probe = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        return "this machine does not allow namespaces (`unshare` failed)"
    return None


def enter(arguments: list[str]) -> int:
    """Runs this program again in namespaces of its own."""
    if why := missing():
        return unable(why)
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"]
    inner = subprocess.Popen([*command, sys.executable, __file__, INSIDE, *arguments])
    signal.signal(signal.SIGTERM, lambda *_: inner.kill())
    try:
        return inner.wait()
    finally:
        inner.kill()


def hide_the_machine() -> None:
    """Leaves out cgroup v2, and covers the folders of the machine's own engine."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    for _, place, kind, *_ in mounts:
        if kind == "cgroup2":
            subprocess.run(["umount", place], check=True)
    for place in EMPTIED:
        Path(place).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def start(folder: Path) -> tuple[subprocess.Popen, dict[str, str]]:
    """Starts the engine with its files below the folder; answers it, and the environment by which it is found."""
    (folder / "containers.conf").write_text(CONTAINERS.format(folder=folder))
    (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
    socket = folder / "podman.sock"
    environment = {
        **os.environ,
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "DOCKER_HOST": f"unix://{socket}",
    }
    log = open(folder / "engine.log", "wb")
    service = ["podman", "system", "service", "--time=0", f"unix://{socket}"]
    running = subprocess.Popen(service, env=environment, stdout=log, stderr=log)
    end = time.monotonic() + READY_WITHIN
    while not socket.exists():
        if running.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"podman did not start: {(folder / 'engine.log').read_text()[-2000:]}")
        time.sleep(0.05)
    return running, environment


def inside(arguments: list[str]) -> int:
    """What runs in the namespaces: the engine, then the command."""
    split = arguments.index("--")
    images, command = arguments[:split], arguments[split + 1 :]
    hide_the_machine()
    with tempfile.TemporaryDirectory(prefix="acequia-engine-") as name:
        running, environment = start(Path(name))
        try:
            for image in images:
                name, root = image.split("=", 1)
                subprocess.run(["podman", "import", "--quiet", root, name], env=environment, check=True, stdout=subprocess.DEVNULL)
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            running.terminate()
            running.wait()


def main() -> int:
    arguments = sys.argv[1:]
    if arguments[:1] == [INSIDE]:
        return inside(arguments[1:])
    if "--" not in arguments:
        sys.exit(__doc__)
    return enter(arguments)


if __name__ == "__main__":
    sys.exit(main())
