"""What `adopt.py` gives to CloudFormation, without one; test_deployed.py has it done by the local AWS."""

import json
import unittest

from botocore.exceptions import ClientError
from cfnlint.api import ManualArgs, lint

from adopt import KINDS, RETAINED, import_template, left
from stack import PLATFORM, TENANT, made, read

# CloudFormation's most for a template that is sent with the call.
LARGEST_BODY = 51_200
KINDS_OF_A_TENANT = {"Stage": "dev", "TenantId": "acme", "Webhook": "enabled", "Email": "enabled", "Forward": "enabled", "OutQueue": "fifo"}


def retained(template, parameters=None):
    """The logical ids of what a stack with these parameters leaves."""
    return [name for name, body in made(template, parameters).items() if body.get("DeletionPolicy") in RETAINED and body["Type"] in KINDS]


class Account:
    """Clients of an account that has queues of these names and nothing else."""

    def __init__(self, *queues, fault="QueueDoesNotExist"):
        self.queues, self.fault = queues, fault

    def __call__(self, service):
        return self

    def get_queue_url(self, QueueName):
        if QueueName in self.queues:
            return {"QueueUrl": f"https://sqs/{QueueName}"}
        raise ClientError({"Error": {"Code": self.fault, "Message": ""}}, "GetQueueUrl")


class ImportTemplateTest(unittest.TestCase):
    """A template that has what is imported, and nothing that would have to be made."""

    def test_everything_that_outlives_a_stack_can_be_taken_back(self):
        for path, parameters in [(PLATFORM, {}), (TENANT, KINDS_OF_A_TENANT)]:
            resources = made(read(path), parameters)
            kept = {name: body["Type"] for name, body in resources.items() if body.get("DeletionPolicy") == "RetainExceptOnCreate"}
            self.assertGreater(len(kept), 9)
            self.assertLessEqual(set(kept.values()), set(KINDS))

    def test_it_is_small_and_right_and_makes_nothing_else(self):
        for path, parameters in [(PLATFORM, {}), (TENANT, KINDS_OF_A_TENANT)]:
            template = read(path)
            names = retained(template, parameters)
            whole = import_template(template, names)
            self.assertEqual(set(whole), {"AWSTemplateFormatVersion", "Parameters", "Conditions", "Resources"})
            self.assertEqual(list(whole["Resources"]), names)
            text = json.dumps(whole, separators=(",", ":"))
            self.assertLess(len(text.encode()), LARGEST_BODY)
            errors = [match for match in lint(text, config=ManualArgs(regions=["us-east-1"])) if match.rule.id.startswith("E")]
            self.assertEqual(errors, [])

    def test_what_refers_to_a_resource_that_is_gone_is_left_to_the_deployment(self):
        template = read(TENANT)
        both = import_template(template, ["IntakeQueue", "IntakeDlq"])["Resources"]["IntakeQueue"]["Properties"]
        alone = import_template(template, ["IntakeQueue"])["Resources"]["IntakeQueue"]["Properties"]
        self.assertEqual(set(both) - set(alone), {"RedrivePolicy"})
        self.assertEqual(alone["QueueName"], both["QueueName"])


class LeftTest(unittest.TestCase):
    """What is there is found by its name, with the parameters that the stack is to have."""

    def test_only_what_exists_and_is_wanted_is_taken(self):
        account = Account("acequia_dev_acme_intake", "acequia_dev_acme_webhook", "acequia_dev_birch_intake")
        wanted = {"Stage": "dev", "TenantId": "acme"}
        self.assertEqual(left(read(TENANT), wanted, account), {"IntakeQueue": {"QueueUrl": "https://sqs/acequia_dev_acme_intake"}})
        self.assertEqual(list(left(read(TENANT), wanted | {"Webhook": "enabled"}, account)), ["IntakeQueue", "WebhookQueue"])
        self.assertEqual(left(read(TENANT), wanted | {"Ordered": "enabled"}, account), {})

    def test_what_may_not_be_looked_at_is_not_taken_for_missing(self):
        with self.assertRaisesRegex(ClientError, "AccessDenied"):
            left(read(TENANT), {"TenantId": "acme"}, Account(fault="AccessDenied"))


if __name__ == "__main__":
    unittest.main()
