import Router from '@koa/router';
import Koa from 'koa';
import { moduleNames } from '../../modules.ts';
import type { CloudContext } from '../context.ts';
import { authenticate } from './auth.ts';
import { readJson } from './body.ts';
import { securityHeaders } from './headers.ts';
import { HttpProblem, invalidBody } from './problem.ts';
import type { Route } from './route.ts';

/** The application: security headers, errors as problems, the routes of routes/, then `statics`. */
export async function createApp(cloud: CloudContext, statics: Koa.Middleware): Promise<Koa> {
  const app = new Koa();
  app.silent = true;
  app.use(securityHeaders);
  app.use(problems(cloud));
  const router = new Router();
  for (const name of moduleNames('src/cloud/routes')) {
    const { route } = (await import(`../routes/${name}.ts`)) as { route: Route };
    router.register(route.path, [route.method], handler(route, cloud));
  }
  app.use(router.routes());
  app.use(statics);
  app.use((ctx) => {
    const elsewhere = router.match(ctx.path, ctx.method).path.length > 0;
    if (elsewhere) throw new HttpProblem(405, 'method-not-allowed', `${ctx.method} is not possible here.`);
    throw new HttpProblem(404, 'not-found', 'There is nothing here.');
  });
  return app;
}

function handler(route: Route, cloud: CloudContext): Koa.Middleware {
  return async (ctx) => {
    const caller = route.open === true ? undefined : authenticate(ctx, cloud);
    let body: unknown;
    if (route.body !== undefined) {
      const parsed = route.body.safeParse(await readJson(ctx.req));
      if (!parsed.success) throw invalidBody(parsed.error);
      body = parsed.data;
    }
    await route.handle({ ctx, cloud, body, caller });
  };
}

function problems(cloud: CloudContext): Koa.Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      if (ctx.headerSent) {
        ctx.res.destroy();
        return;
      }
      const problem = error instanceof HttpProblem ? error : new HttpProblem(500, 'internal', 'Something went wrong in the cloud. Its log says what.');
      if (!(error instanceof HttpProblem)) cloud.log(`http: ${ctx.method} ${ctx.path}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      ctx.status = problem.problem.status;
      ctx.set(problem.headers);
      ctx.body = JSON.stringify(problem.problem);
      ctx.type = 'application/problem+json';
    }
  };
}
