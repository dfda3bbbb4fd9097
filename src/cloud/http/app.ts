import { randomUUID } from 'node:crypto';
import Router from '@koa/router';
import Koa from 'koa';
import type { z } from 'zod';
import type { Scope } from '../../api/access.ts';
import { MIN_SEQ_HEADER, SEQ_HEADER } from '../api-paths.ts';
import type { Caller } from '../auth/access.ts';
import type { CloudContext } from '../context.ts';
import { authenticate, awaitSession } from './auth.ts';
import { readJson } from './body.ts';
import { securityHeaders } from './headers.ts';
import { HttpProblem, forbidden, invalid, problemOf, unavailable } from './problem.ts';
import { isMedia, loadRoutes, type Route } from './route.ts';

/** Reading and answering a request together, where its answer is no stream. */
const REQUEST_MS = 30_000;
const MIN_SEQ_MS = 2_000;

/** The application: security headers, errors as problems, the routes of routes/, then `statics`. */
export async function createApp(cloud: CloudContext, statics: Koa.Middleware): Promise<Koa> {
  const app = new Koa();
  app.silent = true;
  app.use(securityHeaders(cloud.direct.cspSource));
  app.use(problems(cloud));
  const router = new Router();
  for (const route of await loadRoutes()) {
    router.register(route.path.replaceAll(/\{(\w+)\}/g, ':$1'), [route.method], handler(route, cloud));
  }
  app.use(router.routes());
  app.use(statics);
  app.use((ctx) => {
    const elsewhere = router
      .match(ctx.path, ctx.method)
      .path.map((layer) => layer.methods)
      .flat();
    if (elsewhere.length > 0) {
      throw new HttpProblem(405, 'method-not-allowed', `${ctx.method} is not possible here.`, {
        headers: { Allow: [...new Set(elsewhere)].join(', ') },
      });
    }
    throw new HttpProblem(404, 'not-found', 'There is nothing here.');
  });
  return app;
}

function handler(route: Route, cloud: CloudContext): Koa.Middleware {
  return async (ctx) => {
    const began = performance.now();
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        if (route.stream !== true) {
          timer = setTimeout(
            () => reject(unavailable('timeout', `The answer was not ready within ${REQUEST_MS / 1000} s.`)),
            REQUEST_MS,
          );
        }
      });
      await Promise.race([answer(route, cloud, ctx), late]);
    } finally {
      clearTimeout(timer);
      ctx.res.once('close', () =>
        cloud.metrics.request(route.method, route.path, ctx.res.statusCode, (performance.now() - began) / 1000),
      );
    }
  };
}

async function answer(route: Route, cloud: CloudContext, ctx: Koa.Context): Promise<void> {
  await awaitSession(ctx, cloud);
  const caller = route.scope === 'open' ? NOBODY : allowed(route, authenticate(ctx, cloud));
  const given = ctx['params'] as Record<string, string>;
  const params = parse('path', route.params, given, route.path.includes('{'));
  const query = parse('query', route.query, { ...ctx.query }, true);
  const body = route.body === undefined ? undefined : parse('body', route.body, await readJson(ctx.req), true);
  await seen(ctx, cloud);
  // Taken before it reads: who watches from there on misses nothing. A change says its own.
  const position = cloud.state.current()?.position();
  if (position !== undefined) {
    ctx.set(SEQ_HEADER, String(position));
  }
  const reply = await route.handle({ ctx, cloud, params, query, body, caller });
  if (isMedia(route.reply)) {
    return;
  }
  if (route.reply === undefined) {
    ctx.status = 204;
    return;
  }
  ctx.status = route.status ?? 200;
  ctx.body = JSON.stringify(reply);
  ctx.type = 'application/json';
}

/** Stands for the caller of an open route, which has none and asks for none. */
const NOBODY: Caller = { user: '', role: 'viewer', scopes: new Set(), actor: '', passwordChange: 'none' };

/** @throws HttpProblem 403 */
export function allowed(route: Pick<Route, 'scope' | 'beforePasswordChange'>, caller: Caller): Caller {
  if (caller.passwordChange === 'required' && route.beforePasswordChange !== true) {
    throw new HttpProblem(403, 'password-change-required', 'Change your password first.', {
      detail: 'POST /api/v1/password does that.',
    });
  }
  if (route.scope !== 'self' && !caller.scopes.has(route.scope as Scope)) {
    throw forbidden(`This needs the right "${route.scope}", which ${caller.actor} does not have.`);
  }
  return caller;
}

function parse(
  what: 'body' | 'query' | 'path',
  schema: z.ZodType | undefined,
  value: unknown,
  strict: boolean,
): unknown {
  if (schema === undefined) {
    const [extra] = Object.keys(value as object);
    if (strict && extra !== undefined) {
      throw new HttpProblem(400, `invalid-${what}`, 'The request is not valid.', {
        errors: [{ path: extra, message: 'There is no such parameter.' }],
      });
    }
    return {};
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw invalid(what, parsed.error);
  }
  return parsed.data;
}

/** Waits until this instance has seen what the client has seen on another one. @throws HttpProblem 400, 503 */
async function seen(ctx: Koa.Context, cloud: CloudContext): Promise<void> {
  const given = ctx.get(MIN_SEQ_HEADER);
  if (given === '') {
    return;
  }
  if (!/^\d{1,15}$/.test(given)) {
    throw new HttpProblem(400, 'invalid-header', `The header ${MIN_SEQ_HEADER} is no position.`);
  }
  if (!(await cloud.state.replica().waitFor(Number(given), MIN_SEQ_MS))) {
    throw unavailable('behind', `This instance has not come to position ${given} within ${MIN_SEQ_MS / 1000} s.`);
  }
}

function problems(cloud: CloudContext): Koa.Middleware {
  return async (ctx, next) => {
    const requestId = randomUUID();
    ctx.set('X-Request-Id', requestId);
    try {
      await next();
    } catch (error) {
      if (ctx.headerSent) {
        ctx.res.destroy();
        return;
      }
      const known = problemOf(error);
      const { problem, headers } =
        known ?? new HttpProblem(500, 'internal', 'Something went wrong in the cloud. Its log says what.');
      if (known === undefined) {
        cloud.log(
          `http: ${requestId} ${ctx.method} ${ctx.path}: ` +
            `${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
      }
      ctx.status = problem.status;
      ctx.set(headers);
      ctx.body = JSON.stringify({ ...problem, requestId });
      ctx.type = 'application/problem+json';
    }
  };
}
