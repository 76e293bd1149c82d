"""What the tests of a real account stand on: its clients, the stage of the tests, the operator's command, and waiting to a deadline.

Where all that is stands in variables, which `cargo xtask test --aws` sets:

- ACEQUIA_STAGE: a stage that is the tests' own
- ACEQUIA_PROGRAM: the operator's command
- ACEQUIA_TEST_SENDER: an address that SES may send from; without it no mail is sent
- and those of every AWS SDK: credentials, AWS_REGION (Python's reads AWS_DEFAULT_REGION), and AWS_ENDPOINT_URL where it is not AWS.

Nothing but AWS's own interfaces is called, so that the same tests run against any AWS.
"""

import base64
import gzip
import hashlib
import hmac
import json
import os
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3

HERE = Path(__file__).parent
STAGE = os.environ["ACEQUIA_STAGE"]
SENDER = os.environ.get("ACEQUIA_TEST_SENDER")
RECEIVER_STACK = f"acequia-{STAGE}-receiver"
# Part of every event's id, so that a second run on the same stacks sends events that were never seen.
RUN = secrets.token_hex(4)
# A first invocation after a deployment may take that long: a mapping starts to poll within a minute or two.
DEADLINE = 240


def until(what: str, check):
    """Polls until the check gives something true, and returns that."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if result := check():
            return result
        time.sleep(1)
    raise AssertionError(f"not within {DEADLINE} s: {what}")


def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess:
    """Runs the operator's command, whatever comes of it."""
    program = os.environ["ACEQUIA_PROGRAM"]
    return subprocess.run([program, *arguments], input=text, capture_output=True, text=True, check=False)


def acequia(*arguments: str, text: str = "") -> str:
    """Runs the operator's command, which must succeed."""
    done = run(*arguments, text=text)
    if done.returncode != 0:
        raise AssertionError(f"acequia {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def read(*arguments: str):
    """Runs a reading command; answers what it says."""
    return json.loads(acequia("--output", "json", *arguments))


class Queue:
    """A queue that is emptied as it is read; what was read is kept."""

    def __init__(self, url: str):
        self.sqs = boto3.client("sqs")
        self.url = url
        self.seen = []

    def all(self) -> list[dict]:
        """All messages that ever came out."""
        call = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": 1, "MessageAttributeNames": ["All"], "QueueUrl": self.url}
        for message in self.sqs.receive_message(**call).get("Messages", []):
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            self.seen.append(message)
        return self.seen

    def holding(self, text: str) -> list[dict]:
        """Those whose body holds a text."""
        return [message for message in self.all() if text in message["Body"]]


def tenant_queue(tenant: str, queue: str) -> Queue:
    """A queue of a tenant's."""
    return Queue(boto3.client("sqs").get_queue_url(QueueName=f"acequia_{STAGE}_{tenant}_{queue}")["QueueUrl"])


class Receiver:
    """The stack of receiver.yaml."""

    def __init__(self):
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(
            StackName=RECEIVER_STACK,
            TemplateBody=(HERE / "receiver.yaml").read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": "Stage", "ParameterValue": STAGE}],
            Capabilities=["CAPABILITY_IAM"],
            Tags=[{"Key": "stage", "Value": STAGE}],
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName=RECEIVER_STACK, WaiterConfig={"Delay": 2, "MaxAttempts": 150})
        outputs = cloudformation.describe_stacks(StackName=RECEIVER_STACK)["Stacks"][0]["Outputs"]
        said = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        self.queue = Queue(said["Queue"])
        # A local AWS has no names of its own: its APIs are paths.
        endpoint = os.environ.get("AWS_ENDPOINT_URL")
        self.address = f"{endpoint}/_aws/execute-api/{said['ApiId']}/$default" if endpoint else said["Address"]

    def requests(self, text: str) -> list[dict]:
        """The requests whose body holds a text, in the order in which the queue gave them."""
        requests = [json.loads(message["Body"]) for message in self.queue.all()]
        return [request for request in requests if text in request["body"]]


class Door:
    """The platform's HTTP API, as a producer of a tenant uses it."""

    def __init__(self, tenant: str):
        self.tenant = tenant
        self.key = acequia("key", "create", tenant, "--name", "account", "--scope", "events:write", "--scope", "events:read").strip()
        outputs = boto3.client("cloudformation").describe_stacks(StackName=f"acequia-{STAGE}")["Stacks"][0]["Outputs"]
        address = next(output["OutputValue"] for output in outputs if output["OutputKey"] == "ApiEndpoint")
        # A local AWS has no names of its own: its APIs are paths.
        endpoint = os.environ.get("AWS_ENDPOINT_URL")
        api = address.removeprefix("https://").split(".")[0]
        self.address = f"{endpoint}/_aws/execute-api/{api}/$default" if endpoint else address.rstrip("/")

    def call(self, method: str, path: str, body: bytes | None = None, key: str | None = None, **headers: str) -> tuple[int, dict, str]:
        """Makes a request; answers status, body and content type."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{self.address}{path}", body, {"Authorization": f"Bearer {key or self.key}", **headers}, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer), answer.headers.get_content_type()
        except urllib.error.HTTPError as answer:
            return answer.code, json.load(answer), answer.headers.get_content_type()

    def send(self, *bodies: str, **headers: str) -> tuple[int, dict, str]:
        """Posts events, a line each, packed by gzip."""
        packed = gzip.compress("\n".join(bodies).encode())
        kind = {"Content_Type": "application/x-ndjson", "Content_Encoding": "gzip"}
        return self.call("POST", f"/v1/tenants/{self.tenant}/events", packed, **kind, **headers)


def new_secret() -> str:
    """A signing secret as Standard Webhooks has them."""
    return "whsec_" + base64.b64encode(os.urandom(24)).decode()


def signature(secret: str, request: dict) -> str:
    """What Standard Webhooks says that the signature of a request is."""
    headers = request["headers"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{request['body']}"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).decode()


def event(kind: str, name: str, /, **data) -> str:
    """An event of a type, with an id of the test's own."""
    return json.dumps({"specversion": "1.0", "id": f"{name}-{RUN}", "source": "/account", "type": kind, "data": data})
