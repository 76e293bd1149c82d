"""Deploys a tenant's stack on LocalStack's free edition, and says what else of Acequia that edition can carry.

    python3 tools/localstack/check.py

Needs Linux, root (or a kernel that lets users make namespaces) and Python 3.12 or 3.13. It makes `.venv/localstack` from the pinned requirements at
its first run (0.5 GB), starts LocalStack in a network namespace of its own (it listens on all addresses, whatever it is told), and
ends it. No Docker, no account, no licence. Exit code 0 where the stack is there, whole, and everything else is as README says.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv/localstack"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PYTHONS = ("python3.13", "python3.12", "python3")
INSIDE = "--inside"
ENDPOINT = "http://127.0.0.1:4566"
UP_WITHIN, STACK_WITHIN, REFUSED_WITHIN = 180, 300, 60
FUNCTIONS = ("router", "webhook", "email", "forward")
ALARMS = 10  # two per queue
QUEUES = {f"{queue}{dlq}" for queue in ("intake", "webhook", "email", "forward", "out") for dlq in ("", "-dlq")}


# ------------------------------------------------------------------ Outside: the environment of Python and the
# namespace
def find_python() -> str:
    ask = "import sys, venv, ensurepip; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))"
    found = [str(path) for path in sorted(Path.home().glob(".pyenv/versions/3.1[23]*/bin/python"), reverse=True)]
    for program in (*PYTHONS, *found):
        try:
            if subprocess.run([program, "-c", ask], capture_output=True, check=False).returncode == 0:
                return program
        except FileNotFoundError:
            continue
    sys.exit("LocalStack needs Python 3.12 or 3.13: install one, and put it on the PATH")


def ensure_installed() -> Path:
    python = FOLDER / "bin/python"
    stamp = FOLDER / "installed.txt"
    wanted = REQUIREMENTS.read_text()
    if not (stamp.exists() and stamp.read_text() == wanted):
        print("==> install LocalStack into .venv/localstack", flush=True)
        subprocess.run([find_python(), "-m", "venv", "--clear", str(FOLDER)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
        stamp.write_text(wanted)
    return python


def outside() -> int:
    python = ensure_installed()
    command = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"]
    if os.geteuid() != 0:
        command.append("--map-root-user")
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        sys.exit("this machine does not allow namespaces (`unshare` failed), and LocalStack would listen on all its addresses")
    inner = subprocess.Popen([*command, str(python), __file__, INSIDE])
    signal.signal(signal.SIGTERM, lambda *_: inner.kill())
    try:
        return inner.wait()
    finally:
        inner.kill()


# ------------------------------------------------------------------ Inside
def client(service: str):
    import boto3  # comes with LocalStack
    from botocore.config import Config

    retries = Config(retries={"max_attempts": 0}, read_timeout=REFUSED_WITHIN, connect_timeout=5)
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, endpoint_url=ENDPOINT, region_name="us-east-1", config=retries, **keys)


def start(folder: Path) -> subprocess.Popen:
    """Starts LocalStack and waits until it answers."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "FILESYSTEM_ROOT": str(folder / "filesystem"),
        "GATEWAY_LISTEN": "127.0.0.1:4566",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "LAMBDA_ASYNCHRONOUS_CREATE": "0",
    }
    log = open(folder / "localstack.log", "wb")
    running = subprocess.Popen([sys.executable, "-m", "localstack.runtime.main"], env=environment, stdout=log, stderr=log)
    end = time.monotonic() + UP_WITHIN
    while running.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{ENDPOINT}/_localstack/health", timeout=5) as answer:
                print(f"LocalStack {json.load(answer)['version']} answers", flush=True)
                return running
        except OSError:
            time.sleep(0.2)
    sys.exit(f"LocalStack did not start:\n{(folder / 'localstack.log').read_text()[-3000:]}")


def platform(stage: str) -> None:
    """Makes what a tenant's stack takes from the platform's: functions that are never run, a topic, and the parameters that name them."""
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr("bootstrap", "#!/bin/sh\n")
    role = client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    names = {}
    for name in FUNCTIONS:
        made = client("lambda").create_function(
            FunctionName=f"acequia-{stage}-{name}", Runtime="provided.al2023", Handler="bootstrap", Role=role,
            Code={"ZipFile": packed.getvalue()}, Timeout=60,
        )
        names[f"function/{name}"] = made["FunctionArn"]
    names["topic/notifications"] = client("sns").create_topic(Name="notifications")["TopicArn"]
    for name, value in names.items():
        client("ssm").put_parameter(Name=f"/acequia/{stage}/{name}", Value=value, Type="String")


def deploy(stage: str, tenant: str) -> str:
    """Deploys infra/tenant.yaml with a sink of each kind; answers the stack's last status, with reasons where it is not well."""
    chosen = {"Stage": stage, "TenantId": tenant, "OutQueue": "standard", "Alarms": "own"}
    chosen |= dict.fromkeys(("Webhook", "Email", "Forward"), "enabled")
    cloudformation = client("cloudformation")
    name = f"acequia-{stage}-{tenant}"
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=(ROOT / "infra/tenant.yaml").read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in chosen.items()],
        Tags=[{"Key": "tenant", "Value": tenant}, {"Key": "stage", "Value": stage}],
    )
    end = time.monotonic() + STACK_WITHIN
    status = ""
    while time.monotonic() < end:
        status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        if not status.endswith("_IN_PROGRESS"):
            break
        time.sleep(0.5)
    if status != "CREATE_COMPLETE":
        for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]:
            if "FAILED" in event["ResourceStatus"]:
                print(f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason')}")
    return status


def stack_is_whole(stage: str, tenant: str):
    """Looks at what the stack made; gives each statement with whether it holds."""
    sqs = client("sqs")
    prefix = f"acequia_{stage}_{tenant}_"
    urls = sqs.list_queues(QueueNamePrefix=prefix).get("QueueUrls", [])
    made = {url.rsplit("/", 1)[1].removeprefix(prefix) for url in urls}
    yield f"{len(QUEUES)} queues: each has its dead-letter queue", made == QUEUES, made ^ QUEUES
    intake = next(url for url in urls if url.endswith("_intake"))
    redrive = json.loads(sqs.get_queue_attributes(QueueUrl=intake, AttributeNames=["All"])["Attributes"]["RedrivePolicy"])
    yield "the intake redrives to its own", redrive["deadLetterTargetArn"].endswith(f"{prefix}intake-dlq"), redrive
    mappings = client("lambda").list_event_source_mappings()["EventSourceMappings"]
    right = [
        mapping for mapping in mappings
        if mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"] and mapping["ScalingConfig"]["MaximumConcurrency"] == 10
    ]
    yield "four mappings with partial answers and a bounded concurrency", len(right) == 4, mappings
    alarms = client("cloudwatch").describe_alarms(AlarmNamePrefix="acequia")["MetricAlarms"]
    yield f"{ALARMS} alarms, each with an action", len(alarms) == ALARMS and all(a["AlarmActions"] for a in alarms), alarms
    sqs.send_message(QueueUrl=intake, MessageBody="{}", MessageGroupId="a")
    depth = sqs.get_queue_attributes(QueueUrl=intake, AttributeNames=["All"])["Attributes"]
    # The mapping may have taken it on, though no function can run.
    held = sum(int(depth[f"ApproximateNumberOfMessages{where}"]) for where in ("", "NotVisible"))
    yield "the intake takes and keeps a message with a group", held == 1, depth


def what_is_missing():
    """What README says that this edition cannot do: gives each statement with whether it still holds."""
    from botocore.exceptions import BotoCoreError, ClientError

    def fails(call, **arguments) -> str:
        try:
            call(**arguments)
        except (BotoCoreError, ClientError) as error:
            return str(error)
        return ""

    said = fails(client("sesv2").get_account)
    yield "SES v2 is not in it: no mail can be sent", bool(said), said
    said = fails(client("dynamodb").list_tables)
    yield "DynamoDB is not in the package: it wants to download a Java program first", bool(said), said
    said = fails(client("lambda").invoke, FunctionName="acequia-local-router", Payload=b"{}")
    yield "functions run in Docker only", bool(said), said


def inside() -> int:
    stage, tenant = "local", "acme"
    with tempfile.TemporaryDirectory(prefix="acequia-localstack-") as name:
        running = start(Path(name))
        try:
            platform(stage)
            begun = time.monotonic()
            status = deploy(stage, tenant)
            print(f"infra/tenant.yaml: {status} ({time.monotonic() - begun:.0f} s)", flush=True)
            bad = status != "CREATE_COMPLETE"
            for statement, holds, seen in (*(stack_is_whole(stage, tenant) if not bad else ()), *what_is_missing()):
                print(f"{'ok    ' if holds else 'FAILED'}  {statement}", flush=True)
                if not holds or isinstance(seen, str):
                    print(f"        {str(seen)[:300]}", flush=True)
                bad |= not holds
            return int(bad)
        finally:
            running.terminate()
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()


if __name__ == "__main__":
    sys.exit(inside() if sys.argv[1:] == [INSIDE] else outside())
