"""Another value of a parameter reaches the functions that callers invoke, by SAM's own translator.

    .venv/sam/bin/python -m unittest discover --start-directory tools/template
"""

import copy
import re
import unittest

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from stack import FUNCTIONS, PLATFORM, made, read, values

# Another value of each parameter that has no list of values and is no number.
OTHERS = {
    "Stage": "prod",
    "ForwardTargetArns": "arn:aws:sqs:us-east-1:123456789012:crm",
    "EventBusArns": "arn:aws:events:us-east-1:123456789012:event-bus/crm",
    "LinkBase": "https://confirm.example.org",
    "LinkDomain": "confirm.example.org",
    "LinkCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
    "ApiDomain": "events.example.org",
    "ApiCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
    "ApiOrigins": "https://forms.example.org",
    "ArchiveKmsKey": "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012",
    "AuditBucket": "audit-of-the-organisation",
    "JwtIssuer": "https://id.example.org/",
    "JwtAudience": "acequia",
    "JwtJwksUrl": "https://id.example.org/keys",
    "JwtTenantClaim": "org",
    "JwtScopeClaim": "permissions",
    "TableSubnetIds": "subnet-0123456789abcdef0",
    "TableSecurityGroupIds": "sg-0123456789abcdef0",
    "DatabaseUserArns": "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKL01234/acequia",
    "NotificationEmail": "ops@example.org",
    "Version": "1.2.3-0123456789ab",
}
# What goes only together with another.
TOGETHER = [
    ("LinkDomain", "LinkCertificateArn"),
    ("ApiDomain", "ApiCertificateArn"),
    ("TableSubnetIds", "TableSecurityGroupIds"),
    ("JwtIssuer", "JwtAudience", "JwtJwksUrl", "JwtTenantClaim", "JwtScopeClaim"),
]
COMPANIONS = {name: names for names in TOGETHER for name in names}
# What a version does not hold, so that a change of it alone publishes none: Lambda keeps it beside the versions.
NOT_IN_A_VERSION = {"Tags", "ReservedConcurrentExecutions"}
# Long descriptions are refused (API of PublishVersion).
LONGEST_DESCRIPTION = 256


def other(name, body):
    """Another value than the default."""
    if "AllowedValues" in body:
        return next(str(value) for value in body["AllowedValues"] if str(value) != str(body["Default"]))
    if body["Type"] == "Number":
        return str(body["MaxValue"] if str(body["Default"]) != str(body["MaxValue"]) else body["MinValue"])
    return OTHERS[name]


def functions(resources):
    """Each function with what its versions hold, and the version that its alias points to."""
    found = {}
    for name, resource in resources.items():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        held = {key: value for key, value in resource["Properties"].items() if key not in NOT_IN_A_VERSION}
        alias = resources[f"{name}Aliaslive"]["Properties"]
        version = alias["FunctionVersion"].removeprefix("<").removesuffix(".Version>")
        found[name] = (held, version, resources[version])
    return found


def replaced_on_update(kind):
    """The properties by whose change CloudFormation replaces a resource: AWS's own schema."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return {path.removeprefix("/properties/") for path in schema["createOnlyProperties"]}


def unpublished(template, first, second, code=("code", "code")):
    """The functions that change without a new version, or get one without a change: Lambda refuses that."""
    before, after = (functions(made(template, p, c)) for p, c in zip((first, second), code))
    keys = replaced_on_update("AWS::Lambda::Version")
    new_function = replaced_on_update("AWS::Lambda::Function")
    wrong = set()
    for name, (held, version, body) in before.items():
        held_then, version_then, body_then = after[name]
        if any(held.get(key) != held_then.get(key) for key in new_function):
            continue
        pinned, pinned_then = ({k: v for k, v in b["Properties"].items() if k in keys} for b in (body, body_then))
        published = version != version_then or pinned != pinned_then
        if published != (held != held_then):
            wrong.add(name)
    return wrong


def changed(template, parameter):
    """Parameters with another value of this one."""
    wanted = {parameter, *COMPANIONS.get(parameter, ())}
    return {name: other(name, template["Parameters"][name]) for name in wanted if name in template["Parameters"]}


class VersionsTest(unittest.TestCase):
    """A version is published whenever a function changes, and only then."""

    @classmethod
    def setUpClass(cls):
        cls.template = read(PLATFORM)

    def test_every_function_is_called_by_a_version(self):
        self.assertEqual(len(functions(made(self.template))), FUNCTIONS)

    def test_cloudformation_replaces_a_version_whose_description_changes(self):
        self.assertLessEqual({"Description", "FunctionName"}, replaced_on_update("AWS::Lambda::Version"))

    def test_each_parameter_that_reaches_a_function_publishes_a_version_of_it(self):
        reaching = set()
        for parameter in self.template["Parameters"]:
            with self.subTest(parameter=parameter):
                values_then = changed(self.template, parameter)
                self.assertEqual(unpublished(self.template, {}, values_then), set())
                before, after = (functions(made(self.template, p)) for p in ({}, values_then))
                reaching |= {parameter} if any(before[name][0] != after[name][0] for name in before) else set()
        expected = {"Architecture", "Egress", "LinkBase", "LogLevel", "MailRate", "SampleRate", "Stage", "Tracing"}
        self.assertLessEqual(expected, reaching)

    def test_equal_parameters_publish_nothing(self):
        first, second = (made(self.template, {"MailRate": "50"}) for _ in range(2))
        self.assertEqual(first, second)

    def test_other_code_publishes_a_version_of_every_function(self):
        self.assertEqual(unpublished(self.template, {}, {}, ("code", "other")), set())

    def test_a_parameter_that_a_description_forgets_is_found(self):
        for function, parameter in [("EmailFunction", "MailRate"), ("WebhookFunction", "LogLevel")]:
            forgetful = copy.deepcopy(self.template)
            properties = forgetful["Resources"][function]["Properties"]
            for key in ("Description", "VersionDescription"):
                text = properties[key]["Fn::Sub"]
                words = "${%s}" % parameter
                shorter = text.replace(words, "") if isinstance(text, str) else [text[0].replace(words, ""), text[1]]
                properties[key]["Fn::Sub"] = shorter
            self.assertEqual(unpublished(forgetful, {}, changed(forgetful, parameter)), {function})

    def test_a_description_is_short_enough_with_the_longest_values(self):
        longest = {
            name: max((str(v) for v in body["AllowedValues"]), key=len)
            for name, body in self.template["Parameters"].items()
            if "AllowedValues" in body
        }
        longest |= {"Stage": "local", "LinkBase": "https://" + "x" * 92, "MailRate": "100000", "SampleRate": "0.00000001"}
        for name, (held, _, version) in functions(made(self.template, longest)).items():
            self.assertEqual(held["Description"], version["Properties"]["Description"], name)
            self.assertLessEqual(len(held["Description"]), LONGEST_DESCRIPTION, name)

    def test_every_value_that_is_tried_is_one_that_the_template_takes(self):
        for name, body in self.template["Parameters"].items():
            value = changed(self.template, name)[name]
            self.assertNotEqual(value, values(self.template)[name], name)
            if "AllowedPattern" in body:
                self.assertRegex(value, re.compile(body["AllowedPattern"]), name)


if __name__ == "__main__":
    unittest.main()
