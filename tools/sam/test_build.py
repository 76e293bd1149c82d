"""`sam build`, as a stage is built by SAM CLI alone: the real one, with a cargo-lambda that records its calls instead of compiling.

The recorder writes a program that has the hash of the sources which cargo would read (shared/, Cargo.toml, Cargo.lock), so that a build that
reuses what was built before a change shows.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUNCTIONS = len(list(ROOT.glob("functions/*/Cargo.toml")))

RECORDER = """#!{python}
import hashlib, json, os, pathlib, sys
top = pathlib.Path({top!r})
if "build" not in sys.argv:
    sys.exit(f"unexpected: {{sys.argv}}")
sources = hashlib.sha256()
for file in sorted([*top.glob("shared/**/*"), top / "Cargo.toml", top / "Cargo.lock"]):
    if file.is_file():
        sources.update(file.read_bytes())
with open({calls!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
name = pathlib.Path.cwd().name
target = top / "target" / "lambda" / name
target.mkdir(parents=True, exist_ok=True)
(target / "bootstrap").write_text(sources.hexdigest())
"""


class Checkout:
    """The files of the working tree in a folder of their own, and a path with the recorder on it."""

    def __init__(self, folder: pathlib.Path):
        self.top = folder / "checkout"
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
        for name in listed.stdout.decode().split("\0"):
            if name and (ROOT / name).is_file():
                (self.top / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.top / name)
        self.calls = folder / "calls"
        programs = folder / "bin"
        programs.mkdir()
        recorder = programs / "cargo-lambda"
        recorder.write_text(RECORDER.format(python=sys.executable, top=str(self.top), calls=str(self.calls)))
        recorder.chmod(0o755)
        # SAM's builder calls `cargo lambda`, for which cargo looks on the path: the recorder stands first.
        kept = ("HOME", "LANG", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN")
        self.environment = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "SAM_CLI_TELEMETRY": "0",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def build(self, *arguments: str) -> list[list[str]]:
        """Runs `sam build`; answers the calls of cargo-lambda."""
        self.calls.write_text("")
        sam = pathlib.Path(sys.executable).with_name("sam")
        done = subprocess.run(
            [sam, "build", *arguments], cwd=self.top, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in self.calls.read_text().splitlines()]

    def built(self) -> set[str]:
        """What the built programs hold: the hash of the sources that each was made of."""
        return {file.read_text() for file in self.top.glob(".aws-sam/build/*/bootstrap")}


class SamBuild(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.checkout = Checkout(pathlib.Path(folder.name))

    def test_a_change_outside_of_a_functions_folder_is_built(self) -> None:
        seen = set()
        for changed in [None, "shared/core/src/lib.rs", "Cargo.lock"]:
            if changed:
                with open(self.checkout.top / changed, "a") as file:
                    file.write("# a change\n" if changed.endswith("lock") else "// a change\n")
            calls = self.checkout.build()
            self.assertEqual(len(calls), FUNCTIONS, f"each function is built after a change of {changed}")
            programs = self.checkout.built()
            self.assertEqual(len(programs), 1, "all of them of the same sources")
            self.assertFalse(programs & seen, f"what was built before a change of {changed} is not taken again")
            seen |= programs

    def test_the_architecture_is_the_environments(self) -> None:
        # cargo-lambda builds for x86_64 where nothing else is said.
        for arguments, wanted in [
            (["--config-env", "prod"], "--x86-64"),
            (["--parameter-overrides", "Architecture=arm64"], "--arm64"),
        ]:
            calls = self.checkout.build(*arguments)
            self.assertEqual(len(calls), FUNCTIONS)
            for call in calls:
                chosen = [word for word in call if word in ("--x86-64", "--arm64")]
                self.assertEqual(chosen or ["--x86-64"], [wanted], (arguments, call))


if __name__ == "__main__":
    unittest.main()
