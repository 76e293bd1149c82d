"""Makes the bucket that keeps copies of the audit logs on the local AWS, as docs/DEPLOYMENT.md makes it on AWS."""

import sys

import boto3


def main() -> None:
    """Makes the bucket of the name that the command line has, unless it is there."""
    [name] = sys.argv[1:]
    s3 = boto3.client("s3")
    if name in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        return
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    retention = {"Mode": "GOVERNANCE", "Days": 1}
    s3.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}},
    )


if __name__ == "__main__":
    main()
