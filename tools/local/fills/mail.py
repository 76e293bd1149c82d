"""SES: the resources that sending a mail is authorised on, the addresses that it refuses, and the events that it publishes of each mail."""

import json
import logging
import re
from datetime import datetime, timezone
from email.utils import parseaddr

from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region
from ministack.services import ses, ses_v2, sns

# What SES publishes to the topic of an event destination when that is made; AWS says so in no document, and everybody
# gets it.
GREETING = "Successfully validated SNS topic for Amazon SES event publishing."
SENDING = ("/v2/email/outbound-emails", "/v2/email/outbound-bulk-emails")


def sending_resources(body: bytes) -> list[str]:
    """AWS authorises SendEmail on the sender's identity (the address if that is one, or else its domain) and on the
    configuration set. The emulator asks for `*`, so that a policy that names them is refused.
    """
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return []
    start = f"arn:aws:ses:{get_region()}:{get_account_id()}"
    address = parseaddr(data.get("FromEmailAddress") or "")[1]
    identity = address if address in ses_v2._identities else address.rpartition("@")[2]
    resources = [data.get("FromEmailAddressIdentityArn") or f"{start}:identity/{identity}"]
    if data.get("ConfigurationSetName"):
        resources.append(f"{start}:configuration-set/{data['ConfigurationSetName']}")
    return resources


LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
ATOMS = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.IGNORECASE)


def illness(mailbox: str) -> str | None:
    """What SES says of an address, or of a name with one, that it does not take: both are ASCII, as it has no SMTPUTF8, the domain in
    punycode and a name in encoded words. A name with a comma stands in quotation marks, or is two addresses.
    """
    name, bracket, rest = mailbox.rpartition("<")
    address = rest.removesuffix(">") if bracket else mailbox
    local, at, domain = address.rpartition("@")
    if not at or not domain:
        return "Missing final '@domain'"
    if not local:
        return "Missing local name"
    quoted = name.strip().startswith('"') and name.strip().endswith('"') and len(name.strip()) > 1
    if not name.isascii() or (bracket and not rest.endswith(">")) or (not quoted and re.search(r'[(),:;<>@[\]"\\]', name)):
        return "Illegal address"
    if not local.isascii() or re.search(r"[\x00-\x20\x7f]", local):
        return "Local address contains control or whitespace"
    if len(local) > 64 or not ATOMS.fullmatch(local):
        return "Local address contains illegal character"
    if not domain.isascii() or not all(LABEL.fullmatch(label) for label in domain.split(".")) or len(address) > 254:
        return "Domain contains illegal character"
    return None


def refusal(request: dict) -> str | None:
    """What SES says of a mail that it does not take for one of its addresses."""
    destination = request.get("Destination", {})
    groups = [destination.get(kind, []) for kind in ("ToAddresses", "CcAddresses", "BccAddresses")] + [request.get("ReplyToAddresses", [])]
    mailboxes = [request.get("FromEmailAddress") or "", *(mailbox for group in groups for mailbox in group)]
    return next(filter(None, map(illness, mailboxes)), None)


def events(request: dict, message_id: str):
    """What SES publishes of one mail: it was sent, and then, of each recipient, what became of it. The addresses of the
    mailbox simulator (`bounce+anything@simulator.amazonses.com`, `complaint@...`) bounce and complain as on AWS, where a
    label behind a plus makes as many of them as are wanted.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    recipients = [parseaddr(address)[1] for address in request.get("Destination", {}).get("ToAddresses", [])]
    tags = {tag["Name"]: [tag["Value"]] for tag in request.get("EmailTags", [])}
    mail = {
        "timestamp": now,
        "source": request.get("FromEmailAddress", ""),
        "sendingAccountId": get_account_id(),
        "messageId": message_id,
        "destination": recipients,
        "tags": tags | {"ses:configuration-set": [request.get("ConfigurationSetName", "")]},
    }
    yield "SEND", {"eventType": "Send", "mail": mail, "send": {}}
    for recipient in recipients:
        local, _, domain = recipient.lower().partition("@")
        outcomes = ses._SIMULATOR_OUTCOMES.get(local.split("+")[0]) if domain == ses._SIMULATOR_DOMAIN else None
        for kind, subtype in outcomes or (("Delivery", None),):
            detail = ses._notification_detail(kind, recipient, now, subtype)
            yield kind.upper(), {"eventType": kind, "mail": mail, **detail}


def publish(request: dict, message_id: str) -> None:
    """SES publishes to the topics of the mail's configuration set, where their policies let it. The emulator keeps the
    destinations, and tells them nothing.
    """
    name = request.get("ConfigurationSetName")
    destinations = (ses_v2._config_sets.get(name) or {}).get("EventDestinations") or {}
    for kind, event in events(request, message_id):
        for destination in destinations.values():
            if destination["Enabled"] and kind in destination["MatchingEventTypes"]:
                tell(name, destination, json.dumps(event))


def tell(name: str, destination: dict, text: str) -> None:
    """Publishes to the topic of an event destination, if it has one and its policy lets SES."""
    topic = destination.get("SnsDestination", {}).get("TopicArn")
    source = f"arn:aws:ses:{get_region()}:{get_account_id()}:configuration-set/{name}"
    if not topic:
        return
    if sns.topic_policy_allows(topic, "ses.amazonaws.com", source, get_account_id()):
        sns.publish_internal(topic, text, "Amazon SES Email Event Notification")
    else:
        logging.getLogger("ses").warning("the policy of %s lets SES not publish", topic)


def apply() -> None:
    """Fills the holes of this module."""
    resource_of, enforce = iam_actions._ses_v2_resource_arn, app._enforce_ses_v2
    turn = {"resource": None}  # requests are authorised one after the other, on the event loop

    def resource(method, path, body, region, account):
        if path in SENDING and turn["resource"]:
            return turn["resource"]
        return resource_of(method, path, body, region, account)

    def enforced(method, path, headers, body, query_params, request_id):
        resources = sending_resources(body) if path in SENDING else []
        try:
            for turn["resource"] in resources or [None]:
                if denied := enforce(method, path, headers, body, query_params, request_id):
                    return denied
        finally:
            turn["resource"] = None
        return None

    put = ses_v2._put_event_destination

    def greeted(name, dest_name, definition, *, create):
        error = put(name, dest_name, definition, create=create)
        if create and error is None:
            tell(name, ses_v2._config_sets[name]["EventDestinations"][dest_name], GREETING)
        return error

    handle = ses_v2.handle_request

    async def handled(method, path, headers, body, query_params):
        sends = method == "POST" and path.rstrip("/") == SENDING[0]
        if sends and (problem := refusal(json.loads(body))):
            return ses_v2._json_err("BadRequestException", problem)
        answer = await handle(method, path, headers, body, query_params)
        if sends and answer[0] == 200:
            request, message_id = json.loads(body), json.loads(answer[2])["MessageId"]
            unkept[message_id] = {
                "ReplyTo": request.get("ReplyToAddresses", []),
                "Headers": request.get("Content", {}).get("Simple", {}).get("Headers", []),
                "Tags": request.get("EmailTags", []),
                "ConfigurationSetName": request.get("ConfigurationSetName"),
            }
            publish(request, message_id)
        return answer

    # What the emulator does not keep of a mail, for tests that read it back.
    unkept = {}
    look = app._handle_ses_messages_request

    async def looked(method, path, headers, query_params):
        answer = await look(method, path, headers, query_params)
        if answer is None or answer[0] != 200:
            return answer
        found = json.loads(answer[2])
        for mail in (mail for mails in found["messages"].values() for mail in mails):
            mail.update(unkept.get(mail["MessageId"], {}))
        return answer[0], answer[1], json.dumps(found).encode()

    app._handle_ses_messages_request = looked
    ses_v2.handle_request = handled
    ses_v2._put_event_destination = greeted
    iam_actions._ses_v2_resource_arn = resource
    app._enforce_ses_v2 = enforced
