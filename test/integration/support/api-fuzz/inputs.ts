import fc from 'fast-check';
import type { Route } from '../../../../src/cloud/http/route.ts';
import { fromSchema, type JsonSchema } from '../../../support/from-schema.ts';
import type { Actor, Sent } from './client.ts';

/** The paths of the OpenAPI document. */
export type Description = Record<
  string,
  Record<
    string,
    {
      parameters?: { name: string; in: string; required: boolean; schema: JsonSchema }[];
      requestBody?: { content: { 'application/json': { schema: JsonSchema } } };
    }
  >
>;

/** An input that a route's description calls valid. */
export interface Input {
  params: Record<string, unknown>;
  query: Record<string, unknown>;
  body: unknown;
}

/** Valid inputs of a route, made from its description. */
export function inputs(description: Description, route: Route): fc.Arbitrary<Input> {
  const about = description[route.path]?.[route.method.toLowerCase()];
  if (about === undefined) {
    throw new Error(`${route.method} ${route.path} is not described`);
  }
  const of = (where: string): fc.Arbitrary<Record<string, unknown>> => {
    const given = (about.parameters ?? []).filter((p) => p.in === where);
    return fc.record(Object.fromEntries(given.map((p) => [p.name, fromSchema(p.schema)])), {
      requiredKeys: given.filter((p) => p.required).map((p) => p.name),
    }) as fc.Arbitrary<Record<string, unknown>>;
  };
  const schema = about.requestBody?.content['application/json'].schema;
  return fc.record({
    params: of('path'),
    query: of('query'),
    body: schema === undefined ? fc.constant(undefined) : fromSchema(schema),
  });
}

/** The request of an input. */
export function build(route: Route, { params, query, body }: Input, actor: Actor): Sent {
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(params[name]).toWellFormed()),
  );
  const search = new URLSearchParams(
    Object.entries(query).map(([k, v]): [string, string] => [k, String(v).toWellFormed()]),
  ).toString();
  const text = body === undefined ? undefined : JSON.stringify(body);
  return {
    method: route.method,
    path: search === '' ? path : `${path}?${search}`,
    headers: {
      authorization: `Bearer ${actor.token}`,
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(text === undefined ? {} : { body: text }),
  };
}
