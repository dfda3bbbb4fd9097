import type { Context } from 'koa';
import type { z } from 'zod';
import type { CloudContext } from '../context.ts';
import type { Caller } from './auth.ts';

/** One file of routes/ each, found by its name. */
export interface Route<Body = unknown> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  /** Whether it answers without a session. */
  open?: true;
  /** What the body must be; a route without has none. */
  body?: z.ZodType<Body>;
  /** Sets ctx.body (or ctx.status), or throws HttpProblem. `caller` is undefined only for an open route. */
  handle(request: { ctx: Context; cloud: CloudContext; body: Body; caller: Caller | undefined }): Promise<void> | void;
}

/** Keeps the body's type through the definition. */
export function route<Body>(definition: Route<Body>): Route<Body> {
  return definition;
}
