import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";

/** JSON Schema of what the node takes and sends, for the contract files. */

/** AsyncAPI 3.0 builds on draft 7, OpenAPI 3.1 on draft 2020-12. */
export type Dialect = "draft-07" | "draft-2020-12";

/** Schemas that stand elsewhere in the document, by the reference that names them. */
export type References = Readonly<Record<string, v.GenericSchema>>;

/** As a client has to write it. What a schema checks by a function is told by the metadata next to the check. */
export function takenSchema(schema: v.GenericSchema, dialect: Dialect): JsonSchema {
  return converted(schema, dialect, {}, () => undefined);
}

/** As a client has to expect it. A field may be added in any version: no object is closed, however exact the node's own tests are. */
export function sentSchema(schema: v.GenericSchema, dialect: Dialect, references: References = {}): JsonSchema {
  return converted(schema, dialect, references, opened);
}

function converted(
  schema: v.GenericSchema,
  dialect: Dialect,
  references: References,
  change: (schema: JsonSchema) => JsonSchema | undefined,
): JsonSchema {
  const {
    $schema: _dialect,
    $defs: _defined,
    ...rest
  } = toJsonSchema(schema, {
    target: dialect,
    typeMode: "input",
    errorMode: "ignore",
    definitions: { ...references },
    overrideRef: ({ referenceId }) => referenceId,
    overrideSchema: ({ jsonSchema }) => change(jsonSchema),
    overrideAction: ({ valibotAction, jsonSchema }) => {
      // Bytes are at least as many as characters, and JSON Schema counts only these.
      const isBytes = valibotAction.type === "max_bytes" && "requirement" in valibotAction;
      return isBytes ? { ...jsonSchema, maxLength: Number(valibotAction.requirement) } : undefined;
    },
  });
  return rest;
}

function opened(schema: JsonSchema): JsonSchema | undefined {
  if (schema.additionalProperties !== false) return undefined;
  const { additionalProperties: _closed, ...rest } = schema;
  return rest;
}
