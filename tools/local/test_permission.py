"""Tests of the local AWS: IAM's managed policies, with what Acequia relies on."""

import json
import unittest

from started import ACCOUNT, Client, Started, until


class ManagedPolicies(Started):
    """What the policies of operators and producers rely on."""

    def test_a_managed_policy_of_a_stack_is_enforced_and_its_arn_is_exported(self):
        for name in ("mine", "other"):
            self.aws.sqs.create_queue(QueueName=name)
        arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}"
        allowed = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"{arn}:mine"}
        template = {
            "Resources": {
                "Policy": {
                    "Type": "AWS::IAM::ManagedPolicy",
                    "Properties": {"PolicyDocument": {"Version": "2012-10-17", "Statement": [allowed]}},
                }
            },
            "Outputs": {"Arn": {"Value": {"Ref": "Policy"}, "Export": {"Name": "the-policy"}}},
        }
        self.aws.cloudformation.create_stack(StackName="policies", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"])
        exports = until(lambda: self.aws.cloudformation.list_exports()["Exports"], "exported")
        policy = next(export["Value"] for export in exports if export["Name"] == "the-policy")
        role = self.role(policy)
        send = {"MessageBody": "x"}
        by = self.assume(role)
        by.send_message(QueueUrl=self.url("mine"), **send)
        self.assertIn("sqs:SendMessage", self.refused("AccessDenied", by.send_message, QueueUrl=self.url("other"), **send))
        # A session policy is the most that a session may do, and gives nothing that its role has not.
        narrowed = self.assume(role, {"Effect": "Deny", "Action": "sqs:SendMessage", "Resource": "*"})
        self.refused("AccessDenied", narrowed.send_message, QueueUrl=self.url("mine"), **send)
        widened = self.assume(role, {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"})
        widened.send_message(QueueUrl=self.url("mine"), **send)
        self.refused("AccessDenied", widened.send_message, QueueUrl=self.url("other"), **send)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}/{name}"

    def role(self, policy: str) -> str:
        root = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [root]})
        arn = self.aws.iam.create_role(RoleName="somebody", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        self.aws.iam.attach_role_policy(RoleName="somebody", PolicyArn=policy)
        return arn

    def assume(self, role: str, narrowed: dict | None = None):
        policy = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [narrowed]})} if narrowed else {}
        made = self.aws.sts.assume_role(RoleArn=role, RoleSessionName="test", **policy)["Credentials"]
        client = Client(self.port, made["AccessKeyId"], made["SecretAccessKey"])
        client.options["aws_session_token"] = made["SessionToken"]
        return client.sqs


if __name__ == "__main__":
    unittest.main()
