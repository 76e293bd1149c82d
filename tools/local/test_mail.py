"""Tests of the local AWS: the addresses that SES takes, and those that it refuses."""

import unittest

from started import Started


class Addresses(Started):
    """SES has no SMTPUTF8: what it takes is ASCII, and of the shapes of RFC 5321."""

    def send(self, sender="hello@acme.example", to="ana@example.org", **more):
        return self.aws.sesv2.send_email(
            FromEmailAddress=sender,
            Destination={"ToAddresses": [to]},
            Content={"Simple": {"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "x"}}}},
            **more,
        )

    def setUp(self):
        self.aws.sesv2.create_email_identity(EmailIdentity="acme.example")

    def tearDown(self):
        self.aws.sesv2.delete_email_identity(EmailIdentity="acme.example")

    def test_an_address_that_is_ascii_is_taken_with_or_without_a_name(self):
        for sender in ("hello@acme.example", "Acme <hello@acme.example>", '"Acme, Inc" <hello@acme.example>', "=?UTF-8?B?w5E=?= <hello@acme.example>"):
            self.assertIn("MessageId", self.send(sender))
        self.assertIn("MessageId", self.send(to="ana@xn--mnchen-3ya.example"))

    def test_other_addresses_are_refused_as_ses_refuses_them(self):
        for to, words in (
            ("ana@m\u00fcnchen.example", "Domain contains illegal character"),
            ("jes\u00fas@example.org", "Local address contains control or whitespace"),
            ("ana maria@example.org", "Local address contains control or whitespace"),
            (".ana@example.org", "Local address contains illegal character"),
            ("ana@example..org", "Domain contains illegal character"),
            ("ana", "Missing final '@domain'"),
        ):
            self.assertIn(words, self.refused("BadRequestException", self.send, to=to))
        for sender in ("Acme, Inc <hello@acme.example>", "\u00d1and\u00fa <hello@acme.example>"):
            self.assertIn("Illegal address", self.refused("BadRequestException", self.send, sender=sender))
        self.assertIn("Domain", self.refused("BadRequestException", self.send, ReplyToAddresses=["ana@m\u00fcnchen.example"]))


if __name__ == "__main__":
    unittest.main()
