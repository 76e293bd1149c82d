"""cfn-lint on what SAM makes of the platform's template, and on the tenants', with other values of parameters as defaults."""

import json
import unittest

from cfnlint.api import ManualArgs, lint

from stack import PLATFORM, ROOT, TENANT, read, translate

# Defaults, and the other side of each choice.
CHOICES = [
    {},
    {
        "Established": "yes",
        "Architecture": "arm64",
        "Tracing": "Active",
        "TableKey": "managed",
        "FeedbackKey": "customer",
        "LinkDomain": "confirm.example.org",
        "LinkCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
        "ApiDomain": "events.example.org",
        "ApiCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
        "ApiOrigins": "https://forms.example.org",
        "AuditBucket": "audit-of-the-organisation",
        "JwtIssuer": "https://id.example.org/",
        "JwtAudience": "acequia",
        "JwtJwksUrl": "https://id.example.org/keys",
        "LinkLog": "addresses",
        "ForwardTargetArns": "arn:aws:sqs:us-east-1:123456789012:crm",
        "EventBusArns": "arn:aws:events:us-east-1:123456789012:event-bus/crm",
        "WarmReads": "40000",
        "WarmWrites": "20000",
        "ReservedForConfirm": "5",
        "ReservedForOutbox": "5",
        "ReservedForFeedback": "5",
        "ReservedForSweeper": "2",
    },
]


def found(template):
    """What cfn-lint finds, a line each."""
    text = json.dumps(template)
    matches = lint(text, config=ManualArgs(regions=["us-east-1"]))
    return [f"{match.rule.id} {match.message}" for match in matches]


class LintTest(unittest.TestCase):
    """Errors and warnings of cfn-lint; there are none."""

    def test_the_platform_as_sam_translates_it(self):
        for choice in CHOICES:
            translated = translate(read(PLATFORM), choice)
            for name, value in choice.items():
                translated["Parameters"][name]["Default"] = value
            self.assertEqual(found(translated), [])

    def test_the_tenants_templates(self):
        for path in (TENANT, ROOT / "infra" / "tenant-mail.yaml", ROOT / "infra" / "tenant-kafka.yaml"):
            self.assertEqual(found(read(path)), [])

    def test_what_is_wrong_is_found(self):
        translated = translate(read(PLATFORM))
        translated["Resources"]["FeedbackQueue"]["Properties"]["MessageRetentionPeriod"] = 1209601
        self.assertEqual(len(found(translated)), 1)


if __name__ == "__main__":
    unittest.main()
