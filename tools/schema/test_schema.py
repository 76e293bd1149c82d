"""The JSON Schema of a tenant's file, judged by another implementation: what is valid fits, what has another shape does not."""

import json
import unittest
from pathlib import Path

import jsonschema

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/tenant.schema.json").read_text(encoding="utf-8"))


def problems(path):
    """What the schema says of a file."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return list(jsonschema.Draft7Validator(SCHEMA).iter_errors(document))


class Schema(unittest.TestCase):
    def test_the_schema_is_one_of_draft_7(self):
        self.assertEqual(SCHEMA["$schema"], "http://json-schema.org/draft-07/schema#")
        jsonschema.Draft7Validator.check_schema(SCHEMA)

    def test_it_refers_to_nothing_since_editors_of_toml_lose_what_stands_beside_a_reference(self):
        self.assertNotIn('"$ref"', json.dumps(SCHEMA))

    def test_the_examples_and_the_tenants_of_the_tests_fit(self):
        files = [*ROOT.glob("examples/tenants/*.toml"), *ROOT.glob("tests/e2e/tenants/*.toml")]
        self.assertGreaterEqual(len(files), 9)
        for path in files:
            with self.subTest(path.name):
                self.assertEqual([error.message for error in problems(path)], [])

    def test_what_the_command_refuses_for_its_shape_does_not_fit(self):
        files = list(ROOT.glob("cli/tests/misshapen/*.toml"))
        self.assertGreaterEqual(len(files), 10)
        for path in files:
            with self.subTest(path.name):
                self.assertTrue(problems(path))

    def test_every_example_of_a_key_fits_the_key(self):
        seen = 0

        def walk(schema):
            nonlocal seen
            if isinstance(schema, list):
                for inner in schema:
                    walk(inner)
            if not isinstance(schema, dict):
                return
            for value in [*schema.get("examples", []), *([schema["default"]] if "default" in schema else [])]:
                seen += 1
                found = [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(value)]
                self.assertEqual(found, [], schema.get("description"))
            for key, inner in schema.items():
                if key not in ("examples", "default", "enum"):
                    walk(inner)

        walk(SCHEMA)
        self.assertGreater(seen, 60)

    def test_examples_name_the_schema_by_a_path_that_is_there(self):
        for path in ROOT.glob("examples/tenants/*.toml"):
            first = path.read_text(encoding="utf-8").splitlines()[0]
            self.assertTrue(first.startswith("#:schema "), path)
            self.assertEqual((path.parent / first.removeprefix("#:schema ")).resolve(), ROOT / "docs/tenant.schema.json")


if __name__ == "__main__":
    unittest.main()
