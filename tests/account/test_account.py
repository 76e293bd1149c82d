"""The whole way of an event through stacks in a real account. Run by `cargo xtask test --aws`, which deploys them and removes them."""

import json
import tempfile
import unittest
from pathlib import Path
from urllib.parse import quote

import boto3

from account import RUN, SENDER, STAGE, Door, Receiver, acequia, event, new_secret, read, run, signature, tenant_queue, until

# Words that may stand in no log.
PAYLOAD = "a-payload-that-no-log-may-have"

ALDER = """
tenant = "alder"
name = "Alder of the account's tests"

[[sinks]]
id = "hook"
kind = "webhook"
types = ["hook"]
url = "{receiver}/plain"
secrets = ["hook"]

[[sinks]]
id = "flaky"
kind = "webhook"
types = ["flaky"]
url = "{receiver}/flaky"
secrets = ["hook"]
retry = ["1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s"]

[[sinks]]
id = "out"
kind = "forward"
types = ["out"]
queue = "out"
"""
MAIL = """
[[sinks]]
id = "mail"
kind = "email"
types = ["mail"]
from = "Alder <{sender}>"
to = "{{{{ data.email }}}}"
subject = "Thank you"
text = "Dear {{{{ data.name }}}}, thank you."
"""
BIRCH = """
tenant = "birch"
name = "Birch of the account's tests"

[[sinks]]
id = "out"
kind = "forward"
types = ["out"]
queue = "out.fifo"
"""


class Account(unittest.TestCase):
    """Two tenants in the stage of the tests."""

    @classmethod
    def setUpClass(cls):
        cls.receiver = Receiver()
        cls.secret = new_secret()
        acequia("secret", "put", "alder", "hook", "--for", "webhook", "--value-stdin", text=cls.secret)
        alder = ALDER.format(receiver=cls.receiver.address) + (MAIL.format(sender=SENDER) if SENDER else "")
        for text in (alder, BIRCH):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "tenant.toml"
                file.write_text(text, encoding="utf-8")
                acequia("tenant", "apply", str(file), "--yes")

    def send(self, tenant: str, *bodies: str) -> None:
        acequia("send", tenant, "--file", "-", "--no-validate", text="\n".join(bodies) + "\n")

    def delivery(self, name: str) -> dict:
        """How the one delivery of an event stands in the ledger; nothing before it was routed."""
        done = run("--output", "json", "explain", "alder", f"/account|{name}-{RUN}")
        deliveries = json.loads(done.stdout).get("deliveries", []) if done.returncode == 0 else []
        return deliveries[0] if deliveries else {}

    def test_a_webhook_arrives_as_it_was_sent_and_signed(self):
        body = event("hook", "signed", note=PAYLOAD)
        self.send("alder", body)
        requests = until("the request", lambda: self.receiver.requests(f"signed-{RUN}"))
        self.assertEqual(requests[0]["body"], body)
        self.assertIn(signature(self.secret, requests[0]), requests[0]["headers"]["webhook-signature"].split(" "))
        until("its record", lambda: self.delivery("signed").get("status") == "delivered")

    def test_a_refused_webhook_is_tried_again_by_the_same_id(self):
        self.send("alder", event("flaky", "again"))

        def both():
            requests = self.receiver.requests(f"again-{RUN}")
            return requests if any(request["status"] == 204 for request in requests) else None

        requests = until("the second attempt", both)
        self.assertEqual({request["status"] for request in requests}, {503, 204})
        self.assertEqual(len({request["headers"]["webhook-id"] for request in requests}), 1)

    def test_an_event_comes_out_of_the_tenants_queue_as_it_was_sent(self):
        body = event("out", "forwarded")
        queue = tenant_queue("alder", "out")
        self.send("alder", body)
        message = until("the message", lambda: queue.holding(f"forwarded-{RUN}"))[0]
        self.assertEqual(message["Body"], body)
        self.assertEqual(message["MessageAttributes"]["acequia-tenant"]["StringValue"], "alder")

    def test_an_event_that_is_sent_twice_comes_out_of_a_fifo_queue_once(self):
        queue = tenant_queue("birch", "out.fifo")
        self.send("birch", event("out", "twice"), event("out", "twice"))
        until("the first", lambda: queue.holding(f"twice-{RUN}"))
        # Sent after both, and out of the same queue: what would have come twice is there by then.
        self.send("birch", event("out", "later"))
        until("the later one", lambda: queue.holding(f"later-{RUN}"))
        self.assertEqual(len(queue.holding(f"twice-{RUN}")), 1)

    def test_what_is_no_event_is_quarantined_with_the_reason(self):
        self.send("alder", "this is no event")
        found = until("the dead letter", lambda: read("dlq", "list", "alder").get("messages"))
        self.assertIn(("intake", "not-json"), [(message["queue"], message["reason"]) for message in found])

    def test_events_come_in_over_http_and_a_bad_one_costs_no_other(self):
        door, queue = Door("alder"), tenant_queue("alder", "out")
        body = event("out", "door", note="é")
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        status, answer, _ = door.send(body, "no event", traceparent=trace, Idempotency_Key=f'"{RUN}"')
        self.assertEqual((status, [result["status"] for result in answer["results"]]), (207, ["accepted", "refused"]))
        again, repeated, _ = door.send(body, "no event", Idempotency_Key=f'"{RUN}"')
        self.assertEqual((again, repeated), (207, answer))
        message = until("the message", lambda: queue.holding(f"door-{RUN}"))[0]
        self.assertEqual(message["Body"], body)
        self.assertEqual(message["MessageAttributes"]["traceparent"]["StringValue"], trace)
        until("its record", lambda: self.delivery("door").get("status") == "delivered")
        status, told, _ = door.call("GET", "/v1/tenants/alder/events/" + quote(f"/account|door-{RUN}", safe=""))
        self.assertEqual((status, told["trace_id"]), (200, trace.split("-")[1]))
        self.assertEqual(len(queue.holding(f"door-{RUN}")), 1)

    def test_the_door_refuses_by_problem_details(self):
        door = Door("alder")
        for path, key, wanted in [
            ("/v1/tenants/alder/events", "nonsense", 401),
            ("/v1/tenants/birch/events", None, 403),
            ("/v1/tenants/%2e%2e/events", None, 404),
            ("/v1//", None, 404),
        ]:
            status, problem, kind = door.call("POST", path, b"[]", key=key, Content_Type="application/cloudevents-batch+json")
            self.assertEqual((status, problem["status"], kind), (wanted, wanted, "application/problem+json"), path)

    @unittest.skipUnless(SENDER, "no --sender was named: an address that SES may send from")
    def test_a_mail_to_sess_mailbox_simulator_is_accepted(self):
        self.send("alder", event("mail", "mailed", email="success@simulator.amazonses.com", name="Ana"))
        until("its record", lambda: self.delivery("mailed").get("status") == "delivered")

    def test_no_log_has_a_payload(self):
        self.send("alder", event("hook", "logged", note=PAYLOAD))
        until("the request", lambda: self.receiver.requests(f"logged-{RUN}"))
        logs = boto3.client("logs")

        def lines() -> list[str]:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/acequia-{STAGE}-webhook")
            return [entry["message"] for page in pages for entry in page["events"]]

        # The line of metrics of that invocation comes after all that it could have said.
        said = until("the function's lines", lambda: [line for line in lines() if "_aws" in line])
        self.assertTrue(said)
        self.assertEqual([line for line in lines() if PAYLOAD in line or self.secret in line], [])


if __name__ == "__main__":
    unittest.main()
