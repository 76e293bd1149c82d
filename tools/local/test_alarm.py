"""Tests of the local AWS: CloudWatch's alarms, with what Acequia relies on."""

import time
import unittest

from started import Started


class Alarms(Started):
    """What the tests of alarms rely on."""

    def alarm(self, **more) -> str:
        name = self._testMethodName
        alarm = {
            "Namespace": "Tests",
            "MetricName": name,
            "Dimensions": [{"Name": "function", "Value": "one"}],
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 2,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
        }
        self.aws.cloudwatch.put_metric_alarm(AlarmName=name, **{**alarm, **more})
        return name

    def put(self, name: str, value: float, seconds_ago: float = 5, function: str = "one") -> None:
        datum = {"MetricName": name, "Value": value, "Timestamp": time.time() - seconds_ago}
        datum["Dimensions"] = [{"Name": "function", "Value": function}]
        self.aws.cloudwatch.put_metric_data(Namespace="Tests", MetricData=[datum])

    def state(self, name: str) -> str:
        return self.aws.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]

    def test_an_alarm_looks_at_its_own_dimensions_alone(self):
        name = self.alarm()
        self.put(name, 5, function="two")
        self.assertEqual(self.state(name), "OK")
        self.put(name, 1)
        self.put(name, 1)
        self.assertEqual(self.state(name), "ALARM")

    def test_each_period_is_looked_at_by_itself(self):
        name = self.alarm(EvaluationPeriods=2)
        self.put(name, 5)
        self.assertEqual(self.state(name), "OK", "one of two")
        self.put(name, 5, seconds_ago=90)
        self.assertEqual(self.state(name), "ALARM")

    def test_some_of_the_periods_are_enough_where_the_alarm_says_so(self):
        name = self.alarm(EvaluationPeriods=3, DatapointsToAlarm=1)
        self.put(name, 5, seconds_ago=150)
        self.assertEqual(self.state(name), "ALARM")

    def test_a_period_without_data_counts_as_the_alarm_says(self):
        name = self.alarm(EvaluationPeriods=2, TreatMissingData="breaching")
        self.assertEqual(self.state(name), "ALARM")
        self.put(name, 0)
        self.assertEqual(self.state(name), "OK")


if __name__ == "__main__":
    unittest.main()
