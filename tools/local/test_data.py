"""Tests of the local AWS: DynamoDB, SQS and SES, with what Acequia relies on."""

import json
import time
import unittest
import urllib.request

from botocore.exceptions import ClientError

from started import ACCOUNT, Client, Started, until


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

    def test_each_message_of_a_batch_keeps_its_trace_header(self):
        queue, _ = self.queues()
        header = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
        entries = [{"Id": "1", "MessageBody": "a"}, {"Id": "2", "MessageBody": "b", "MessageSystemAttributes": header}]
        self.aws.sqs.send_message_batch(QueueUrl=queue, Entries=entries)
        got = self.aws.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageSystemAttributeNames=["AWSTraceHeader"])
        traces = {message["Body"]: message.get("Attributes", {}).get("AWSTraceHeader") for message in got["Messages"]}
        self.assertEqual(traces, {"a": None, "b": header["AWSTraceHeader"]["StringValue"]})

    def ages(self, *urls: str, by: Client | None = None) -> list:
        queries = [
            {"Id": f"q{n}", "MetricStat": {"Period": 60, "Stat": "Maximum", "Metric": {
                "Namespace": "AWS/SQS", "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{"Name": "QueueName", "Value": url.rsplit("/", 1)[-1]}]}}}
            for n, url in enumerate(urls)
        ]
        now = time.time()
        answer = (by or self.aws).cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=now - 600, EndTime=now + 60)
        return [series["Values"] for series in answer["MetricDataResults"]]

    def test_cloudwatch_knows_how_old_messages_are_but_for_those_received_three_times(self):
        waits, tried, empty = [self.aws.sqs.create_queue(QueueName=f"age-{name}")["QueueUrl"] for name in ("waits", "tried", "empty")]
        for queue in (waits, tried):
            self.aws.sqs.send_message(QueueUrl=queue, MessageBody="x")
        for _ in range(3):
            self.aws.sqs.receive_message(QueueUrl=tried, VisibilityTimeout=0)
        [old], *others = self.ages(waits, tried, empty)
        self.assertEqual(others, [[], []])
        self.assertTrue(0 <= old < 60, old)
        until(lambda: self.ages(waits)[0][-1] > old, "it grows older")

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


class Ses(Started):
    """What the e-mail function's role relies on."""

    def send(self, by: Client, sender: str, **more) -> None:
        text = {"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}}
        by.sesv2.send_email(FromEmailAddress=sender, Destination={"ToAddresses": ["b@example.net"]}, Content=text, **more)

    def test_a_mail_asks_for_its_identity_and_its_configuration_set(self):
        self.aws.sesv2.create_email_identity(EmailIdentity="example.org")
        self.aws.sesv2.create_email_identity(EmailIdentity="me@example.com")
        self.aws.sesv2.create_configuration_set(ConfigurationSetName="set")
        start = f"arn:aws:ses:us-east-1:{ACCOUNT}"
        domain = self.user(("ses:SendEmail", [f"{start}:identity/example.org", f"{start}:identity/me@example.com"]))
        self.send(domain, "Somebody <a@example.org>")
        self.send(domain, "me@example.com")
        self.refused("AccessDenied", self.send, by=domain, sender="a@example.com")
        message = self.refused("AccessDenied", self.send, by=domain, sender="a@example.org", ConfigurationSetName="set")
        self.assertIn("configuration-set/set", message)

    def test_what_becomes_of_a_mail_is_published_where_the_topics_policy_lets_ses(self):
        self.aws.sesv2.create_email_identity(EmailIdentity="events.example")
        arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:events"
        filled = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
        attributes = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [filled]})}
        queue = self.aws.sqs.create_queue(QueueName="events", Attributes=attributes)["QueueUrl"]
        for name in ("told", "untold"):
            topic = self.aws.sns.create_topic(Name=name)["TopicArn"]
            self.aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
            set_arn = f"arn:aws:ses:us-east-1:{ACCOUNT}:configuration-set/told"
            allowed = {"Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "sns:Publish"}
            allowed |= {"Resource": topic, "Condition": {"ArnLike": {"aws:SourceArn": set_arn}}}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
            self.aws.sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
            self.aws.sesv2.create_configuration_set(ConfigurationSetName=name)
            self.aws.sesv2.create_configuration_set_event_destination(
                ConfigurationSetName=name,
                EventDestinationName="events",
                EventDestination={
                    "Enabled": True,
                    "MatchingEventTypes": ["SEND", "BOUNCE"],
                    "SnsDestination": {"TopicArn": topic},
                },
            )
            self.aws.sesv2.send_email(
                FromEmailAddress="a@events.example",
                Destination={"ToAddresses": ["bounce+7@simulator.amazonses.com"]},
                Content={"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}},
                ConfigurationSetName=name,
                EmailTags=[{"Name": "of", "Value": name}],
            )
        messages = self.aws.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
        greeting = "Successfully validated SNS topic for Amazon SES event publishing."
        bodies = [message["Body"] for message in messages]
        self.assertEqual(bodies.count(greeting), 1, "said once, when the destination was made")
        told = [json.loads(body) for body in bodies if body != greeting]
        self.assertEqual(sorted(event["eventType"] for event in told), ["Bounce", "Send"])
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_ministack/ses/messages") as answer:
            mails = json.load(answer)["messages"][ACCOUNT]
        self.assertIn(["told"], [[tag["Value"] for tag in mail["Tags"]] for mail in mails if "Tags" in mail])
        for event in told:
            self.assertEqual(event["mail"]["tags"], {"of": ["told"], "ses:configuration-set": ["told"]})

if __name__ == "__main__":
    unittest.main()
