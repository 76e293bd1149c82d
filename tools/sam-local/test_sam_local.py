"""`sam local invoke` for real: a built function, started by SAM CLI in a container as it would be in AWS's image.

    python3 -m unittest discover --start-directory tools/sam-local

Takes the programs and the template that were built last (`cargo xtask test`, or `demo`), or those of the folder that ACEQUIA_BUILT names. What
the container is made of, and where it runs: engine.py and root.py. Debian's packages that are missing are installed, where root runs it;
where that cannot be, or the machine allows no namespaces, the tests are skipped and say why.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

import engine
import root

PROJECT = Path(__file__).resolve().parents[2]
SAM = PROJECT / ".venv/sam/bin/sam"
EVENT = PROJECT / "tests/fixtures/events/intake.json"
# AWS's own name: SAM CLI asks for it, and would download it.
IMAGE = "public.ecr.aws/lambda/provided:al2023-x86_64"
PACKAGES = {"podman": "podman", "busybox": "busybox-static"}
WITHIN = 600


def install() -> None:
    """Installs what is missing of Debian's."""
    wanted = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if not wanted:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise unittest.SkipTest(f"{' and '.join(wanted)} missing, and only root can install them, by apt-get")
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*apt, "update"], check=True, env=quiet, stdout=subprocess.DEVNULL)
    subprocess.run([*apt, "install", "--yes", "--no-install-recommends", *wanted], check=True, env=quiet, stdout=subprocess.DEVNULL)


def built() -> Path:
    """The folder with the template whose functions are packed beside it."""
    if named := os.environ.get("ACEQUIA_BUILT"):
        return Path(named)
    found = [path.parent for path in (PROJECT / ".local/build").glob("**/template.yaml") if (path.parent / "router.zip").exists()]
    if not found:
        raise AssertionError("no function was built: run `cargo xtask demo`, or name a folder by ACEQUIA_BUILT")
    return max(found, key=lambda folder: (folder / "router.zip").stat().st_mtime)


class SamLocal(unittest.TestCase):
    """One folder for the image, the configuration and the output."""

    @classmethod
    def setUpClass(cls):
        if os.uname().machine != "x86_64":
            raise unittest.SkipTest("the image is made for x86_64")
        install()
        if why := engine.missing():
            raise unittest.SkipTest(f"no container engine: {why}")
        folder = tempfile.TemporaryDirectory(prefix="acequia-sam-local-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.built = built()
        with zipfile.ZipFile(cls.built / "router.zip") as packed:
            program = Path(packed.extract("bootstrap", cls.folder))
        program.chmod(0o755)
        root.write(cls.folder / "root.tar", program)

    def invoke(self, *more: str) -> subprocess.CompletedProcess:
        sam = [str(SAM), "local", "invoke", "RouterFunction", "--template", str(self.built / "template.yaml")]
        sam += ["--event", str(EVENT), "--region", "us-east-1", "--skip-pull-image", *more]
        # No credentials or settings of the developer's own.
        environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        environment |= {"HOME": str(self.folder), "SAM_CLI_TELEMETRY": "0", "AWS_CONFIG_FILE": "/dev/null"}
        environment |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        command = [sys.executable, engine.__file__, f"{IMAGE}={self.folder / 'root.tar'}", "--", *sam]
        return subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, timeout=WITHIN, check=False)

    def test_the_built_router_takes_a_fixture_event_and_answers_as_lambda_wants_it(self):
        done = self.invoke("--parameter-overrides", "Stage=local")
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        event = json.loads(EVENT.read_text())
        # No AWS can be reached from there: the message has to come back, and nothing else may be said of it.
        answer = json.loads(done.stdout.strip().splitlines()[-1])
        self.assertEqual(answer, {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]})
        records = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
        routed = next(record for record in records if record.get("message") == "not routed")
        self.assertEqual((routed["tenant.id"], routed["outcome"]), ("acme", "retry"))
        # What the template says arrives: the stage is in the line of metrics.
        self.assertTrue(any(record.get("stage") == "local" and record.get("received") == 1 for record in records), records)

    def test_nothing_that_the_engine_started_outlives_it(self):
        name = f"acequia-outlives-{os.getpid()}"
        command = [sys.executable, engine.__file__, "--", "bash", "-c", f"(exec -a {name} sleep 600 >/dev/null 2>&1) & echo started"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "started\n"), done.stderr)
        running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        self.assertNotIn(name, running)


if __name__ == "__main__":
    unittest.main()
