import type { Context } from 'koa';
import type { z } from 'zod';
import type { Scope } from '../../api/access.ts';
import { moduleNames } from '../../modules.ts';
import type { Caller } from '../auth/access.ts';
import type { CloudContext } from '../context.ts';

/** What an answer is where it is no JSON object. */
export interface Media {
  type: 'application/x-ndjson' | 'text/event-stream' | 'text/plain';
  description: string;
  /** A line, or an event's data. */
  item?: z.ZodType;
}

export interface Request<Params, Query, Body> {
  ctx: Context;
  cloud: CloudContext;
  params: Params;
  query: Query;
  body: Body;
  /** Of an open route nobody. */
  caller: Caller;
}

/**
 * The table of routes: one file of routes/ each, found by its name. Validation, OpenAPI, limits and the fuzz test come
 * from here.
 * What a request has beyond its schemas is refused.
 */
export interface Route<Params = unknown, Query = unknown, Body = unknown, Reply = unknown> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `/api/v1/users/{name}` */
  path: string;
  /** One sentence. */
  summary: string;
  /** `open`: to everybody; `self`: to everybody who is logged in. */
  scope: Scope | 'open' | 'self';
  /** Answered also while the caller has to change his password first. */
  beforePasswordChange?: true;
  params?: z.ZodType<Params>;
  query?: z.ZodType<Query>;
  body?: z.ZodType<Body>;
  /** Undefined: no content. */
  reply?: z.ZodType<Reply> | Media;
  /** 200, or 204 without a reply. */
  status?: 201;
  /**
   * The kinds of commands that it proposes, so what the audit log has of it; empty for what changes nothing that lasts.
   */
  audit?: readonly string[];
  /**
   * Carried out each time, whatever id the client gives its command: the answer holds something that each try makes
   * anew.
   */
  unrepeatable?: true;
  /** Never ends by itself: no limit of time. */
  stream?: true;
  /** Answers its reply, or sets ctx.body where that is no JSON object. @throws HttpProblem, Failure */
  handle(request: Request<Params, Query, Body>): Promise<Reply> | Reply;
}

/** Keeps the types of the schemas through the definition. */
export function route<Params = Record<string, never>, Query = Record<string, never>, Body = undefined, Reply = void>(
  definition: Route<Params, Query, Body, Reply>,
): Route<Params, Query, Body, Reply> {
  return definition;
}

export function isMedia(reply: Route['reply']): reply is Media {
  return reply !== undefined && !('_zod' in reply);
}

/** All of src/cloud/routes. */
export async function loadRoutes(): Promise<Route[]> {
  const routes: Route[] = [];
  for (const name of moduleNames('src/cloud/routes')) {
    const module = (await import(`../routes/${name}.ts`)) as { route: Route };
    routes.push(module.route);
  }
  return routes;
}
