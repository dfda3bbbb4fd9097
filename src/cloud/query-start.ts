import type { z } from 'zod';
import type { querySchema } from '../api/queries.ts';
import { QUERY_LIMITS } from '../bus/frames.ts';
import type { Caller } from './auth/access.ts';
import { HttpProblem, forbidden, unavailable } from './http/problem.ts';
import { MAX_QUERIES, MAX_QUERIES_OF_USER, type QueryProxy } from './queries.ts';
import type { QuerySpec } from './queries/query.ts';
import type { SatelliteView } from './satellites-view.ts';

/** What a query is started from. */
export interface QuerySources {
  /** Undefined while this instance is not connected to its satellites. */
  queries(): QueryProxy | undefined;
  satellites: Pick<SatelliteView, 'select'>;
}

const tooManyQueries = (title: string): HttpProblem =>
  new HttpProblem(429, 'too-many-queries', title, { headers: { 'Retry-After': '5' } });

/** @throws HttpProblem where this instance, or the user, runs as many queries as it may */
export function refuseTooManyQueries(proxy: QueryProxy, user: string | undefined): void {
  if (user !== undefined && proxy.active(user) >= MAX_QUERIES_OF_USER) {
    throw tooManyQueries(`${user} already runs ${MAX_QUERIES_OF_USER} queries on this instance.`);
  }
  if (proxy.active() >= MAX_QUERIES) {
    throw tooManyQueries(`This instance already runs ${MAX_QUERIES} queries.`);
  }
}

/**
 * The proxy for a query and what it is to run.
 * @param user among whose queries it counts; undefined for what nobody has asked for by hand
 * @throws HttpProblem where this instance, or this caller, cannot have it now
 */
export function queryFor(
  sources: QuerySources,
  caller: Caller,
  body: z.output<typeof querySchema>,
  user: string | undefined,
): { proxy: QueryProxy; spec: QuerySpec } {
  const proxy = sources.queries();
  if (proxy === undefined) {
    throw unavailable('bus-down', 'This instance is not connected to its satellites now.');
  }
  if (body.maxBytes > QUERY_LIMITS.bytes && !caller.scopes.has('operate')) {
    throw forbidden(
      `More than ${QUERY_LIMITS.bytes} bytes of rows need the right "operate", which ${caller.actor} does not have.`,
    );
  }
  refuseTooManyQueries(proxy, user);
  const satellites = sources.satellites.select(body.satellites, body.tags);
  const { sql, timeoutMs, maxRows, maxBytes, order, limit } = body;
  const merge = order === undefined && limit === undefined ? undefined : { order: order ?? [], limit };
  return { proxy, spec: { sql, user, timeoutMs, maxRows, maxBytes, satellites, merge } };
}
