"""IAM: which action a call asks for, where the emulator asks for one that AWS does not know."""

from ministack.core import iam_actions

# AWS knows no actions of the batch calls: each is allowed by the action of its single call.
BATCH_CALLS = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}


def of_single_call(extract):
    """Maps SQS's batch calls to the action that a policy written for AWS names."""

    def extracted(*args, **named):
        action = extract(*args, **named)
        return BATCH_CALLS.get(action, action)

    return extracted


def apply() -> None:
    """Fills the holes of this module."""
    iam_actions.extract_iam_action = of_single_call(iam_actions.extract_iam_action)
