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

    def test_what_the_doctor_asks_is_allowed_by_the_actions_and_resources_that_aws_names(self):
        setting = "/ssm/parameter-store/high-throughput-enabled"
        self.aws.iam.create_role(
            RoleName="looked-at",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
        )
        looked_at = f"arn:aws:iam::{ACCOUNT}:role/looked-at"
        allowed = [
            {"Effect": "Allow", "Action": "ssm:GetServiceSetting", "Resource": f"arn:aws:ssm:us-east-1:{ACCOUNT}:servicesetting{setting}"},
            {"Effect": "Allow", "Action": "iam:SimulatePrincipalPolicy", "Resource": f"arn:aws:iam::{ACCOUNT}:role/*"},
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        policy = self.aws.iam.create_policy(PolicyName="doctor", PolicyDocument=document)["Policy"]["Arn"]
        by = self.client_of(self.role(policy, "doctor"))
        self.assertIn("SettingValue", by.ssm.get_service_setting(SettingId=setting)["ServiceSetting"])
        other = "/ssm/parameter-store/default-parameter-tier"
        self.refused("AccessDeniedException", by.ssm.get_service_setting, SettingId=other)
        by.iam.simulate_principal_policy(PolicySourceArn=looked_at, ActionNames=["sqs:SendMessage"])
        user = f"arn:aws:iam::{ACCOUNT}:user/somebody"
        self.refused("AccessDenied", by.iam.simulate_principal_policy, PolicySourceArn=user, ActionNames=["sqs:SendMessage"])

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}/{name}"

    def role(self, policy: str, name: str = "somebody") -> str:
        root = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [root]})
        arn = self.aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        self.aws.iam.attach_role_policy(RoleName=name, PolicyArn=policy)
        return arn

    def assume(self, role: str, narrowed: dict | None = None):
        return self.client_of(role, narrowed).sqs

    def client_of(self, role: str, narrowed: dict | None = None) -> Client:
        policy = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [narrowed]})} if narrowed else {}
        made = self.aws.sts.assume_role(RoleArn=role, RoleSessionName="test", **policy)["Credentials"]
        client = Client(self.port, made["AccessKeyId"], made["SecretAccessKey"])
        client.options["aws_session_token"] = made["SessionToken"]
        return client


if __name__ == "__main__":
    unittest.main()
