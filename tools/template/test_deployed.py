"""What the local AWS makes of the templates on a stage that leaves nothing out: first deployments that fail, parameters that change, stacks that go.

The functions are a few bytes that do nothing: the tests look at what is deployed, and never call it.
"""

import io
import json
import socket
import subprocess
import time
import unittest
import zipfile
from copy import deepcopy

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from adopt import adopt
from stack import FUNCTION, PLATFORM, ROOT, TENANT, read

BUCKET = "artifacts"
STAGE = "strict"
EVERYTHING = {
    "Stage": STAGE,
    "MailRate": "500",
    "Tracing": "Active",
    "TableKey": "managed",
    "FeedbackKey": "customer",
    "LinkDomain": "confirm.example.org",
    "LinkCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
    "ApiDomain": "events.example.org",
    "ApiCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
    "ApiOrigins": "https://forms.example.org",
    "JwtIssuer": "https://id.example.org/",
    "JwtAudience": "acequia",
    "JwtJwksUrl": "https://id.example.org/keys",
    "LinkLog": "addresses",
    "ReservedForSweeper": "2",
}
DEADLINE = 120


def package():
    """A program that is packed as Lambda wants it."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        packed.writestr(entry, "#!/bin/sh\nexit 1\n")
    return held.getvalue()


def free_port():
    """A port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class DeployedTest(unittest.TestCase):
    """The life of one stage, from a first deployment that fails to its return: the tests follow each other."""

    @classmethod
    def setUpClass(cls):
        port = free_port()
        command = [ROOT / ".venv/local/bin/python", ROOT / "tools/local/local_aws.py", "--port", str(port)]
        cls.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        cls.addClassCleanup(cls.end)
        ready = cls.process.stdout.readline().strip()
        assert ready == f"ready http://127.0.0.1:{port}", ready
        cls.options = {
            "endpoint_url": f"http://127.0.0.1:{port}",
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "config": Config(retries={"max_attempts": 1}),
        }
        cls.cloudformation, cls.functions = cls.client("cloudformation"), cls.client("lambda")
        cls.client("s3").create_bucket(Bucket=BUCKET)
        cls.client("s3").put_object(Bucket=BUCKET, Key="code.zip", Body=package())

    @classmethod
    def end(cls):
        cls.process.terminate()
        cls.process.wait(20)
        cls.process.stdout.close()

    @classmethod
    def client(cls, name):
        return boto3.client(name, **cls.options)

    def deploy(self, stack, template, parameters, update=False):
        """Creates or updates a stack, and returns how it ended."""
        template = deepcopy(template)
        for resource in template["Resources"].values():
            if resource["Type"] == FUNCTION:
                resource["Properties"]["CodeUri"] = f"s3://{BUCKET}/code.zip"
        self.client("s3").put_object(Bucket=BUCKET, Key=f"{stack}.json", Body=json.dumps(template).encode())
        call = self.cloudformation.update_stack if update else self.cloudformation.create_stack
        call(
            StackName=stack,
            TemplateURL=f"{self.options['endpoint_url']}/{BUCKET}/{stack}.json",
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        return self.ended(stack)

    def ended(self, stack):
        """How what a stack does ends."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                status = self.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
            except ClientError as error:
                self.assertIn("does not exist", str(error))
                return "DELETE_COMPLETE"
            if not status.endswith("_IN_PROGRESS"):
                return status
            time.sleep(0.2)
        self.fail(f"{stack} did not end within {DEADLINE} s")

    def delete(self, stack):
        self.cloudformation.delete_stack(StackName=stack)
        self.assertEqual(self.ended(stack), "DELETE_COMPLETE")

    def adopt(self, stack, path, parameters, **options):
        said = []
        found = adopt(stack, path, parameters, self.client, say=said.append, **options)
        return set(found), said

    def tables(self, stage):
        return [name for name in self.client("dynamodb").list_tables()["TableNames"] if name.startswith(f"acequia-{stage}-")]

    def live(self, function):
        """The number and the settings of the version that callers invoke."""
        alias = self.functions.get_alias(FunctionName=function, Name="live")
        settings = self.functions.get_function_configuration(FunctionName=function, Qualifier="live")
        return alias["FunctionVersion"], settings["Environment"]["Variables"]

    def mappings(self, function):
        """How many mappings feed a function."""
        alias = f"acequia-{STAGE}-{function}:live"
        return len(self.functions.list_event_source_mappings(FunctionName=alias)["EventSourceMappings"])

    def test_1_a_first_deployment_that_fails_takes_everything_back_and_can_be_tried_again(self):
        failing = read(PLATFORM)
        # Made last, and refused: SQS keeps nothing for longer than 14 days.
        body = {"Type": "AWS::SQS::Queue", "DependsOn": list(failing["Resources"]), "Properties": {"MessageRetentionPeriod": 1209601}}
        failing["Resources"]["Refused"] = body
        self.assertEqual(self.deploy(f"acequia-{STAGE}", failing, EVERYTHING), "ROLLBACK_COMPLETE")
        self.assertEqual(self.tables(STAGE), [])
        self.assertEqual(self.client("sqs").list_queues(QueueNamePrefix=f"acequia-{STAGE}-").get("QueueUrls", []), [])
        groups = self.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/acequia-{STAGE}-")["logGroups"]
        self.assertEqual(groups, [])
        self.delete(f"acequia-{STAGE}")
        self.assertEqual(self.deploy(f"acequia-{STAGE}", read(PLATFORM), EVERYTHING), "CREATE_COMPLETE")
        self.assertEqual(len(self.tables(STAGE)), 4)

    def test_2_another_value_of_a_parameter_reaches_what_callers_invoke(self):
        email, router = f"acequia-{STAGE}-email", f"acequia-{STAGE}-router"
        (first, before), (unchanged, _) = self.live(email), self.live(router)
        self.assertEqual(before["SES_SEND_RATE"], "500")
        update = self.deploy(f"acequia-{STAGE}", read(PLATFORM), EVERYTHING | {"MailRate": "7"}, update=True)
        self.assertEqual(update, "UPDATE_COMPLETE")
        second, after = self.live(email)
        self.assertNotEqual(first, second)
        self.assertEqual(after["SES_SEND_RATE"], "7")
        self.assertEqual(self.live(router)[0], unchanged)

    def test_3_protection_comes_with_the_second_deployment(self):
        dynamodb = self.client("dynamodb")
        table = f"acequia-{STAGE}-ledger"
        self.assertFalse(dynamodb.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"])
        changed = EVERYTHING | {"MailRate": "7", "Established": "yes"}
        self.assertEqual(self.deploy(f"acequia-{STAGE}", read(PLATFORM), changed, update=True), "UPDATE_COMPLETE")
        self.assertTrue(dynamodb.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"])

    def test_4_a_kind_that_is_disabled_leaves_its_messages_and_a_new_stack_takes_them_back(self):
        stack, parameters = f"acequia-{STAGE}-acme", {"Stage": STAGE, "TenantId": "acme", "Webhook": "enabled"}
        self.assertEqual(self.deploy(stack, read(TENANT), parameters), "CREATE_COMPLETE")
        disabled = parameters | {"Webhook": "disabled"}
        self.assertEqual(self.deploy(stack, read(TENANT), disabled, update=True), "UPDATE_COMPLETE")
        self.assertEqual(self.mappings("webhook"), 0)
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName=f"acequia_{STAGE}_acme_webhook")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="undelivered")
        with self.assertRaisesRegex(ValueError, "delete it first"):
            self.adopt(stack, TENANT, parameters)
        self.delete(stack)
        found, said = self.adopt(stack, TENANT, parameters)
        self.assertEqual(found, {"IntakeQueue", "IntakeDlq", "WebhookQueue", "WebhookDlq"}, said)
        self.assertEqual(self.deploy(stack, read(TENANT), parameters, update=True), "UPDATE_COMPLETE")
        self.assertEqual(self.mappings("webhook"), 1)
        # The local AWS speaks plain http, which this stage's queues refuse: the test reads them under a policy that it
        # removes again.
        with self.assertRaisesRegex(ClientError, "AccessDenied"):
            sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        self.assertEqual(self.deploy(stack, read(TENANT), disabled, update=True), "UPDATE_COMPLETE")
        held = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        self.assertEqual(sum(int(held[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible")), 1)

    def test_5_a_stage_that_was_deleted_takes_its_data_back(self):
        dynamodb, table = self.client("dynamodb"), f"acequia-{STAGE}-ledger"
        dynamodb.put_item(TableName=table, Item={"pk": {"S": "acme#event"}, "sk": {"S": "crm"}})
        stack, parameters = f"acequia-{STAGE}", {"Stage": STAGE}
        self.delete(stack)
        self.assertEqual(len(self.tables(STAGE)), 4)
        found, said = self.adopt(stack, PLATFORM, parameters)
        self.assertLessEqual({"TenantsTable", "LedgerTable", "DelayedTable", "ConsentsTable", "FeedbackQueue", "ArchiveBucket"}, found, said)
        self.assertEqual(self.ended(stack), "IMPORT_COMPLETE")
        self.assertEqual(self.deploy(stack, read(PLATFORM), parameters, update=True), "UPDATE_COMPLETE")
        self.assertEqual(dynamodb.scan(TableName=table)["Count"], 1)


if __name__ == "__main__":
    unittest.main()
