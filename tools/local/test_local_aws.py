"""Tests of the local AWS against a really started one: each fill, and what Acequia relies on besides.

    .venv/local/bin/python -m unittest -v tools/local/test_local_aws.py
"""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import unittest
import zipfile
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

LAUNCHER = Path(__file__).with_name("local_aws.py")
ACCOUNT = "000000000000"
DEADLINE = 20

# A function that does what each message's body says, and puts what it saw into the queue `seen`.
BOOTSTRAP = '''#!{python}
import json, os, urllib.request
api, aws = os.environ["AWS_LAMBDA_RUNTIME_API"], os.environ["AWS_ENDPOINT_URL"]
def call(path, data=None):
    return urllib.request.urlopen(f"http://{{api}}/2018-06-01/runtime/invocation/{{path}}", data)
while True:
    answer = call("next")
    request = answer.headers["Lambda-Runtime-Aws-Request-Id"]
    records = json.loads(answer.read())["Records"]
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(*arguments, through=None):
    """Starts the launcher and waits for its ready line."""
    port = free_port()
    command = [sys.executable, str(LAUNCHER), "--port", str(port), *arguments]
    process = subprocess.Popen(
        through(command) if through else command, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "AWS_PROFILE": "not-for-functions", "SECRET_OF_THE_DEVELOPER": "1"},
    )
    line = process.stdout.readline()
    assert line == f"ready http://127.0.0.1:{port}\n", line
    return process, port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(check, what: str):
    """Polls until the check gives something true, and returns that."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if result := check():
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {DEADLINE} s: {what}")


class Client:
    """Makes boto3 clients of one launcher and one identity."""

    def __init__(self, port: int, key: str = "test", secret: str = "test"):
        self.options = {
            "endpoint_url": f"http://127.0.0.1:{port}",
            "region_name": "us-east-1",
            "aws_access_key_id": key,
            "aws_secret_access_key": secret,
            "config": Config(retries={"max_attempts": 1}),
        }
        self.made = {}

    def __getattr__(self, name: str):
        if name not in self.made:
            self.made[name] = boto3.client(name, **self.options)
        return self.made[name]


class Started(unittest.TestCase):
    """One launcher for the tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.process, cls.port = start()
        cls.aws = Client(cls.port)

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.wait(10)
        cls.process.stdout.close()

    def user(self, *statements) -> Client:
        """Makes an identity that may do what the statements say and nothing else."""
        name = self._testMethodName[:60]
        self.aws.iam.create_user(UserName=name)
        allowed = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in statements]
        policy = {"Version": "2012-10-17", "Statement": allowed}
        self.aws.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        key = self.aws.iam.create_access_key(UserName=name)["AccessKey"]
        return Client(self.port, key["AccessKeyId"], key["SecretAccessKey"])

    def refused(self, code: str, call, **arguments) -> str:
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        self.assertIn(code, caught.exception.response["Error"]["Code"])
        return caught.exception.response["Error"]["Message"]


class DynamoDb(Started):
    """What the ledger and the tenant store rely on."""

    TABLE = "ledger"
    ARN = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/ledger"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.aws.dynamodb.create_table(
            TableName=cls.TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )

    def insert(self, sk: str, claim: str = "c1") -> dict:
        return {
            "Statement": f"INSERT INTO \"{self.TABLE}\" VALUE {{'pk': ?, 'sk': ?, 'claim': ?, 'attempts': ?}}",
            "Parameters": [{"S": self.id()}, {"S": sk}, {"S": claim}, {"L": [{"M": {"ms": {"N": "12"}}}]}],
        }

    def update(self, sk: str, claim: str, status: str) -> dict:
        return {
            "Statement": f'UPDATE "{self.TABLE}" SET status=? SET lease=? WHERE pk=? AND sk=? AND claim=?',
            "Parameters": [{"S": status}, {"N": "7"}, {"S": self.id()}, {"S": sk}, {"S": claim}],
        }

    def batch(self, *statements, by: Client | None = None) -> list:
        answer = (by or self.aws).dynamodb.batch_execute_statement(Statements=list(statements))["Responses"]
        return [entry.get("Error", {}).get("Code") for entry in answer]

    def item(self, sk: str) -> dict:
        key = {"pk": {"S": self.id()}, "sk": {"S": sk}}
        return self.aws.dynamodb.get_item(TableName=self.TABLE, Key=key, ConsistentRead=True).get("Item")

    def test_an_insert_of_a_known_key_is_a_duplicate_and_its_neighbours_are_stored(self):
        self.assertEqual(self.batch(self.insert("a")), [None])
        self.assertEqual(self.batch(self.insert("a", "c2"), self.insert("b")), ["DuplicateItem", None])
        self.assertEqual(self.item("a")["claim"], {"S": "c1"})
        self.assertEqual(self.item("b")["attempts"], {"L": [{"M": {"ms": {"N": "12"}}}]})

    def test_an_update_is_compare_and_set_with_a_verdict_each(self):
        self.batch(self.insert("a"), self.insert("b"))
        verdicts = self.batch(self.update("a", "c1", "done"), self.update("b", "other", "done"), self.update("z", "c1", "done"))
        self.assertEqual(verdicts, [None, "ConditionalCheckFailed", "ConditionalCheckFailed"])
        self.assertEqual((self.item("a")["status"], self.item("a")["lease"]), ({"S": "done"}, {"N": "7"}))
        self.assertNotIn("status", self.item("b"))

    def test_a_failed_condition_answers_the_item_when_asked(self):
        self.batch(self.insert("a"))
        statement = {**self.update("a", "other", "done"), "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        error = self.aws.dynamodb.batch_execute_statement(Statements=[statement])["Responses"][0]["Error"]
        self.assertEqual(error["Item"]["claim"], {"S": "c1"})

    def test_a_batch_that_names_an_item_twice_is_refused_whole(self):
        call = self.aws.dynamodb.batch_execute_statement
        self.refused("ValidationException", call, Statements=[self.insert("a"), self.insert("b"), self.insert("a", "c2")])
        self.assertIsNone(self.item("b"))
        self.batch(self.insert("a"))
        self.refused("ValidationException", call, Statements=[self.update("a", "c1", "x"), self.update("a", "c1", "y")])

    def test_more_than_25_statements_are_refused(self):
        statements = [self.insert(str(n)) for n in range(26)]
        self.refused("ValidationException", self.aws.dynamodb.batch_execute_statement, Statements=statements)
        self.assertEqual(self.batch(*statements[:25]), [None] * 25)

    def test_partiql_asks_for_the_action_of_each_statement(self):
        inserter = self.user(("dynamodb:PartiQLInsert", self.ARN))
        self.assertEqual(self.batch(self.insert("a"), by=inserter), [None])
        message = self.refused("AccessDenied", inserter.dynamodb.batch_execute_statement, Statements=[self.update("a", "c1", "x")])
        self.assertIn("dynamodb:PartiQLUpdate", message)
        select = f'SELECT * FROM "{self.TABLE}" WHERE pk=\'x\' AND sk=\'y\''
        self.assertIn("PartiQLSelect", self.refused("AccessDenied", inserter.dynamodb.execute_statement, Statement=select))
        delete = f'DELETE FROM "{self.TABLE}" WHERE pk=\'x\' AND sk=\'y\''
        self.assertIn("PartiQLDelete", self.refused("AccessDenied", inserter.dynamodb.execute_statement, Statement=delete))

    def test_partiql_is_allowed_table_by_table(self):
        elsewhere = self.user(("dynamodb:PartiQLInsert", self.ARN + "-other"))
        self.refused("AccessDenied", elsewhere.dynamodb.batch_execute_statement, Statements=[self.insert("a")])

    def test_batches_write_and_read_25_and_100(self):
        keys = [{"pk": {"S": self.id()}, "sk": {"S": f"{n:03}"}} for n in range(100)]
        for first in range(0, 100, 25):
            puts = [{"PutRequest": {"Item": key}} for key in keys[first : first + 25]]
            answer = self.aws.dynamodb.batch_write_item(RequestItems={self.TABLE: puts})
            self.assertEqual(answer["UnprocessedItems"], {})
        twice = [{"PutRequest": {"Item": keys[0]}}] * 2
        self.refused("ValidationException", self.aws.dynamodb.batch_write_item, RequestItems={self.TABLE: twice})
        answer = self.aws.dynamodb.batch_get_item(RequestItems={self.TABLE: {"Keys": keys}})
        self.assertEqual(len(answer["Responses"][self.TABLE]), 100)
        self.assertEqual(answer["UnprocessedKeys"], {})

    def test_query_and_scan_come_in_pages(self):
        for n in range(7):
            self.aws.dynamodb.put_item(TableName=self.TABLE, Item={"pk": {"S": self.id()}, "sk": {"S": f"config#{n}"}})
        self.aws.dynamodb.put_item(TableName=self.TABLE, Item={"pk": {"S": self.id()}, "sk": {"S": "current"}})
        pages = self.aws.dynamodb.get_paginator("query").paginate(
            TableName=self.TABLE,
            KeyConditionExpression="pk = :p AND begins_with(sk, :s)",
            ExpressionAttributeValues={":p": {"S": self.id()}, ":s": {"S": "config#"}},
            ScanIndexForward=False,
            Limit=3,
        )
        self.assertEqual([[i["sk"]["S"][-1] for i in page["Items"]] for page in pages][:3], [["6", "5", "4"], ["3", "2", "1"], ["0"]])
        pages = self.aws.dynamodb.get_paginator("scan").paginate(
            TableName=self.TABLE, FilterExpression="sk = :s", ExpressionAttributeValues={":s": {"S": "current"}}, Limit=2
        )
        self.assertIn(self.id(), [item["pk"]["S"] for page in pages for item in page["Items"]])

    def test_a_transaction_is_all_or_nothing_and_says_which_condition_failed(self):
        def put(sk, **condition):
            return {"Put": {"TableName": self.TABLE, "Item": {"pk": {"S": self.id()}, "sk": {"S": sk}}, **condition}}

        new = {"ConditionExpression": "attribute_not_exists(pk)"}
        self.aws.dynamodb.transact_write_items(TransactItems=[put("config#1", **new), put("current")])
        with self.assertRaises(ClientError) as caught:
            self.aws.dynamodb.transact_write_items(TransactItems=[put("audit#1"), put("config#1", **new)])
        reasons = [reason["Code"] for reason in caught.exception.response["CancellationReasons"]]
        self.assertEqual(reasons, ["None", "ConditionalCheckFailed"])
        self.assertIsNone(self.item("audit#1"))

    def test_a_table_of_a_stack_has_its_ttl_recovery_and_encryption(self):
        properties = {
            "TableName": "stacked",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "SSESpecification": {"SSEEnabled": True},
        }
        template = {"Resources": {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}}
        self.aws.cloudformation.create_stack(StackName="stacked", TemplateBody=json.dumps(template))
        until(lambda: "stacked" in self.aws.dynamodb.list_tables()["TableNames"], "the table")
        ttl = until(lambda: self.ttl("stacked").get("AttributeName"), "TTL")
        self.assertEqual(ttl, "expires_at")
        backups = self.aws.dynamodb.describe_continuous_backups(TableName="stacked")["ContinuousBackupsDescription"]
        self.assertEqual(backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"], "ENABLED")
        self.assertEqual(self.aws.dynamodb.describe_table(TableName="stacked")["Table"]["SSEDescription"]["Status"], "ENABLED")

    def ttl(self, table: str) -> dict:
        return self.aws.dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]

    def test_a_conditional_put_takes_over_an_expired_lease_only(self):
        item = {"pk": {"S": self.id()}, "sk": {"S": "a"}, "lease": {"N": "10"}}

        def put(now):
            self.aws.dynamodb.put_item(
                TableName=self.TABLE,
                Item=item,
                ConditionExpression="attribute_not_exists(pk) OR lease < :now",
                ExpressionAttributeValues={":now": {"N": str(now)}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )

        put(0)
        with self.assertRaises(ClientError) as caught:
            put(9)
        self.assertEqual(caught.exception.response["Item"]["lease"], {"N": "10"})
        put(11)


class Sqs(Started):
    """What redrive and the functions' roles rely on."""

    def queues(self) -> tuple[str, str]:
        name = f"q{abs(hash(self.id()))}"
        dlq = self.aws.sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
        policy = json.dumps({"deadLetterTargetArn": self.arn(dlq), "maxReceiveCount": 1})
        queue = self.aws.sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})
        return queue["QueueUrl"], dlq

    def arn(self, url: str) -> str:
        return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{url.rsplit('/', 1)[-1]}"

    def depth(self, url: str) -> int:
        answer = self.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def task(self, dlq: str) -> dict:
        return self.aws.sqs.list_message_move_tasks(SourceArn=self.arn(dlq))["Results"][0]

    def test_a_batch_call_asks_for_the_action_of_the_single_call(self):
        queue, dlq = self.queues()
        user = self.user((["sqs:SendMessage", "sqs:ChangeMessageVisibility", "sqs:ReceiveMessage"], self.arn(queue)))
        user.sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": "1", "MessageBody": "x"}])
        entry = {"Id": "1", "ReceiptHandle": user.sqs.receive_message(QueueUrl=queue)["Messages"][0]["ReceiptHandle"]}
        user.sqs.change_message_visibility_batch(QueueUrl=queue, Entries=[{**entry, "VisibilityTimeout": 9}])
        self.refused("AccessDenied", user.sqs.delete_message_batch, QueueUrl=queue, Entries=[entry])
        self.refused("AccessDenied", user.sqs.send_message_batch, QueueUrl=dlq, Entries=[{"Id": "1", "MessageBody": "x"}])

    def test_a_redrive_to_a_named_queue_moves_all_as_new_messages(self):
        queue, dlq = self.queues()
        attribute = {"reason": {"DataType": "String", "StringValue": "bad"}}
        sent = [self.aws.sqs.send_message(QueueUrl=dlq, MessageBody=str(n), MessageAttributes=attribute) for n in range(3)]
        self.aws.sqs.start_message_move_task(SourceArn=self.arn(dlq), DestinationArn=self.arn(queue))
        done = until(lambda: self.task(dlq)["Status"] == "COMPLETED" and self.task(dlq), "completed")
        self.assertEqual(done["ApproximateNumberOfMessagesMoved"], 3)
        self.assertEqual((self.depth(queue), self.depth(dlq)), (3, 0))
        names = ["ApproximateReceiveCount"]
        got = self.aws.sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"], MessageSystemAttributeNames=names)
        message = got["Messages"][0]
        self.assertEqual(message["Attributes"]["ApproximateReceiveCount"], "1")
        self.assertEqual(message["MessageAttributes"]["reason"]["StringValue"], "bad")
        self.assertNotIn(message["MessageId"], [answer["MessageId"] for answer in sent])

    def test_a_redrive_home_knows_only_messages_that_sqs_moved(self):
        queue, dlq = self.queues()
        self.aws.sqs.send_message(QueueUrl=queue, MessageBody="moved by SQS")
        for _ in range(3):
            self.aws.sqs.receive_message(QueueUrl=queue)
        until(lambda: self.depth(dlq) == 1, "in the DLQ")
        self.aws.sqs.start_message_move_task(SourceArn=self.arn(dlq))
        until(lambda: self.task(dlq)["Status"] == "COMPLETED", "completed")
        self.assertEqual(self.depth(queue), 1)
        self.aws.sqs.send_message(QueueUrl=dlq, MessageBody="sent by code")
        self.aws.sqs.start_message_move_task(SourceArn=self.arn(dlq))
        failed = until(lambda: self.task(dlq)["Status"] == "FAILED" and self.task(dlq), "failed")
        self.assertEqual(failed["FailureReason"], "CouldNotDetermineMessageSource")
        self.assertEqual(self.depth(dlq), 1)

    def test_a_redrive_is_one_at_a_time_and_can_be_cancelled(self):
        queue, dlq = self.queues()
        for n in range(20):
            self.aws.sqs.send_message(QueueUrl=dlq, MessageBody=str(n))
        start = {"SourceArn": self.arn(dlq), "DestinationArn": self.arn(queue), "MaxNumberOfMessagesPerSecond": 1}
        handle = self.aws.sqs.start_message_move_task(**start)["TaskHandle"]
        self.refused("UnsupportedOperation", self.aws.sqs.start_message_move_task, **start)
        self.aws.sqs.cancel_message_move_task(TaskHandle=handle)
        until(lambda: self.task(dlq)["Status"] == "CANCELLED", "cancelled")
        self.assertGreater(self.depth(dlq), 0)

    def test_only_a_dead_letter_queue_is_redriven_and_it_knows_its_sources(self):
        queue, dlq = self.queues()
        self.refused("UnsupportedOperation", self.aws.sqs.start_message_move_task, SourceArn=self.arn(queue))
        self.assertEqual(self.aws.sqs.list_dead_letter_source_queues(QueueUrl=dlq)["queueUrls"], [queue])


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
