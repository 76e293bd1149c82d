"""Plays Lambda's event source mapping of Kafka in provisioned mode, which the local AWS lacks.

Each behaviour is as Lambda's guide has it:

- A call has at most so many records, waits at most so long for more, and is at most 6 MB large; records of all partitions that a poller
  reads go into one call, under "<topic>-<partition>" (https://docs.aws.amazon.com/lambda/latest/dg/with-kafka-process.html).
- Where the function fails, the batch is split in two, each half tried by itself; where that is not wanted or not possible, it is
  repeated. Attempts are counted without the first (https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html).
- Where the answer names places, each partition goes on from the lowest of its own. An answer that names what was not in the call is a
  failure of the whole.
- What is given up goes to the destination, as places and not as records
  (https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure.html), and its offsets are passed.
- A record that is older than the mapping wants is not sent any more, neither at first nor again, and goes to the destination
  (MaximumRecordAgeInSeconds, https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html). What the condition is called
  then, the guide does not say; here it is RecordAgeExceeded.
- Records that fit no filter are dropped before a call, and their offsets passed (filters.py).
- Offsets are committed when nothing before them is open.

Not played: schema registries, more than one poller of a mapping (start two in one group).
"""

import argparse
import base64
import json
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from filters import passes

# Of the payload of a synchronous call.
MOST_BYTES = 6 * 1024 * 1024
# How long a poll waits for a record, in seconds.
POLL = 0.05


class FunctionFailed(Exception):
    """The function failed as a whole, or the call did not reach it."""


def as_lambda_has_it(message):
    """A record in the form of the event: headers as signed bytes, and no key or value where there is none."""
    record = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": message.timestamp()[1],
        "timestampType": "CREATE_TIME",
        "headers": [{name: [b - 256 if b > 127 else b for b in value or b""]} for name, value in message.headers() or []],
    }
    for name, value in (("key", message.key()), ("value", message.value())):
        if value is not None:
            record[name] = base64.b64encode(value).decode()
    return record


def event(records, bootstrap):
    """The event of a call with these records."""
    partitions = {}
    for record in records:
        partitions.setdefault(f"{record['topic']}-{record['partition']}", []).append(record)
    return {"eventSource": "SelfManagedKafka", "bootstrapServers": bootstrap, "records": partitions}


def behind(records, answer):
    """The records that an answer asks for again."""
    lowest = {}
    known = {(f"{record['topic']}-{record['partition']}", record["offset"]) for record in records}
    for failure in (answer or {}).get("batchItemFailures") or []:
        place = failure["itemIdentifier"]
        partition, offset = place["partition"], place["offset"]
        if (partition, offset) not in known:
            raise FunctionFailed(f"the answer names {partition} {offset}, which was not in the call")
        lowest[partition] = min(offset, lowest.get(partition, offset))
    name = lambda record: f"{record['topic']}-{record['partition']}"  # noqa: E731
    return [record for record in records if name(record) in lowest and record["offset"] >= lowest[name(record)]]


class Poller:
    """One poller of one mapping. `invoke` calls the function with an event and gives its answer; `give_up` takes what is given up.
    `age` is how many seconds old a record may be that is sent, where there is a bound; `filters` are patterns."""

    def __init__(
        self,
        bootstrap,
        topic,
        group,
        invoke,
        give_up,
        *,
        batch_size=100,
        window=0.2,
        attempts=3,
        bisect=True,
        back_off=0.05,
        age=None,
        filters=(),
        now=time.time,
    ):
        self.bootstrap, self.invoke, self.give_up = bootstrap, invoke, give_up
        self.batch_size, self.window, self.attempts, self.bisect, self.back_off = batch_size, window, attempts, bisect, back_off
        self.age, self.filters, self.now = age, filters, now
        # How many records were passed, delivered or given up.
        self.passed = 0
        self.consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "session.timeout.ms": 6000,
                "reconnect.backoff.max.ms": 500,
            }
        )
        self.consumer.subscribe([topic])

    def close(self):
        self.consumer.close()

    def run_until(self, is_done, seconds=60):
        """Polls until something is so; says whether it came to that in time."""
        end = time.monotonic() + seconds
        while not is_done():
            if time.monotonic() > end:
                return False
            self.turn()
        return True

    def turn(self):
        """One batch, where there is one: delivered, and its offsets committed."""
        records = self.collect()
        if not records:
            return
        self.deliver([record for record in records if passes(self.filters, record)], 0)
        self.passed += len(records)
        next_offsets = {}
        for record in records:
            next_offsets[record["topic"], record["partition"]] = record["offset"] + 1
        try:
            self.consumer.commit(offsets=[TopicPartition(*place, offset) for place, offset in next_offsets.items()], asynchronous=False)
        except KafkaException:
            # The group was balanced anew, or the broker is gone: who reads the partition next gets these records again.
            return

    def collect(self):
        """The records of one call."""
        records, size, end = [], 0, None
        while len(records) < self.batch_size and (end is None or time.monotonic() < end):
            message = self.consumer.poll(POLL)
            if message is None:
                if not records:
                    return []
                continue
            if message.error():
                # What passes by itself is tried again by the client.
                if message.error().code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError.UNKNOWN_TOPIC_OR_PART):
                    return records
                continue
            record = as_lambda_has_it(message)
            size += len(json.dumps(record))
            records.append(record)
            end = end or time.monotonic() + self.window
            if size > MOST_BYTES - 1024 * 1024:
                break
        return records

    def deliver(self, records, attempt):
        """Calls with these records until each is passed or given up."""
        while records := self.young_enough(records):
            if attempt:
                time.sleep(self.back_off)
            try:
                rest = behind(records, self.invoke(event(records, self.bootstrap)))
            except FunctionFailed as failure:
                if self.bisect and len(records) > 1:
                    # Splitting is no attempt.
                    half = len(records) // 2
                    self.deliver(records[:half], attempt)
                    self.deliver(records[half:], attempt)
                    return
                rest = records
                if attempt >= self.attempts:
                    self.give_up(self.places(records, str(failure)))
                    return
            if rest and attempt >= self.attempts:
                self.give_up(self.places(rest, "the function reported them as failed"))
                return
            records, attempt = rest, attempt + 1

    def young_enough(self, records):
        """The records that may still be sent; the others are given up."""
        if self.age is None:
            return records
        oldest = (self.now() - self.age) * 1000
        old = [record for record in records if record["timestamp"] < oldest]
        if old:
            self.give_up(self.places(old, "the records are too old", "RecordAgeExceeded"))
        return [record for record in records if record["timestamp"] >= oldest]

    def places(self, records, why, condition="RetryAttemptsExhausted"):
        """What the destination is told: where the records are, and not what is in them."""
        offsets = {}
        for record in records:
            offsets.setdefault(f"{record['topic']}-{record['partition']}", []).append(record["offset"])
        batch = {name: {"startOffset": min(all_of), "endOffset": max(all_of)} for name, all_of in offsets.items()}
        return {"requestContext": {"condition": condition}, "responseContext": {"functionError": why}, "KafkaBatchInfo": batch}


def of_aws(function, queue, endpoint):
    """How a function of Lambda is called, and where what is given up goes to."""
    import boto3

    client, sqs = (boto3.client(service, endpoint_url=endpoint) for service in ("lambda", "sqs"))

    def invoke(payload):
        answer = client.invoke(FunctionName=function, Payload=json.dumps(payload))
        said = answer["Payload"].read()
        if "FunctionError" in answer:
            raise FunctionFailed(said.decode(errors="replace")[:500])
        return json.loads(said)

    def give_up(places):
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(places))

    return invoke, give_up


def main():
    parser = argparse.ArgumentParser(description="Plays an event source mapping of Kafka until it is ended.")
    for name in ("bootstrap", "topic", "group", "function", "failed-queue-url", "endpoint-url"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--age", type=float, help="how many seconds old a record may be that is sent")
    parser.add_argument("--filter", type=json.loads, action="append", default=[], help="a pattern; repeatable")
    options = parser.parse_args()
    invoke, give_up = of_aws(options.function, options.failed_queue_url, options.endpoint_url)
    poller = Poller(options.bootstrap, options.topic, options.group, invoke, give_up, age=options.age, filters=options.filter)
    try:
        while True:
            poller.turn()
    except KeyboardInterrupt:
        pass
    finally:
        poller.close()


if __name__ == "__main__":
    main()
