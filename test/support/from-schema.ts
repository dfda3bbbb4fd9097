import fc, { type Arbitrary } from 'fast-check';

export interface JsonSchema {
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  items?: JsonSchema;
  minItems?: number;
  maxItems?: number;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  propertyNames?: JsonSchema;
  additionalProperties?: boolean | JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  $ref?: string;
}

/** Long lists and texts say nothing that shorter ones do not, and cost time. */
const LONG = 12;
const LONG_TEXT = 200;

/** Values that fit a JSON Schema, as far as our API's schemas go. @throws Error for what it does not know. */
export function fromSchema(schema: JsonSchema): Arbitrary<unknown> {
  if (schema.const !== undefined) {
    return fc.constant(schema.const);
  }
  if (schema.enum !== undefined) {
    return fc.constantFrom(...schema.enum);
  }
  const either = schema.anyOf ?? schema.oneOf;
  if (either !== undefined) {
    return fc.oneof(...either.map(fromSchema));
  }
  // The only references are to the schema of any JSON value.
  if (schema.$ref !== undefined) {
    return fc.jsonValue({ maxDepth: 2 });
  }
  if (Array.isArray(schema.type)) {
    return fc.oneof(...schema.type.map((type) => fromSchema({ ...schema, type })));
  }
  switch (schema.type) {
    case 'string':
      return text(schema);
    case 'integer':
      return fc.oneof(
        fc.integer({ min: Math.max(schema.minimum ?? -1e9, -1e9), max: Math.min(schema.maximum ?? 1e9, 1e9) }),
        fc.constantFrom(...[schema.minimum, schema.maximum].filter((n) => n !== undefined), schema.minimum ?? 0),
      );
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(fromSchema(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? LONG, Math.max(LONG, schema.minItems ?? 0)),
      });
    case 'object':
      return object(schema);
    case undefined:
      return fc.jsonValue({ maxDepth: 2 });
    default:
      throw new Error(`the type ${schema.type} is not known`);
  }
}

function text({ pattern, minLength = 0, maxLength = LONG_TEXT }: JsonSchema): Arbitrary<string> {
  const fits = (s: string): boolean => s.length >= minLength && s.length <= maxLength;
  if (pattern !== undefined) {
    return fc.stringMatching(new RegExp(pattern), { size: 'small' }).filter(fits);
  }
  const most = Math.min(maxLength, Math.max(LONG_TEXT, minLength));
  return fc
    .oneof(fc.string({ minLength, maxLength: most }), fc.string({ minLength, maxLength: most, unit: 'binary' }))
    .filter(fits);
}

function object(schema: JsonSchema): Arbitrary<unknown> {
  if (schema.properties === undefined) {
    const values =
      typeof schema.additionalProperties === 'object'
        ? fromSchema(schema.additionalProperties)
        : fc.jsonValue({ maxDepth: 1 });
    return fc.dictionary(fromSchema({ type: 'string', ...schema.propertyNames }).map(String), values, { maxKeys: 5 });
  }
  const properties = Object.fromEntries(Object.entries(schema.properties).map(([name, s]) => [name, fromSchema(s)]));
  return fc.record(properties, { requiredKeys: schema.required ?? [] });
}
