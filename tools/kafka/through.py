"""Puts records into a topic of a broker of its own, and lets the poller bring them to a function: for the end-to-end tests.

The standard input is a JSON list of records: `value` (a text, or null), `key` and `headers` (texts by name). It ends when all are passed,
and prints how many calls that took and what was given up.
"""

import argparse
import json
import sys

from broker import Broker
from confluent_kafka import Producer
from poller import Poller, of_aws


def main():
    parser = argparse.ArgumentParser()
    for name in ("topic", "function", "failed-queue-url", "endpoint-url"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    records = json.load(sys.stdin)
    invoke, give_up = of_aws(options.function, options.failed_queue_url, options.endpoint_url)
    calls, given_up = [], []

    def counted(event):
        calls.append(event)
        return invoke(event)

    def noted(places):
        given_up.append(places)
        give_up(places)

    with Broker() as broker:
        broker.topic(options.topic)
        producer = Producer({"bootstrap.servers": broker.address})
        for record in records:
            headers = [(name, value.encode()) for name, value in record.get("headers", {}).items()]
            value = record["value"]
            producer.produce(options.topic, value=value and value.encode(), key=record.get("key"), headers=headers)
        producer.flush(30)
        poller = Poller(broker.address, options.topic, "through", counted, noted, batch_size=4, attempts=2)
        try:
            passed = poller.run_until(lambda: poller.passed >= len(records))
        finally:
            poller.close()
    print(json.dumps({"passed": passed, "calls": len(calls), "given_up": given_up}))


if __name__ == "__main__":
    main()
