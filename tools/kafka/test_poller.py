"""Tests of the poller that plays Kafka's mapping, with a broker of its own and a function that does what each value says.

    .venv/kafka/bin/python -m unittest discover --start-directory tools/kafka
"""

import base64
import json
import threading
import time
import unittest

from broker import Broker
from confluent_kafka import Producer
from filters import passes
from poller import FunctionFailed, Poller, behind


class Function:
    """Takes records, and fails as their values say."""

    def __init__(self):
        self.taken, self.calls, self.seen, self.lock = [], 0, {}, threading.Lock()

    def __call__(self, event):
        with self.lock:
            self.calls += 1
            failures = []
            for partition, records in event["records"].items():
                for record in records:
                    value = base64.b64decode(record["value"]).decode() if "value" in record else None
                    place = (partition, record["offset"])
                    self.seen[place] = self.seen.get(place, 0) + 1
                    if value == "poison":
                        raise FunctionFailed("poison")
                    if value == "never" or (value == "third" and self.seen[place] < 3):
                        failures.append({"itemIdentifier": {"partition": partition, "offset": record["offset"]}})
                        break
                    self.taken.append((*place, value))
            return {"batchItemFailures": failures}


def produce(broker, topic, values, partition=0):
    producer = Producer({"bootstrap.servers": broker.address})
    for value in values:
        producer.produce(topic, value=value, key=b"k", partition=partition, headers=[("x", b"\x00\xff")])
    assert producer.flush(30) == 0


class PollerTest(unittest.TestCase):
    """What the mapping does, against a broker."""

    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.addClassCleanup(cls.broker.stop)

    def poller(self, function, topic, given_up=None, broker=None, **more):
        give_up = (given_up if given_up is not None else []).append
        poller = Poller((broker or self.broker).address, topic, f"group-{topic}", function, give_up, **more)
        self.addCleanup(poller.close)
        return poller

    def test_records_of_all_partitions_come_in_order_and_as_lambda_has_them(self):
        self.broker.topic("order", 2)
        events = []
        function = Function()
        for partition in (0, 1):
            produce(self.broker, "order", [str(number) for number in range(30)], partition)
        poller = self.poller(lambda event: events.append(event) or function(event), "order", batch_size=7)
        self.assertTrue(poller.run_until(lambda: len(function.taken) >= 60))
        for partition in ("order-0", "order-1"):
            self.assertEqual([value for name, _, value in function.taken if name == partition], [str(n) for n in range(30)])
        record = next(iter(events[0]["records"].values()))[0]
        self.assertEqual((record["headers"], record["key"]), ([{"x": [0, -1]}], "aw=="))
        self.assertEqual(set(record), {"topic", "partition", "offset", "timestamp", "timestampType", "headers", "key", "value"})
        self.assertTrue(all(sum(map(len, event["records"].values())) <= 7 for event in events))

    def test_a_partition_goes_on_from_the_lowest_place_that_failed(self):
        self.broker.topic("partial")
        produce(self.broker, "partial", ["a", "third", "b", None, "c"])
        function = Function()
        poller = self.poller(function, "partial")
        self.assertTrue(poller.run_until(lambda: len(function.taken) >= 5))
        self.assertEqual([value for _, _, value in function.taken], ["a", "third", "b", None, "c"])

    def test_a_record_that_the_function_dies_of_is_alone_in_the_end_and_given_up(self):
        self.broker.topic("poison")
        produce(self.broker, "poison", ["poison", "a", "b", "never", "c"])
        function, given_up = Function(), []
        poller = self.poller(function, "poison", given_up, attempts=2)
        self.assertTrue(poller.run_until(lambda: len(given_up) == 2))
        places = [info for one in given_up for info in one["KafkaBatchInfo"].values()]
        self.assertEqual(places[0], {"startOffset": 0, "endOffset": 0})
        self.assertEqual(places[1]["startOffset"], 3)
        self.assertEqual({value for _, _, value in function.taken} - {"c"}, {"a", "b"})
        self.assertEqual(function.seen["poison-0", 3], 3, "the first attempt is not counted")

    def test_records_that_are_too_old_are_given_up_at_first_and_between_attempts(self):
        self.broker.topic("old")
        produce(self.broker, "old", ["a", "never", "b"])
        function, given_up, clock = Function(), [], [time.time()]
        poller = self.poller(function, "old", given_up, attempts=50, age=60, now=lambda: clock[0])

        def is_over():
            clock[0] += 30 if function.calls else 0
            return poller.passed >= 3

        # The clock goes on beside the attempts: the record that never succeeds becomes too old before they are used up.
        poller.invoke = lambda event: (clock.__setitem__(0, clock[0] + 30), function(event))[1]
        self.assertTrue(poller.run_until(is_over))
        self.assertEqual([one["requestContext"]["condition"] for one in given_up], ["RecordAgeExceeded"])
        self.assertEqual(given_up[0]["KafkaBatchInfo"], {"old-0": {"startOffset": 1, "endOffset": 2}})
        self.assertLess(function.calls, 5)
        calls = function.calls
        produce(self.broker, "old", ["c"])
        clock[0] += 3600
        self.assertTrue(poller.run_until(lambda: poller.passed >= 4))
        self.assertEqual((function.calls, len(given_up)), (calls, 2), "what is too old from the start reaches no function")

    def test_records_that_fit_no_filter_reach_no_function_and_their_offsets_are_passed(self):
        self.broker.topic("filtered")
        produce(self.broker, "filtered", ['{"country":"FR"}', '{"country":"DE"}', "plain", b"\xff", '{"country":"FR","n":2}'])
        function, given_up = Function(), []
        poller = self.poller(function, "filtered", given_up, filters=[{"value": {"country": ["FR"]}}])
        self.assertTrue(poller.run_until(lambda: poller.passed >= 5))
        self.assertEqual([value for _, _, value in function.taken], ['{"country":"FR"}', '{"country":"FR","n":2}'])
        self.assertEqual(given_up, [])

    def test_where_another_poller_joins_the_group_nothing_is_lost(self):
        self.broker.topic("balance", 2)
        function = Function()
        first = self.poller(function, "balance", batch_size=5)
        for partition in (0, 1):
            produce(self.broker, "balance", [f"early-{partition}-{number}" for number in range(10)], partition)
        self.assertTrue(first.run_until(lambda: len(function.taken) >= 20))
        second = self.poller(function, "balance", batch_size=5)
        for partition in (0, 1):
            produce(self.broker, "balance", [f"late-{partition}-{number}" for number in range(10)], partition)

        def all_there():
            second.turn()
            return len({value for _, _, value in function.taken}) == 40

        self.assertTrue(first.run_until(all_there, seconds=90))

    def test_a_broker_that_goes_and_comes_back_is_read_again(self):
        broker = Broker()
        self.addCleanup(lambda: broker.stop())
        broker.topic("gone")
        produce(broker, "gone", ["before"])
        function = Function()
        poller = self.poller(function, "gone", broker=broker)
        self.assertTrue(poller.run_until(lambda: len(function.taken) == 1))
        broker.stop()
        for _ in range(5):
            poller.turn()
        # In memory, so it begins anew.
        broker = Broker(broker.port)
        self.addCleanup(lambda: broker.stop())
        broker.topic("gone")
        produce(broker, "gone", ["after-1", "after-2"])
        self.assertTrue(poller.run_until(lambda: {"after-1", "after-2"} <= {value for _, _, value in function.taken}, seconds=90))


class AnswerTest(unittest.TestCase):
    """What an answer asks for."""

    RECORDS = [{"topic": "t", "partition": partition, "offset": offset} for partition in (0, 1) for offset in range(3)]

    def test_each_partition_from_its_lowest_place(self):
        def answer(*places):
            return {"batchItemFailures": [{"itemIdentifier": {"partition": name, "offset": offset}} for name, offset in places]}

        rest = behind(self.RECORDS, answer(("t-0", 2), ("t-0", 1), ("t-1", 2)))
        self.assertEqual([(one["partition"], one["offset"]) for one in rest], [(0, 1), (0, 2), (1, 2)])
        for nothing in (None, {}, answer(), json.loads('{"batchItemFailures": null}')):
            self.assertEqual(behind(self.RECORDS, nothing), [])
        with self.assertRaises(FunctionFailed):
            behind(self.RECORDS, answer(("t-0", 3)))


class FilterTest(unittest.TestCase):
    """What fits a pattern."""

    def fits(self, pattern, value, key=None, **more):
        record = {"topic": "t", "partition": 0, "offset": 7, "value": base64.b64encode(value).decode(), **more}
        if key is not None:
            record["key"] = base64.b64encode(key).decode()
        return passes([pattern], record)

    def test_each_rule_of_the_guide(self):
        value = b'{"a":"x1","n":7,"none":null,"empty":"","list":["p","q"],"deep":{"b":true}}'
        fitting = [
            {"a": ["x1", "x2"]},
            {"a": [{"prefix": "x"}]},
            {"a": [{"suffix": "1"}]},
            {"a": [{"equals-ignore-case": "X1"}]},
            {"a": [{"anything-but": ["x2"]}]},
            {"n": [{"numeric": [">", 5, "<=", 7]}]},
            {"none": [None]},
            {"empty": [""]},
            {"list": ["q"]},
            {"deep": {"b": [True]}},
            {"gone": [{"exists": False}]},
            {"a": [{"exists": True}]},
            {"$or": [{"a": ["other"]}, {"n": [7]}]},
            {"a": ["x1"], "n": [7]},
        ]
        for pattern in fitting:
            self.assertTrue(self.fits({"value": pattern}, value), pattern)
        others = [
            {"a": ["x2"]},
            {"a": [{"prefix": "1"}]},
            {"a": [{"anything-but": ["x1"]}]},
            {"n": ["7"]},
            {"n": [True]},
            {"n": [{"numeric": [">", 7]}]},
            {"gone": [None]},
            {"a": [{"exists": False}]},
            {"deep": ["b"]},
            {"$or": [{"a": ["other"]}, {"n": [8]}]},
            {"a": ["x1"], "n": [8]},
        ]
        for pattern in others:
            self.assertFalse(self.fits({"value": pattern}, value), pattern)

    def test_texts_and_json_are_not_mixed_and_what_is_no_utf_8_never_passes(self):
        self.assertTrue(self.fits({"value": [{"anything-but": ["error"]}]}, b"all is well"))
        self.assertFalse(self.fits({"value": [{"anything-but": ["error"]}]}, b'{"a":1}'), "JSON, and the pattern is for a text")
        self.assertFalse(self.fits({"value": {"a": [1]}}, b"text"), "a text, and the pattern is for JSON")
        for pattern in ({"value": ["x"]}, {"value": {"a": [1]}}, {"offset": [7]}):
            self.assertFalse(self.fits(pattern, b"\xff"), pattern)
        self.assertTrue(self.fits({"key": [{"prefix": "k"}], "offset": [7]}, b"x", key=b"k1"))
        self.assertFalse(self.fits({"key": ["k"]}, b"x"), "there is no key")
        self.assertFalse(passes([{"value": ["x"]}], {"topic": "t", "offset": 1}), "a tombstone has no value")
        self.assertTrue(passes([], {"topic": "t"}))
        with self.assertRaises(ValueError):
            self.fits({"value": [{"cidr": "10.0.0.0/8"}]}, b"x")


if __name__ == "__main__":
    unittest.main()
