"""CloudFormation: what a template's text becomes, and what a mapping's role must be allowed."""

from ministack.core import iam_evaluator
from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import dynamodb, lambda_svc
from ministack.services.cloudformation import provisioners

MAPPING_NUMBERS = (
    "BatchSize",
    "MaximumBatchingWindowInSeconds",
    "MaximumRetryAttempts",
    "MaximumRecordAgeInSeconds",
    "ParallelizationFactor",
    "TumblingWindowInSeconds",
)
ALARM_NUMBERS = ("Threshold", "Period", "EvaluationPeriods", "DatapointsToAlarm")
MAPPING_ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def number(value):
    """Reads a parameter's text as the number it stands for; anything else is left as it is."""
    if isinstance(value, str):
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    return value


def boolean(value):
    """Reads a parameter's text as the truth value it stands for."""
    return value.lower() == "true" if isinstance(value, str) else value


def mapping_properties(props: dict) -> dict:
    """AWS coerces numbers and truth values that come from parameters, which are text, to the property's type.

    The emulator keeps the text, also inside ScalingConfig, and its poller then fails for every mapping there is.
    """
    coerced = {name: number(value) if name in MAPPING_NUMBERS else value for name, value in props.items()}
    if "Enabled" in coerced:
        coerced["Enabled"] = boolean(coerced["Enabled"])
    if isinstance(coerced.get("ScalingConfig"), dict):
        coerced["ScalingConfig"] = {name: number(value) for name, value in coerced["ScalingConfig"].items()}
    return coerced


def alarm_properties(props: dict) -> dict:
    """AWS coerces the numbers of an alarm that come from parameters."""
    return {name: number(value) if name in ALARM_NUMBERS else value for name, value in props.items()}


def queue_properties(props: dict) -> dict:
    """AWS answers maxReceiveCount of a redrive policy as a number, whatever the template wrote."""
    redrive = props.get("RedrivePolicy")
    if isinstance(redrive, dict) and "maxReceiveCount" in redrive:
        props = {**props, "RedrivePolicy": {**redrive, "maxReceiveCount": number(redrive["maxReceiveCount"])}}
    return props


def refuse_mapping_without_permission(props: dict) -> None:
    """AWS refuses an SQS mapping whose function's role may not receive from, delete from or describe the queue."""
    source = props.get("EventSourceArn", "")
    if ":sqs:" not in source:
        return
    _, name, _, qualifier = provisioners._lambda_function_for_cfn_ref(props.get("FunctionName", ""))
    record, _ = lambda_svc._get_func_record_for_qualifier(name, qualifier)
    role = ((record or {}).get("config") or {}).get("Role", "").rsplit("/", 1)[-1]
    if not role:
        return
    policies = iam_evaluator._gather_role_policies(role, get_account_id())
    for action in MAPPING_ACTIONS:
        context = iam_evaluator.EvalContext(
            principal_arn=f"arn:aws:sts::{get_account_id()}:assumed-role/{role}/{name}",
            principal_type="AssumedRole",
            principal_account=get_account_id(),
            action=action,
            resource_arn=source,
            region=parse_arn(source).region or get_region(),
        )
        if iam_evaluator.evaluate(context, policies).decision != "Allow":
            call = action.split(":", 1)[1]
            raise ValueError(f"The function execution role does not have permissions to call {call} on SQS")


def refuse_queue_with_short_visibility(props: dict) -> None:
    """AWS refuses an SQS mapping whose queue hides messages for less time than its function may run."""
    from ministack.services import sqs

    source = props.get("EventSourceArn", "")
    queue = sqs._queue_by_arn(source) if ":sqs:" in source else None
    _, name, _, qualifier = provisioners._lambda_function_for_cfn_ref(props.get("FunctionName", ""))
    record, _ = lambda_svc._get_func_record_for_qualifier(name, qualifier)
    timeout = ((record or {}).get("config") or {}).get("Timeout")
    if queue is None or timeout is None:
        return
    visibility = int(queue["attributes"].get("VisibilityTimeout", 30))
    if visibility < int(timeout):
        raise ValueError(
            f"Queue visibility timeout: {visibility} seconds is less than Function timeout: {timeout} seconds"
        )


def coercing(handler: dict, coerce, *checks) -> dict:
    """Wraps a resource type's create and update so that both see coerced properties, after the checks on them."""
    create, update = handler["create"], handler["update"]

    def checked(props):
        props = coerce(props)
        for check in checks:
            check(props)
        return props

    def coerced_create(logical_id, props, *rest):
        return create(logical_id, checked(props), *rest)

    def coerced_update(physical_id, old_props, new_props, *rest, **named):
        return update(physical_id, coerce(old_props), checked(new_props), *rest, **named)

    return {**handler, "create": coerced_create, "update": coerced_update}


def with_table_settings(create):
    """AWS applies a table's TTL, point-in-time recovery and encryption when it makes it. The emulator leaves them out."""

    def created(logical_id, props, *rest):
        name, attributes = create(logical_id, props, *rest)
        if ttl := props.get("TimeToLiveSpecification"):
            enabled = boolean(ttl.get("Enabled"))
            dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": {**ttl, "Enabled": enabled}})
        if recovery := props.get("PointInTimeRecoverySpecification"):
            wanted = {"PointInTimeRecoveryEnabled": boolean(recovery.get("PointInTimeRecoveryEnabled"))}
            dynamodb._update_continuous_backups({"TableName": name, "PointInTimeRecoverySpecification": wanted})
        if encryption := props.get("SSESpecification"):
            wanted = {**encryption, "Enabled": boolean(encryption.get("SSEEnabled"))}
            dynamodb._tables[name]["SSEDescription"] = dynamodb._sse_description_from_spec(wanted)
        return name, attributes

    return created


def apply() -> None:
    """Fills the holes of this module."""
    handlers = provisioners._RESOURCE_HANDLERS
    table = handlers["AWS::DynamoDB::Table"]
    handlers["AWS::DynamoDB::Table"] = {**table, "create": with_table_settings(table["create"])}
    fills = {
        "AWS::Lambda::EventSourceMapping": (
            mapping_properties,
            refuse_mapping_without_permission,
            refuse_queue_with_short_visibility,
        ),
        "AWS::CloudWatch::Alarm": (alarm_properties,),
        "AWS::SQS::Queue": (queue_properties,),
    }
    for name, (coerce, *checks) in fills.items():
        handlers[name] = coercing(handlers[name], coerce, *checks)
