"""CloudWatch: which data an alarm looks at, and when it is in alarm."""

import logging
import time

from ministack.services import cloudwatch

BREACHES = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


def points_of(alarm: dict) -> list:
    """AWS takes a name with other dimensions for another metric. The emulator puts all of a name together, so that the
    errors of one function raise the alarms of all of them.
    """
    dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm.get("Dimensions") or []}
    key = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions))
    return cloudwatch._metrics.get(key) or []


def value_of(alarm: dict, points: list):
    """The statistic of one period's data; None where there are none."""
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    return cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points) if points else None


def state_of(alarm: dict, now: float) -> tuple[str, str]:
    """AWS looks at each of the last periods by itself, and at how many of them are beyond the threshold; what a period
    without data counts as is TreatMissingData's. The emulator puts all periods together and leaves the rest out.
    """
    period, periods = int(alarm.get("Period", 60)), int(alarm.get("EvaluationPeriods", 1))
    needed = int(alarm.get("DatapointsToAlarm") or periods)
    missing = alarm.get("TreatMissingData") or "missing"
    points = points_of(alarm)
    beyond = BREACHES[alarm["ComparisonOperator"]]
    breaching = with_data = 0
    for number in range(periods):
        end = now - number * period
        value = value_of(alarm, [point for point in points if end - period < point["Timestamp"] <= end])
        with_data += value is not None
        breaching += missing == "breaching" if value is None else beyond(value, alarm.get("Threshold", 0))
    reason = f"{breaching} of the last {periods} periods were beyond {alarm.get('Threshold', 0)}, {with_data} had data"
    if breaching >= needed:
        return "ALARM", f"Threshold Crossed: {reason}"
    if with_data or missing in ("breaching", "notBreaching"):
        return "OK", reason
    return (alarm["StateValue"] if missing == "ignore" else "INSUFFICIENT_DATA"), reason


def evaluate(alarm: dict) -> None:
    """Brings an alarm on one metric up to date, and runs its actions."""
    if not alarm.get("Namespace") or not alarm.get("MetricName") or alarm.get("ComparisonOperator") not in BREACHES:
        return
    old = alarm["StateValue"]
    new, reason = state_of(alarm, time.time())
    if new == old:
        return
    alarm.update(StateValue=new, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], old, new, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, new, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def evaluate_all() -> None:
    """Brings all alarms up to date; one that cannot be leaves the others alone."""
    for alarm in list(cloudwatch._alarms.values()):
        try:
            evaluate(alarm)
        except Exception:
            logging.getLogger("ministack").exception("alarm %s", alarm.get("AlarmName"))


def apply() -> None:
    """Fills the holes of this module."""
    cloudwatch._evaluate_alarm = evaluate
    cloudwatch._evaluate_all_alarms = evaluate_all
