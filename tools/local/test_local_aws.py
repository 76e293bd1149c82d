"""Tests of the local AWS: functions, mappings and stacks, and how it starts and ends. Its services are in test_data.py.

    .venv/local/bin/python -m unittest discover tools/local
"""

import io
import json
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from started import ACCOUNT, LAUNCHER, Started, listens, start, until

# A function that does what each message's body says, and puts what it saw into a file; a request it answers with its
# path.
BOOTSTRAP = '''#!{python}
import json, os, urllib.request
api, aws = os.environ["AWS_LAMBDA_RUNTIME_API"], os.environ["AWS_ENDPOINT_URL"]
def call(path, data=None):
    return urllib.request.urlopen(f"http://{{api}}/2018-06-01/runtime/invocation/{{path}}", data)
while True:
    answer = call("next")
    request = answer.headers["Lambda-Runtime-Aws-Request-Id"]
    event = json.loads(answer.read())
    if "rawPath" in event:
        call(request + "/response", json.dumps({{"statusCode": 200, "body": event["rawPath"]}}).encode())
        continue
    records = event["Records"]
    seen = {{"bodies": [r["body"] for r in records], "environment": dict(os.environ)}}
    with open(os.environ["SEEN"], "a") as file:
        file.write(json.dumps(seen) + "\\n")
    response = {{"batchItemFailures": []}}
    for record in records:
        body = record["body"]
        if body == "fail":
            response["batchItemFailures"].append({{"itemIdentifier": record["messageId"]}})
        elif body.startswith("answer "):
            response = json.loads(body.removeprefix("answer "))
    call(request + "/response", json.dumps(response).encode())
'''

MAPPING_TEMPLATE = {
    "Parameters": {name: {"Type": "Number"} for name in ("BatchSize", "Window", "Concurrency", "Receives", "Threshold")}
    | {"Name": {"Type": "String"}, "Visibility": {"Type": "Number", "Default": 30}},
    "Resources": {
        "Dlq": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${Name}-dlq"}}},
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": {"Ref": "Name"},
                "VisibilityTimeout": {"Ref": "Visibility"},
                "RedrivePolicy": {
                    "deadLetterTargetArn": {"Fn::GetAtt": ["Dlq", "Arn"]},
                    "maxReceiveCount": {"Ref": "Receives"},
                },
            },
        },
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
                "FunctionName": {"Ref": "Name"},
                "BatchSize": {"Ref": "BatchSize"},
                "MaximumBatchingWindowInSeconds": {"Ref": "Window"},
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": {"Ref": "Concurrency"}},
            },
        },
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": {"Ref": "Name"},
                "Namespace": "AWS/SQS",
                "MetricName": "ApproximateNumberOfMessagesVisible",
                "Dimensions": [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["Dlq", "QueueName"]}}],
                "Statistic": "Maximum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": {"Ref": "Threshold"},
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            },
        },
    },
}


class Deployed(Started):
    """Deploys the test function and its stack."""

    CONSUME = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            entry = zipfile.ZipInfo("bootstrap")
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, BOOTSTRAP.format(python=sys.executable))
        cls.code = packed.getvalue()

    def function(self, *actions: str, timeout: int = 5) -> str:
        """Deploys the test function under the test's name, with a role that allows the actions on its queue."""
        name = f"f{abs(hash(self.id()))}"
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = self.aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self.aws.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
        self.seen = Path(f"/tmp/{name}-{self.port}.seen")
        self.addCleanup(self.seen.unlink, missing_ok=True)
        getattr(self.aws, "lambda").create_function(
            FunctionName=name,
            Runtime="provided.al2023",
            Role=role,
            Handler="bootstrap",
            Code={"ZipFile": self.code},
            Timeout=timeout,
            Environment={"Variables": {"SEEN": str(self.seen)}},
            LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG", "LogGroup": f"/aws/lambda/{name}"},
        )
        return name

    def stack(self, name: str, **parameters) -> str:
        """Makes the stack with queue, mapping and alarm; every number is a parameter, so text. Returns its status."""
        values = {"Name": name, "BatchSize": 10, "Window": 0, "Concurrency": 2, "Receives": 3, "Threshold": 5} | parameters
        self.aws.cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(MAPPING_TEMPLATE),
            Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in values.items()],
            OnFailure="DO_NOTHING",
        )
        return until(lambda: (s := self.status(name)) != "CREATE_IN_PROGRESS" and s, "the stack")

    def status(self, name: str) -> str:
        return self.aws.cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]

    def send(self, name: str, *bodies: str) -> None:
        for first in range(0, len(bodies), 10):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[first : first + 10])]
            self.aws.sqs.send_message_batch(QueueUrl=self.url(name), Entries=entries)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}/{name}"

    def batches(self) -> list[dict]:
        return [json.loads(line) for line in self.seen.read_text().splitlines()] if self.seen.exists() else []

    def left(self, name: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.aws.sqs.get_queue_attributes(QueueUrl=self.url(name), AttributeNames=names)
        return sum(int(value) for value in answer["Attributes"].values())


class Mappings(Deployed):
    """What the functions and the tenants' stacks rely on."""

    def test_numbers_of_a_template_that_are_parameters_become_numbers(self):
        name = self.function(*self.CONSUME)
        self.assertEqual(self.stack(name, BatchSize=25, Window=1), "CREATE_COMPLETE")
        mapping = getattr(self.aws, "lambda").list_event_source_mappings(FunctionName=name)["EventSourceMappings"][0]
        self.assertEqual(mapping["ScalingConfig"], {"MaximumConcurrency": 2})
        self.assertEqual((mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]), (25, 1))
        alarm = self.aws.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
        self.assertEqual(alarm["Threshold"], 5.0)
        redrive = self.aws.sqs.get_queue_attributes(QueueUrl=self.url(name), AttributeNames=["RedrivePolicy"])
        self.assertEqual(json.loads(redrive["Attributes"]["RedrivePolicy"])["maxReceiveCount"], 3)
        self.send(name, "a")
        until(lambda: self.left(name) == 0, "handled")

    def test_a_batch_holds_more_than_ten_messages(self):
        name = self.function(*self.CONSUME)
        self.stack(name, BatchSize=25, Window=1)
        mapping = getattr(self.aws, "lambda").list_event_source_mappings(FunctionName=name)["EventSourceMappings"][0]["UUID"]
        getattr(self.aws, "lambda").update_event_source_mapping(UUID=mapping, Enabled=False)
        self.send(name, *[str(n) for n in range(40)])
        getattr(self.aws, "lambda").update_event_source_mapping(UUID=mapping, Enabled=True)
        until(lambda: self.left(name) == 0, "handled")
        self.assertEqual(sorted(len(batch["bodies"]) for batch in self.batches()), [15, 25])

    def test_a_reported_message_alone_comes_back(self):
        name = self.function(*self.CONSUME)
        self.stack(name, Visibility=5)
        self.send(name, "good", "fail", "good")
        until(lambda: sum(batch["bodies"].count("fail") for batch in self.batches()) == 2, "tried again")
        self.assertEqual(sum(batch["bodies"].count("good") for batch in self.batches()), 2)

    def test_an_answer_that_is_not_valid_fails_the_whole_batch(self):
        answers = {
            '{"batchItemFailures": [{"itemIdentifier": ""}]}': 1,
            '{"batchItemFailures": [{"itemIdentifier": null}]}': 1,
            '{"batchItemFailures": [{"itemIdentifier": "unknown"}]}': 1,
            '{"batchItemFailures": [{"id": "misnamed"}]}': 1,
            '"no object"': 1,
            '{"batchItemFailures": null}': 0,
            '{"batchItemFailures": []}': 0,
            "{}": 0,
            "null": 0,
        }
        name = self.function(*self.CONSUME)
        self.stack(name, BatchSize=1, Concurrency=2, Visibility=600)
        for answer in answers:
            self.send(name, f"answer {answer}")
        until(lambda: len(self.batches()) == len(answers), "all tried")
        until(lambda: self.left(name) == sum(answers.values()), "the failed ones are still there")

    def test_a_function_sees_lambdas_environment_and_not_the_servers_or_the_developers(self):
        name = self.function(*self.CONSUME)
        self.stack(name)
        self.send(name, "a")
        environment = until(self.batches, "invoked")[0]["environment"]
        self.assertEqual(environment["AWS_LAMBDA_LOG_FORMAT"], "JSON")
        self.assertEqual(environment["AWS_LAMBDA_LOG_LEVEL"], "DEBUG")
        self.assertEqual(environment["AWS_LAMBDA_LOG_GROUP_NAME"], f"/aws/lambda/{name}")
        self.assertNotEqual(environment["AWS_ACCESS_KEY_ID"], "test")
        for unwanted in ("AWS_PROFILE", "SECRET_OF_THE_DEVELOPER", "AUTH", "LOG_LEVEL", "DOCKER_HOST"):
            self.assertNotIn(unwanted, environment)

    def test_a_mapping_is_refused_when_the_role_may_not_consume(self):
        name = self.function("sqs:ReceiveMessage", "sqs:GetQueueAttributes")
        self.assertIn("FAILED", self.stack(name))
        events = self.aws.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        self.assertTrue(any("call DeleteMessage on SQS" in event.get("ResourceStatusReason", "") for event in events), events)

    def test_a_mapping_is_refused_when_messages_return_before_the_function_ends(self):
        name = self.function(*self.CONSUME, timeout=60)
        self.assertIn("FAILED", self.stack(name))

    def test_an_invocation_costs_little_time_of_the_emulators_own(self):
        name = self.function(*self.CONSUME)
        self.stack(name, BatchSize=1)
        self.send(name, "warm")
        until(lambda: self.left(name) == 0, "warm")
        begin = time.monotonic()
        self.send(name, *[str(n) for n in range(100)])
        until(lambda: self.left(name) == 0, "handled")
        # 100 silent invocations, two at a time: 2.5 s with the emulator's own wait of 50 ms each.
        self.assertLess(time.monotonic() - begin, 2.0)


class LifeAndDeath(unittest.TestCase):
    """How the launcher starts and ends."""

    def test_a_used_port_is_one_clear_line(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            command = [sys.executable, str(LAUNCHER), "--port", str(taken.getsockname()[1])]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=20)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("is in use", ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)

    def test_a_signal_ends_it_at_once(self):
        process, port = start()
        with process.stdout:
            begin = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(10)
        self.assertLess(time.monotonic() - begin, 4)
        self.assertFalse(listens(port))

    def test_it_ends_when_the_process_that_started_it_is_killed(self):
        # A parent that starts it and waits; then the parent is killed without a chance to clean up.
        parent = "import subprocess, sys; subprocess.run(sys.argv[1:])"
        process, port = start(through=lambda command: [sys.executable, "-c", parent, *command])
        with process.stdout:
            process.kill()
            process.wait(10)
            until(lambda: not listens(port), "gone with its parent")


class Apis(Deployed):
    """What the links of mails rely on."""

    def test_an_http_api_has_an_address_by_its_name(self):
        function, api = self.function(), self.aws.apigatewayv2
        made = api.create_api(Name="links", ProtocolType="HTTP")["ApiId"]
        arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function}"
        integration = api.create_integration(
            ApiId=made, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
        )["IntegrationId"]
        api.create_route(ApiId=made, RouteKey="ANY /c/{tenant}", Target=f"integrations/{integration}")
        api.create_stage(ApiId=made, StageName="$default", AutoDeploy=True)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_domain/links/c/acme") as answer:
            self.assertEqual(answer.read(), b"/c/acme")
        for unknown in ("links/d/acme", "others/c/acme"):
            with self.assertRaises(urllib.error.HTTPError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_domain/{unknown}")


    def test_what_a_stack_says_of_origins_is_what_browsers_are_told(self):
        cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["POST"], "AllowHeaders": ["authorization"], "MaxAge": 60}
        properties = {"Name": "pages", "ProtocolType": "HTTP", "CorsConfiguration": cors}
        template = {"Resources": {"Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": properties}}}
        self.aws.cloudformation.create_stack(StackName="pages", TemplateBody=json.dumps(template))
        asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/_domain/pages/c", method="OPTIONS", headers=asked)

        def told():
            try:
                with urllib.request.urlopen(request) as answer:
                    return dict(answer.headers)
            except urllib.error.HTTPError:
                return None

        headers = until(told, "the stack is made")
        self.assertEqual(headers["Access-Control-Allow-Origin"], "https://a.example")
        self.assertEqual((headers["Access-Control-Allow-Methods"], headers["Access-Control-Max-Age"]), ("POST", "60"))


class Functions(Deployed):
    """Functions end with the emulator. A class of its own, because it ends the launcher."""

    def test_no_function_outlives_it(self):
        name = self.function(*self.CONSUME)
        self.stack(name)
        self.send(name, "a")
        environment = until(self.batches, "invoked")[0]["environment"]
        runtime = int(environment["AWS_LAMBDA_RUNTIME_API"].rsplit(":", 1)[1])
        children = Path(f"/proc/{self.process.pid}/task")
        pids = {pid for file in children.glob("*/children") for pid in file.read_text().split()}
        self.assertTrue(pids or not children.exists())
        self.process.terminate()
        self.process.wait(10)
        self.assertFalse(listens(runtime))
        until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids), "functions ended")

if __name__ == "__main__":
    unittest.main()
