"""What is called without an SDK crate (shared/aws/src/json_client.rs) agrees with AWS's own service models, as botocore has them."""

import re
import unittest
from pathlib import Path

import botocore.session

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "shared/aws/src"
# What is called where, by the name of its model.
CALLERS = {"ssm": ["parameter_store.rs"], "cloudwatch": ["ages.rs", "account/alarms.rs"], "events": [ROOT / "functions/eventbridge/src/events.rs"]}


def text(name):
    return (SOURCES / name).read_text(encoding="utf-8").split("#[cfg(test)]")[0]


def model(name):
    return botocore.session.get_session().get_service_model(name)


class ServiceModels(unittest.TestCase):
    def test_names_and_versions_are_the_services(self):
        for name, files in CALLERS.items():
            service, source = model(name), text(files[0])
            written = dict(re.findall(r'(target|version): "([^"]+)"', source))
            with self.subTest(name):
                self.assertIn("json", service.metadata.get("protocols", [service.metadata["protocol"]]))
                self.assertEqual(written["target"], service.metadata["targetPrefix"])
                self.assertEqual(written["version"], service.metadata["jsonVersion"])
                self.assertIn(f'Service::regional("{service.signing_name}", "{service.endpoint_prefix}")', source)

    def test_each_operation_is_the_services_and_has_the_members_that_are_named(self):
        for name, files in CALLERS.items():
            service = model(name)
            for file in files:
                source = text(file)
                called = re.findall(r'\.call(?:::<\w+>)?\(\s*"(\w+)"', source)
                self.assertTrue(called, file)
                members = set()
                for operation in called:
                    shape = service.operation_model(operation)
                    members |= names(shape.input_shape, set()) | names(shape.output_shape, set())
                # What is asked stands in json!({...}), under names as the service has them.
                asked = set(re.findall(r'"([A-Z]\w+)"\s*:', source))
                with self.subTest(file):
                    self.assertTrue(asked, file)
                    self.assertEqual(asked - members, set())

    def test_a_name_that_no_service_has_is_found(self):
        self.assertNotIn("WithDecription", names(model("ssm").operation_model("GetParameter").input_shape, set()))
        self.assertIn("WithDecryption", names(model("ssm").operation_model("GetParameter").input_shape, set()))


def names(shape, seen):
    """The names of all members of a shape, at whatever depth."""
    found = set()
    if shape is None or shape.name in seen:
        return found
    seen.add(shape.name)
    if shape.type_name == "structure":
        for member, inner in shape.members.items():
            found |= {member} | names(inner, seen)
    elif shape.type_name == "list":
        found |= names(shape.member, seen)
    elif shape.type_name == "map":
        found |= names(shape.value, seen)
    return found


if __name__ == "__main__":
    unittest.main()
