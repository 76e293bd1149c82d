"""SES: the resources that sending a mail is authorised on."""

import json
from email.utils import parseaddr

from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region
from ministack.services import ses_v2

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

    iam_actions._ses_v2_resource_arn = resource
    app._enforce_ses_v2 = enforced
