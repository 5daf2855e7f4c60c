// Validates SARIF logs, whose files are the arguments, against the schema of SARIF 2.1.0 that Microsoft's matchers for
// SARIF carry. Prints a line of JSON for each: {"file", "valid", "errors"}.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const Ajv = require("ajv");
const schema = JSON.parse(readFileSync(require.resolve("@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json")));
// The schema is of draft 04, whose keyword for its name is "id".
const ajv = new Ajv({ allErrors: true, schemaId: "id" });
ajv.addMetaSchema(require("ajv/lib/refs/json-schema-draft-04.json"));
const validate = ajv.compile(schema);
for (const file of process.argv.slice(2)) {
  const valid = validate(JSON.parse(readFileSync(file)));
  console.log(JSON.stringify({ file, valid, errors: validate.errors ?? [] }));
}
