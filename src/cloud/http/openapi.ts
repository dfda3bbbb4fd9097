import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { problemSchema } from '../../api/problem.ts';
import { streamRequestSchema } from '../../api/queries.ts';
import { VERSION } from '../../version.ts';
import { API_PATHS, CLIENT_HEADER, COMMAND_HEADER, MIN_SEQ_HEADER, SEQ_HEADER, SESSION_COOKIE } from '../api-paths.ts';
import { isMedia, type Route } from './route.ts';

type Json = Record<string, unknown>;

/** A schema as JSON Schema 2020-12, which OpenAPI 3.1 uses as it is. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json;
  return json;
}

function parameters(route: Route): Json[] {
  const given = (where: 'path' | 'query', schema: z.ZodType | undefined): Json[] => {
    if (schema === undefined) {
      return [];
    }
    const { properties = {}, required = [] } = schemaOf(schema, 'input') as { properties?: Json; required?: string[] };
    return Object.entries(properties).map(([name, s]) => ({
      name,
      in: where,
      required: where === 'path' || required.includes(name),
      schema: s,
    }));
  };
  const seq =
    route.scope === 'open'
      ? []
      : [
          {
            name: MIN_SEQ_HEADER,
            in: 'header',
            required: false,
            description: 'Answer only from this position on; 503 where it is not reached within 2 s.',
            schema: { type: 'integer', minimum: 0 },
          },
        ];
  const command =
    route.audit === undefined || route.audit.length !== 1 || route.scope === 'open' || route.unrepeatable === true
      ? []
      : [
          {
            name: COMMAND_HEADER,
            in: 'header',
            required: false,
            description: 'A ULID; a repetition with the same one is carried out once.',
            schema: { type: 'string' },
          },
        ];
  return [...given('path', route.params), ...given('query', route.query), ...seq, ...command];
}

function answers(route: Route): Json {
  const headers = { [SEQ_HEADER]: { description: 'Position of the state.', schema: { type: 'integer' } } };
  const status = route.reply === undefined ? 204 : (route.status ?? 200);
  const content =
    route.reply === undefined
      ? {}
      : {
          content: isMedia(route.reply)
            ? {
                [route.reply.type]: {
                  schema: route.reply.item === undefined ? { type: 'string' } : schemaOf(route.reply.item, 'output'),
                },
              }
            : { 'application/json': { schema: schemaOf(route.reply, 'output') } },
        };
  const description = isMedia(route.reply) ? route.reply.description : (STATUS_CODES[status] ?? '');
  return { [status]: { description, headers, ...content }, default: { $ref: '#/components/responses/problem' } };
}

/** OpenAPI knows no WebSockets. */
const STREAM =
  `Queries also go over a WebSocket, ${API_PATHS.queryStream}: each message is one JSON object, of a client ` +
  `components.schemas.queryStreamRequest with the body of POST ${API_PATHS.queries} as its query; the answers are ` +
  `the lines of that route, and {pong} or {problem}, each with the request's id.`;

/** The table of routes as an OpenAPI 3.1 document. */
export function openApi(routes: Route[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const list = parameters(route);
    (paths[route.path] ??= {})[route.method.toLowerCase()] = {
      summary: route.summary,
      operationId: `${route.method.toLowerCase()}_${route.path
        .replace(/^\/(api\/v1\/)?/, '')
        .replaceAll(/[^A-Za-z0-9]+/g, '_')
        .replace(/_$/, '')}`,
      ...(list.length === 0 ? {} : { parameters: list }),
      ...(route.body === undefined
        ? {}
        : {
            requestBody: { required: true, content: { 'application/json': { schema: schemaOf(route.body, 'input') } } },
          }),
      responses: answers(route),
      security: route.scope === 'open' ? [] : [{ bearer: [] }, { session: [] }],
      'x-terrarium-scope': route.scope,
      ...(route.audit === undefined ? {} : { 'x-terrarium-audit': route.audit }),
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Terrarium',
      version: VERSION,
      description:
        'Unknown members and parameters are refused. A request by cookie that is no GET needs the header ' +
        `${CLIENT_HEADER}. ${STREAM}`,
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: { queryStreamRequest: schemaOf(streamRequestSchema, 'input') },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API token `trr_…` or a session `trs_…`.' },
        session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE },
      },
      responses: {
        problem: {
          description: 'RFC 9457',
          content: { 'application/problem+json': { schema: schemaOf(problemSchema, 'output') } },
        },
      },
    },
  };
}
