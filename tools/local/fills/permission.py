"""IAM: which action a call asks for and on what, where the emulator asks for what AWS does not."""

import json

from ministack.core import iam_actions

# AWS knows no actions of the batch calls: each is allowed by the action of its single call.
BATCH_CALLS = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}


def of_single_call(extract):
    """Maps SQS's batch calls to the action that a policy written for AWS names."""

    def extracted(service, method, *args, **named):
        action = extract(service, method, *args, **named)
        # To read a function's reserved concurrency is not to set it.
        if method == "GET" and action == "lambda:PutFunctionConcurrency":
            return "lambda:GetFunctionConcurrency"
        return BATCH_CALLS.get(action, action)

    return extracted


def of_what_is_named(extract):
    """Names the resource of two calls as AWS's Service Authorization Reference does: the emulator has `*` for both."""

    def extracted(service, method, path, headers, body, query_params, region, account_id):
        if service == "iam" and query_params.get("PolicySourceArn"):
            source = query_params["PolicySourceArn"]
            return source[0] if isinstance(source, list) else source
        if service == "ssm" and headers.get("x-amz-target", "").endswith(".GetServiceSetting"):
            setting = json.loads(body or b"{}").get("SettingId", "")
            return f"arn:aws:ssm:{region}:{account_id}:servicesetting/{setting.lstrip('/')}"
        return extract(service, method, path, headers, body, query_params, region, account_id)

    return extracted


def apply() -> None:
    """Fills the holes of this module."""
    iam_actions.extract_iam_action = of_single_call(iam_actions.extract_iam_action)
    iam_actions.extract_resource_arn = of_what_is_named(iam_actions.extract_resource_arn)
