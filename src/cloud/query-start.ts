import { QUERY_LIMITS } from '../bus/frames.ts';
import type { z } from 'zod';
import type { querySchema } from './api.ts';
import type { Caller } from './auth/access.ts';
import type { CloudContext } from './context.ts';
import { HttpProblem, forbidden, unavailable } from './http/problem.ts';
import { MAX_QUERIES, type QueryProxy, type QuerySpec } from './queries.ts';

/** The proxy for a query and what it is to run. @throws HttpProblem where this instance, or this caller, cannot have it now */
export function queryFor(cloud: CloudContext, caller: Caller, body: z.output<typeof querySchema>): { proxy: QueryProxy; spec: QuerySpec } {
  const proxy = cloud.queries();
  if (proxy === undefined) throw unavailable('bus-down', 'This instance is not connected to its satellites now.');
  if (body.maxBytes > QUERY_LIMITS.bytes && !caller.scopes.has('operate')) throw forbidden(`More than ${QUERY_LIMITS.bytes} bytes of rows need the right "operate", which ${caller.actor} does not have.`);
  if (proxy.active() >= MAX_QUERIES) throw new HttpProblem(429, 'too-many-queries', `This instance already runs ${MAX_QUERIES} queries.`, { headers: { 'Retry-After': '5' } });
  const satellites = cloud.satellites.select(body.satellites, body.tags);
  const { sql, timeoutMs, maxRows, maxBytes, order, limit } = body;
  const merge = order === undefined && limit === undefined ? undefined : { order: order ?? [], limit };
  return { proxy, spec: { sql, timeoutMs, maxRows, maxBytes, satellites, merge } };
}
