"""Where the emulator differs from AWS in a way that matters to Acequia. Each function says what AWS does.

Every fill replaces one function of the emulator in process, so its pinned version is used unchanged, and has a test in
test_local_aws.py that fails without it.
"""

from . import alarm, api, cloudformation, dynamodb, event_source, lambda_functions, mail, metrics, permission, queue


def apply() -> None:
    """Fills every hole. To be called once, before the server starts."""
    for module in (alarm, api, cloudformation, dynamodb, event_source, lambda_functions, mail, metrics, permission, queue):
        module.apply()
