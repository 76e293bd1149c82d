"""What a stage is made of, by SAM's own translator: what stage `local` leaves out, what each choice adds, and what is refused."""

import json
import re
import unittest
from copy import deepcopy

from stack import FUNCTIONS, PLATFORM, TENANT, Resolver, made, read, translate

EVERY_KIND = {"TenantId": "acme", "Webhook": "enabled", "Email": "enabled", "Forward": "enabled", "Eventbridge": "enabled", "OutQueue": "standard"}
DOMAIN = {"LinkDomain": "confirm.example.org", "LinkCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1"}


def in_words(resources, stage):
    """Each resource as text, with the stage's name left out, to compare stages."""
    return {name: json.dumps(body, sort_keys=True).replace(stage, "STAGE") for name, body in resources.items()}


def by_kind(resources, kind):
    """The properties of the resources of one kind."""
    return {name: body["Properties"] for name, body in resources.items() if body["Type"] == kind}


def statements(policy):
    """The statements of a queue's policy."""
    return policy["PolicyDocument"]["Statement"]


class LocalStageTest(unittest.TestCase):
    """Stage `local` leaves out the refusal of plain http, and nothing else."""

    def difference(self, path, parameters):
        template = read(path)
        there, here = (made(template, parameters | {"Stage": stage}) for stage in ("trial", "local"))
        words_there, words_here = in_words(there, "trial"), in_words(here, "local")
        self.assertEqual(set(here) - set(there), set())
        missing = set(there) - set(here)
        other = {name for name in words_here if words_here[name] != words_there[name]}
        return there, here, missing, other

    def test_the_platforms_local_stage_leaves_out_the_refusal_of_plain_http_alone(self):
        there, here, missing, other = self.difference(PLATFORM, {})
        self.assertEqual(missing, {"ArchiveBucketPolicy", "FeedbackDlqPolicy"})
        self.assertEqual(other, {"FeedbackQueuePolicy"})
        kept, whole = (statements(by_kind(r, "AWS::SQS::QueuePolicy")["FeedbackQueuePolicy"]) for r in (here, there))
        self.assertEqual([s["Sid"] for s in kept], ["TopicFills"])
        self.assertEqual([s["Sid"] for s in whole], ["TopicFills", "RefusePlainHttp"])

    def test_a_tenants_local_stage_leaves_out_the_refusal_of_plain_http_alone(self):
        there, _, missing, other = self.difference(TENANT, EVERY_KIND)
        self.assertEqual(missing, set(by_kind(there, "AWS::SQS::QueuePolicy")))
        queues = by_kind(there, "AWS::SQS::Queue")
        self.assertEqual((len(missing), other), (len(queues), set()))


class OriginsTest(unittest.TestCase):
    """Which pages may send events from browsers."""

    def cors(self, choice):
        apis = by_kind(made(read(PLATFORM), choice), "AWS::ApiGatewayV2::Api")
        self.assertNotIn("CorsConfiguration", apis["ConfirmApi"], "answers of people are posted by the page itself")
        return apis["IngestApi"].get("CorsConfiguration")

    def test_no_origin_may_unless_it_is_named_and_then_to_post_without_cookies(self):
        self.assertIsNone(self.cors({}))
        cors = self.cors({"ApiOrigins": "https://forms.example.org,https://shop.example.org:8443"})
        self.assertEqual(cors["AllowOrigins"], ["https://forms.example.org", "https://shop.example.org:8443"])
        self.assertEqual(cors["AllowMethods"], ["POST"])
        self.assertNotIn("AllowCredentials", cors)
        self.assertEqual(set(cors["AllowHeaders"]) & {"*", "authorization"}, {"authorization"})

    def test_an_origin_is_whole_and_has_no_wildcard(self):
        allowed = re.compile(read(PLATFORM)["Parameters"]["ApiOrigins"]["AllowedPattern"])
        for origin in ("https://forms.example.org", "https://forms.example.org:8443"):
            self.assertTrue(allowed.search(origin), origin)
        for origin in ("*", "https://*", "https://*.example.org", "http://forms.example.org", "https://forms.example.org/", "https://Forms.example.org", "null"):
            self.assertIsNone(allowed.search(origin), origin)


class QueuePolicyTest(unittest.TestCase):
    """SQS takes a policy about one queue."""

    def test_every_queue_refuses_plain_http_by_a_policy_of_its_own(self):
        choices = [{}, EVERY_KIND, {"Ordered": "enabled", "Forward": "enabled", "OutQueue": "fifo"}]
        for path, choice in [(PLATFORM, {})] + [(TENANT, {"TenantId": "acme"} | choice) for choice in choices]:
            resources = made(read(path), choice)
            policies = by_kind(resources, "AWS::SQS::QueuePolicy").values()
            self.assertEqual(sorted(q for p in policies for q in p["Queues"]), sorted(f"<{q}>" for q in by_kind(resources, "AWS::SQS::Queue")))
            for policy in policies:
                (queue,) = policy["Queues"]
                said = [s["Resource"] for s in statements(policy)]
                self.assertEqual(set(said), {queue.replace(">", ".Arn>")})
                self.assertIn("RefusePlainHttp", [s["Sid"] for s in statements(policy)])


class EstablishedTest(unittest.TestCase):
    """A first deployment can be rolled back and raises no alarm; from the second on the tables are protected."""

    def test_tables_are_protected_once_the_stage_stands(self):
        for established, wanted in [("no", False), ("yes", True)]:
            tables = by_kind(made(read(PLATFORM), {"Established": established}), "AWS::DynamoDB::Table")
            self.assertEqual({t["DeletionProtectionEnabled"] for t in tables.values()}, {wanted})
            self.assertEqual(len(tables), 4)

    def test_a_sweeper_without_a_word_is_an_alarm_once_the_stage_stands(self):
        for established, wanted in [("no", "missing"), ("yes", "breaching")]:
            alarms = by_kind(made(read(PLATFORM), {"Established": established}), "AWS::CloudWatch::Alarm")
            self.assertEqual(alarms["SweeperOverdueAlarm"]["TreatMissingData"], wanted)
            # CloudWatch begins each alarm with insufficient data, and only a change runs actions.
            self.assertEqual(alarms["SweeperOverdueAlarm"]["InsufficientDataActions"], ["<NotificationTopic>"])

    def test_nothing_else_breaches_for_want_of_data(self):
        alarms = by_kind(made(read(PLATFORM)), "AWS::CloudWatch::Alarm")
        self.assertEqual([n for n, a in alarms.items() if a["TreatMissingData"] == "breaching"], [])
        self.assertEqual([n for n, a in alarms.items() if "OKActions" in a], [])


class ChoiceTest(unittest.TestCase):
    """What a parameter adds, and that its default leaves it out."""

    @classmethod
    def setUpClass(cls):
        cls.template = read(PLATFORM)
        cls.default = made(cls.template)

    def with_(self, **parameters):
        return made(self.template, parameters)

    def links(self, resources):
        functions = by_kind(resources, "AWS::Lambda::Function").values()
        return {f["Environment"]["Variables"]["LINK_BASE"] for f in functions if "LINK_BASE" in f["Environment"]["Variables"]}

    def test_links_lead_to_the_domain_and_else_to_the_api(self):
        self.assertEqual(self.links(self.default), {"https://<ConfirmApi>.execute-api.us-east-1.amazonaws.com"})
        with_domain = self.with_(**DOMAIN)
        self.assertEqual(self.links(with_domain), {"https://confirm.example.org"})
        self.assertEqual(self.links(self.with_(**DOMAIN, LinkBase="https://front.example.org")), {"https://front.example.org"})
        self.assertEqual(set(with_domain) - set(self.default), {"ConfirmDomain", "ConfirmDomainMapping"})

    def test_reserved_concurrency_is_left_to_the_account_unless_it_is_asked_for(self):
        for name in ("Confirm", "Outbox", "Feedback", "Sweeper"):
            function = by_kind(self.with_(**{f"ReservedFor{name}": "5"}), "AWS::Lambda::Function")[f"{name}Function"]
            self.assertEqual(function["ReservedConcurrentExecutions"], "5")
        reserving = [n for n, f in by_kind(self.default, "AWS::Lambda::Function").items() if "ReservedConcurrentExecutions" in f]
        self.assertEqual(reserving, [])

    def test_tables_use_the_key_that_costs_nothing_unless_the_accounts_is_asked_for(self):
        for resources, wanted in [(self.default, None), (self.with_(TableKey="managed"), {"SSEEnabled": True})]:
            for name, table in by_kind(resources, "AWS::DynamoDB::Table").items():
                self.assertEqual(table.get("SSESpecification"), wanted, name)

    def test_the_topic_of_notices_is_encrypted_with_a_key_that_ses_may_use(self):
        self.assertNotIn("KmsMasterKeyId", by_kind(self.default, "AWS::SNS::Topic")["FeedbackTopic"])
        resources = self.with_(FeedbackKey="customer")
        self.assertEqual(by_kind(resources, "AWS::SNS::Topic")["FeedbackTopic"]["KmsMasterKeyId"], "<FeedbackTopicKey>")
        policy = by_kind(resources, "AWS::KMS::Key")["FeedbackTopicKey"]["KeyPolicy"]["Statement"]
        use = next(s for s in policy if s["Sid"] == "SesAndTopicUse")
        self.assertIn("ses.amazonaws.com", use["Principal"]["Service"])
        self.assertEqual(set(use["Action"]), {"kms:GenerateDataKey", "kms:Decrypt"})

    def test_functions_may_trace_only_where_they_do(self):
        for tracing in ("PassThrough", "Active"):
            resources = self.with_(Tracing=tracing)
            roles = json.dumps(by_kind(resources, "AWS::IAM::Role"))
            self.assertEqual(roles.count("xray:PutTraceSegments"), FUNCTIONS if tracing == "Active" else 0)
            modes = {f["TracingConfig"]["Mode"] for f in by_kind(resources, "AWS::Lambda::Function").values()}
            self.assertEqual(modes, {tracing})

    def test_no_link_is_logged_and_an_address_only_on_request(self):
        formats = {}
        for choice in ("none", "requests", "addresses"):
            stage = by_kind(self.with_(LinkLog=choice), "AWS::ApiGatewayV2::Stage")["ConfirmApiStage"]
            formats[choice] = stage.get("AccessLogSettings", {}).get("Format", "")
        for said in formats.values():
            for word in ("$context.path", "rawPath", "$context.http.path", "authorizer"):
                self.assertNotIn(word, said)
        self.assertEqual(formats["none"], "")
        self.assertEqual([c for c, said in formats.items() if "sourceIp" in said], ["addresses"])
        for choice in ("requests", "addresses"):
            self.assertIn("status", json.loads(formats[choice]))

    def test_the_topic_lets_in_its_own_stage_and_no_other(self):
        (statement,) = by_kind(self.default, "AWS::SNS::TopicPolicy")["FeedbackTopicPolicy"]["PolicyDocument"]["Statement"]
        arns = statement["Condition"]["ArnLike"]["aws:SourceArn"]
        self.assertEqual([arn.split("/")[1] for arn in arns], ["acequia-dev", "acequia-dev-*"])

    def test_a_key_of_the_archive_encrypts_its_bucket_and_its_functions_may_use_it(self):
        key = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
        for resources, wanted in [(self.default, None), (self.with_(ArchiveKmsKey=key), key)]:
            bucket = by_kind(resources, "AWS::S3::Bucket")["ArchiveBucket"]
            (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
            self.assertEqual(rule["ServerSideEncryptionByDefault"].get("KMSMasterKeyID"), wanted)
            uses = {}
            for name, role in by_kind(resources, "AWS::IAM::Role").items():
                for policy in role.get("Policies", []):
                    for statement in policy["PolicyDocument"]["Statement"]:
                        if statement.get("Sid") == "UseArchiveKey":
                            uses[name] = (statement["Action"], statement["Resource"])
            write, read = ["kms:GenerateDataKey"], ["kms:Decrypt", "kms:GenerateDataKey"]
            self.assertEqual(uses, {"ArchiveRole": (write, key), "CompactRole": (read, key)} if wanted else {})

    def test_schedules_are_invoked_for_this_account_alone_and_once(self):
        schedules = by_kind(self.default, "AWS::Scheduler::Schedule")
        self.assertEqual(len(schedules), 5, "the sweep, the watch, the outbox, compaction and replays")
        for name, schedule in schedules.items():
            target = schedule["Target"]
            role = self.default[target["RoleArn"][1:].removesuffix(".Arn>")]["Properties"]["AssumeRolePolicyDocument"]
            self.assertEqual(role["Statement"][0]["Condition"], {"StringEquals": {"aws:SourceAccount": "123456789012"}}, name)
            self.assertEqual(target["RetryPolicy"], {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}, name)
        configured = by_kind(self.default, "AWS::Lambda::EventInvokeConfig").values()
        self.assertEqual({c["FunctionName"] for c in configured}, {"<SweeperFunction>", "<OutboxFunction>", "<CompactFunction>", "<ReplayFunction>"})
        for config in configured:
            self.assertEqual((config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]), (0, 60))


class WatchedTest(unittest.TestCase):
    """Alarms on DynamoDB and SES name metrics as AWS has them: another dimension would be another metric, and never a word of it."""

    @classmethod
    def setUpClass(cls):
        cls.resources = made(read(PLATFORM))
        cls.watched = {
            (alarm["MetricName"], *(f"{d['Name']}={d['Value']}" for d in alarm.get("Dimensions", [])))
            for alarm in by_kind(cls.resources, "AWS::CloudWatch::Alarm").values()
            if alarm.get("Namespace") in ("AWS/DynamoDB", "AWS/SES")
        }

    def test_every_table_is_watched_for_throttles_its_index_too_and_for_failures_by_an_operation_that_is_used(self):
        used = json.dumps(by_kind(self.resources, "AWS::IAM::Role"))
        wanted = set()
        for name, table in by_kind(self.resources, "AWS::DynamoDB::Table").items():
            of_table = f"TableName=<{name}>"
            wanted |= {("ReadThrottleEvents", of_table), ("WriteThrottleEvents", of_table)}
            for index in table.get("GlobalSecondaryIndexes", []):
                wanted.add(("WriteThrottleEvents", of_table, f"GlobalSecondaryIndexName={index['IndexName']}"))
            (failing,) = [found for found in self.watched if found[:2] == ("SystemErrors", of_table)]
            self.assertIn(f"dynamodb:{failing[2].removeprefix('Operation=')}", used)
            wanted.add(failing)
        wanted |= {("Reputation.BounceRate",), ("Reputation.ComplaintRate",)}
        self.assertEqual(self.watched, wanted)


class RuleTest(unittest.TestCase):
    """What CloudFormation refuses before it makes anything."""

    def refused(self, path, **parameters):
        template = read(path)
        return Resolver(translate(deepcopy(template), parameters), parameters).broken_rules()

    def test_local_egress_is_refused_elsewhere(self):
        self.assertEqual(len(self.refused(PLATFORM, Egress="local")), 1)
        self.assertEqual(self.refused(PLATFORM, Egress="local", Stage="local"), [])

    def test_a_domain_and_its_certificate_go_together(self):
        for name, value in DOMAIN.items():
            self.assertEqual(len(self.refused(PLATFORM, **{name: value})), 1)
        self.assertEqual(self.refused(PLATFORM, **DOMAIN), [])

    def test_a_large_batch_needs_a_window(self):
        for size, window, wrong in [("10", "0", 0), ("11", "0", 1), ("25", "1", 0), ("1", "0", 0)]:
            found = self.refused(TENANT, TenantId="acme", BatchSize=size, BatchWindow=window)
            self.assertEqual(len(found), wrong, (size, window))

    def test_the_defaults_are_taken(self):
        self.assertEqual(self.refused(PLATFORM), [])
        self.assertEqual(self.refused(TENANT, TenantId="acme"), [])


if __name__ == "__main__":
    unittest.main()
