import { createRequest } from '../../../../src/pki/authority.ts';
import type { Actor, FuzzClient, Got } from './client.ts';

/** The cloud that is fuzzed, as hints see it. */
export interface FuzzWorld {
  send: FuzzClient['send'];
  login: FuzzClient['login'];
  /** Prepares and cleans up; nobody fuzzes as this one. */
  admin: Actor;
  /** A user to be changed. */
  someUser(): string;
  /** A user to be deleted, another one each time. */
  nextToDelete(): string;
  /** For names that nobody has used. */
  nextNumber(): number;
}

/** @param spare users to be changed: the first of them; and to be deleted: each of the others once */
export function fuzzWorld({ send, login }: FuzzClient, admin: Actor, spare: string[]): FuzzWorld {
  let deleted = 0;
  let counter = 0;
  return {
    send,
    login,
    admin,
    someUser: () => spare[0] ?? '',
    nextToDelete: () => spare[(deleted += 1)] ?? '',
    nextNumber: () => (counter += 1),
  };
}

export const asAdmin = ({ send, admin }: FuzzWorld, method: string, path: string, body?: unknown): Promise<Got> =>
  send({
    method,
    path: `/api/v1/${path}`,
    headers: { authorization: `Bearer ${admin.token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
/** The position of the newest entry of the audit log. */
export const position = async (world: FuzzWorld): Promise<number> =>
  (JSON.parse((await asAdmin(world, 'GET', 'audit?limit=1')).body) as { items: { seq: number }[] }).items[0]?.seq ?? 0;

/** A saved query that the actor may change. */
export async function saved(
  { send, admin, nextNumber }: FuzzWorld,
  actor: Actor,
): Promise<{ params: { id: string }; query: Record<string, unknown> }> {
  const id = `of-${actor.name}-${nextNumber()}`;
  const got = await send({
    method: 'PUT',
    path: `/api/v1/saved-queries/${id}`,
    headers: {
      authorization: `Bearer ${(actor.role === 'viewer' ? admin : actor).token}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ name: 'a', sql: 'select 1' }),
  });
  if (got.status !== 200) {
    throw new Error(`preparing: ${got.status} ${got.body}`);
  }
  return { params: { id }, query: {} };
}
/** A schedule that the actor may change. */
export async function scheduled(
  { send, admin, nextNumber }: FuzzWorld,
  actor: Actor,
): Promise<{ params: { id: string }; query: Record<string, unknown>; after: () => Promise<void> }> {
  const id = `of-${actor.name}-${nextNumber()}`;
  const path = `/api/v1/schedules/${id}`;
  const headers = {
    authorization: `Bearer ${(actor.role === 'viewer' ? admin : actor).token}`,
    'content-type': 'application/json',
  };
  const got = await send({
    method: 'PUT',
    path,
    headers,
    body: JSON.stringify({ name: 'a', sql: 'select 1', everySeconds: 3600, paused: true }),
  });
  if (got.status !== 200) {
    throw new Error(`preparing: ${got.status} ${got.body}`);
  }
  // There may not be many.
  return { params: { id }, query: {}, after: async () => void (await send({ method: 'DELETE', path, headers })) };
}
/** A schedule with a run. */
export async function hasRun(
  world: FuzzWorld,
  actor: Actor,
): Promise<{ params: { id: string; number: number }; after: () => Promise<void> }> {
  const { params, after } = await scheduled(world, actor);
  await world.send({
    method: 'POST',
    path: `/api/v1/schedules/${params.id}/runs`,
    headers: { authorization: `Bearer ${world.admin.token}` },
  });
  return { params: { ...params, number: 1 }, after };
}
/** A token of the actor. */
export async function ownToken(
  { send }: FuzzWorld,
  actor: Actor,
): Promise<{ params: { id: string }; query: Record<string, unknown>; after: () => Promise<void> }> {
  const headers = { authorization: `Bearer ${actor.token}`, 'content-type': 'application/json' };
  const got = await send({
    method: 'POST',
    path: '/api/v1/tokens',
    headers,
    body: JSON.stringify({ name: 'a', scopes: ['read'] }),
  });
  const { id } = JSON.parse(got.body) as { id: string };
  return {
    params: { id },
    query: {},
    after: async () => void (await send({ method: 'DELETE', path: `/api/v1/tokens/${id}`, headers })),
  };
}
export const enrolmentToken = async (world: FuzzWorld): Promise<{ id: string; token: string }> =>
  JSON.parse((await asAdmin(world, 'POST', 'enrolment-tokens', {})).body) as { id: string; token: string };
/** A satellite that has enrolled. */
export async function enrolled(world: FuzzWorld): Promise<{ params: { id: string } }> {
  const id = `far-${world.nextNumber()}`;
  const got = await asAdmin(world, 'POST', 'enrol', {
    token: (await enrolmentToken(world)).token,
    id,
    request: (await createRequest('a satellite')).csr,
  });
  if (got.status !== 200) {
    throw new Error(`preparing: ${got.status} ${got.body}`);
  }
  return { params: { id } };
}
