"""A topic that feeds a tenant on the local AWS, for the demo: a broker, the poller that plays the mapping, and what else
infra/tenant-kafka.yaml makes. It prints where the broker is, as JSON, and goes on until it is ended.
"""

import argparse
import json
import signal
import sys

import boto3
from broker import Broker
from poller import Poller, of_aws

ACCOUNT = "000000000000"


def main():
    parser = argparse.ArgumentParser(description="Feeds a tenant's intake from a topic until it is ended.")
    for name in ("stage", "tenant", "topic"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    # An end in order, so that the broker ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sqs, ssm = boto3.client("sqs"), boto3.client("ssm")
    failed = sqs.create_queue(QueueName=f"acequia-{options.stage}-{options.tenant}-kafka-{options.topic}")["QueueUrl"]
    intake = f"arn:aws:sqs:{sqs.meta.region_name}:{ACCOUNT}:acequia_{options.stage}_{options.tenant}_intake"
    ssm.put_parameter(Name=f"/acequia/{options.stage}/kafka/{options.topic}", Type="String", Value=intake)
    invoke, give_up = of_aws(f"acequia-{options.stage}-kafka:live", failed, sqs.meta.endpoint_url)
    with Broker() as broker:
        broker.topic(options.topic)
        group = f"acequia-{options.stage}-{options.tenant}-{options.topic}"
        # The producer waits for each step, so there is nothing more to wait for.
        poller = Poller(broker.address, options.topic, group, invoke, give_up, window=0.05)
        print(json.dumps({"address": broker.address}), flush=True)
        try:
            while True:
                poller.turn()
        finally:
            poller.close()


if __name__ == "__main__":
    main()
