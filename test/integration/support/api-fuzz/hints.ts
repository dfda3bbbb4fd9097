import { createHash } from 'node:crypto';
import { scopesOf } from '../../../../src/cloud/auth/access.ts';
import { splitPosition } from '../../../../src/cloud/auth/sessions.ts';
import type { Route } from '../../../../src/cloud/http/route.ts';
import { createRequest } from '../../../../src/pki/authority.ts';
import type { Actor, Got, Sent } from './client.ts';
import type { Description, Input } from './inputs.ts';
import {
  asAdmin,
  enrolled,
  enrolmentToken,
  hasRun,
  ownToken,
  position,
  saved,
  scheduled,
  type FuzzWorld,
} from './world.ts';

/** Cleans up, or notes something, once the input has been sent. */
export type After = (got: Got, sent: Sent) => Promise<void> | void;
type Hint = (
  world: FuzzWorld,
  actor: Actor,
  input: Input,
) => Promise<{
  params?: Record<string, unknown>;
  query?: Record<string, unknown>;
  body?: Record<string, unknown>;
  after?: After;
}>;

/** No key of a list that somebody has made up is a cursor of its. */
const firstPage: Hint = async () => ({ query: { limit: 3, cursor: undefined } });
const known: Hint = async ({ someUser }) => ({ params: { name: someUser() } });

/** Hints make a valid input also a meaningful one, by names of things that are there. Most inputs get theirs. */
const HINTS: Record<string, Hint> = {
  'POST /api/v1/login': async ({ send }, actor) => ({
    body: { user: actor.name, password: actor.password },
    after: async (got) => {
      if (got.status === 200) {
        await send({
          method: 'POST',
          path: '/api/v1/logout',
          headers: { authorization: `Bearer ${(JSON.parse(got.body) as { token: string }).token}` },
        });
      }
    },
  }),
  'POST /api/v1/password': async ({ nextNumber }, actor) => ({
    body: { current: actor.password, password: `changed ${nextNumber()} times` },
    // A spoilt one may be carried out with another password.
    after: (got, { body }) => {
      if (got.status !== 200) {
        return;
      }
      actor.password = (JSON.parse(body ?? '') as { password: string }).password;
      actor.token = (JSON.parse(got.body) as { token: string }).token;
    },
  }),
  'GET /api/v1/users/{name}': known,
  'GET /api/v1/satellites/{id}': async () => ({ params: { id: 'n1' } }),
  'PATCH /api/v1/users/{name}': async ({ someUser }, _, { body }) => {
    const { password } = body as { password?: string };
    return {
      params: { name: someUser() },
      body:
        password === undefined
          ? { role: 'viewer', expect: undefined }
          : { role: undefined, disabled: undefined, expect: undefined },
    };
  },
  'DELETE /api/v1/users/{name}': async ({ nextToDelete }) => ({
    params: { name: nextToDelete() },
    query: { expect: undefined },
  }),
  'DELETE /api/v1/users/{name}/sessions': known,
  'GET /api/v1/tokens/{id}': ownToken,
  'DELETE /api/v1/tokens/{id}': async (world, actor) => ({
    ...(await ownToken(world, actor)),
    query: { expect: undefined },
  }),
  'POST /api/v1/tokens': async (_, actor) => ({ body: { scopes: scopesOf(actor.role).slice(0, 1) } }),
  'DELETE /api/v1/sessions/{id}': async (world, actor) => {
    const id = createHash('sha256')
      .update(splitPosition(await world.login(actor.name, actor.password)).token)
      .digest('hex');
    return {
      params: { id },
      // A user has 50 sessions at most; the oldest gives way, which would be the one that all use.
      after: async () => void (await asAdmin(world, 'DELETE', `sessions/${id}`)),
    };
  },
  'GET /api/v1/saved-queries/{id}': saved,
  'PUT /api/v1/saved-queries/{id}': async ({ nextNumber }, actor) => ({
    params: { id: `put-${actor.name}-${nextNumber()}` },
    body: { expect: undefined },
  }),
  'DELETE /api/v1/saved-queries/{id}': async (world, actor) => ({
    ...(await saved(world, actor)),
    query: { expect: undefined },
  }),
  'GET /api/v1/schedules/{id}': scheduled,
  'PUT /api/v1/schedules/{id}': async (world, actor) => {
    const { params, after } = await scheduled(world, actor);
    return { params, after, body: { sql: 'select 1', query: undefined, everySeconds: 3600, expect: undefined } };
  },
  'PATCH /api/v1/schedules/{id}': async (world, actor) => ({
    ...(await scheduled(world, actor)),
    body: { expect: undefined },
  }),
  'DELETE /api/v1/schedules/{id}': async (world, actor) => ({
    ...(await scheduled(world, actor)),
    query: { expect: undefined },
  }),
  'POST /api/v1/schedules/{id}/runs': scheduled,
  'GET /api/v1/schedules/{id}/runs': scheduled,
  'GET /api/v1/schedules/{id}/runs/{number}': hasRun,
  'GET /api/v1/schedules/{id}/runs/{number}/lines': hasRun,
  'DELETE /api/v1/enrolment-tokens/{id}': async (world) => ({
    params: { id: (await enrolmentToken(world)).id },
    query: { expect: undefined },
  }),
  'POST /api/v1/enrol': async (world) => ({
    body: {
      token: (await enrolmentToken(world)).token,
      id: `far-${world.nextNumber()}`,
      request: (await createRequest('a satellite')).csr,
      nkey: undefined,
    },
  }),
  'POST /api/v1/satellites/{id}/revoke': enrolled,
  'PATCH /api/v1/satellites/{id}': async (_, __, { body }) => ({
    params: { id: 'n1' },
    body: { expect: undefined, ...((body as { tags?: unknown }).tags === undefined ? { name: 'a name' } : {}) },
  }),
  'GET /api/v1/satellites/{id}/access': async () => ({ params: { id: 'n1' } }),
  'PUT /api/v1/satellites/{id}/access': async () => ({ params: { id: 'n1' }, body: { expect: undefined } }),
  'GET /api/v1/satellites/{id}/states': async () => ({ params: { id: 'n1' }, query: { limit: 3, cursor: undefined } }),
  'DELETE /api/v1/satellites/{id}': async (world) => ({ ...(await enrolled(world)), query: { expect: undefined } }),
  'GET /api/v1/watch': async (world, actor) => ({
    query: {
      topics: actor.role === 'admin' ? 'overview,users,audit' : 'overview,saved-queries',
      since: await position(world),
    },
  }),
};

/** Returns the hint for a route; a list without one is asked for its first page. */
export function hintOf(description: Description, route: Route): Hint | undefined {
  const isList = (description[route.path]?.[route.method.toLowerCase()]?.parameters ?? []).some(
    (p) => p.name === 'cursor',
  );
  return HINTS[`${route.method} ${route.path}`] ?? (isList ? firstPage : undefined);
}

const defined = (values: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([, v]) => v !== undefined));

/** The input with what its hint says. */
export async function apply(
  world: FuzzWorld,
  hint: Hint | undefined,
  actor: Actor,
  input: Input,
): Promise<{ input: Input; after: After | undefined }> {
  if (hint === undefined) {
    return { input, after: undefined };
  }
  const { params = {}, query = {}, body, after } = await hint(world, actor, input);
  return {
    input: {
      params: { ...input.params, ...params },
      query: defined({ ...input.query, ...query }),
      body: body === undefined ? input.body : defined({ ...(input.body as object), ...body }),
    },
    after,
  };
}
