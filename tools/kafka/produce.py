"""A producer of Kafka's, for the demo: each line of the standard input becomes a record, at a steady pace.

Five steps a second, as `acequia send` makes them; and as there, a step is over when SQS has its events, which the offset of the consumer
group says. So a tenant that is fed so is no faster than its neighbours on a slow machine.
"""

import argparse
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

HEADERS = [("content-type", b"application/cloudevents+json")]
# How long a step may take.
DEADLINE = 60


def main():
    parser = argparse.ArgumentParser(description="Puts the lines of the standard input into a topic.")
    for name in ("bootstrap", "topic", "group"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rate", type=int, required=True, help="records a second")
    options = parser.parse_args()
    producer = Producer({"bootstrap.servers": options.bootstrap})
    # It asks, and reads nothing: a member of the group would be given partitions.
    group = Consumer({"bootstrap.servers": options.bootstrap, "group.id": options.group})
    lines = [line.strip().encode() for line in sys.stdin]
    step = max(1, options.rate // 5)
    for start in range(0, len(lines), step):
        taken = []
        for line in lines[start : start + step]:
            producer.produce(options.topic, value=line, headers=HEADERS, on_delivery=lambda error, message: taken.append((error, message)))
        left = producer.flush(DEADLINE)
        if left or any(error for error, _ in taken):
            sys.exit(f"the broker did not take {left} records: {[str(error) for error, _ in taken if error]}")
        ends = {}
        for _, message in taken:
            ends[message.partition()] = max(ends.get(message.partition(), 0), message.offset() + 1)
        end = time.monotonic() + DEADLINE
        wanted = [TopicPartition(options.topic, partition) for partition in ends]
        while any(place.offset < ends[place.partition] for place in group.committed(wanted, timeout=DEADLINE)):
            if time.monotonic() > end:
                sys.exit(f"the records up to {ends} are not passed on within {DEADLINE} s")
            time.sleep(0.02)
        time.sleep(len(taken) / options.rate)
    group.close()


if __name__ == "__main__":
    main()
