import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { API_PATHS, querySchema, type QueryLine } from '../api.ts';
import { HttpProblem } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { MAX_QUERIES } from '../queries.ts';

export const route = define({
  method: 'POST',
  path: API_PATHS.queries,
  body: querySchema,
  handle({ ctx, cloud, body }) {
    const proxy = cloud.queries();
    if (proxy === undefined) throw new HttpProblem(503, 'bus-down', 'This instance is not connected to its satellites now.', { headers: { 'Retry-After': '2' } });
    if (proxy.active() >= MAX_QUERIES) throw new HttpProblem(429, 'too-many-queries', `This instance already runs ${MAX_QUERIES} queries.`, { headers: { 'Retry-After': '5' } });
    const satellites = [...new Set(body.satellites ?? cloud.registry.all().map((s) => s.id))];
    const out = new PassThrough();
    const gone = new AbortController();
    out.once('close', () => gone.abort(new Error('the reader is gone')));
    ctx.res.once('close', () => out.destroy());
    const write = async (line: QueryLine): Promise<void> => {
      gone.signal.throwIfAborted();
      if (!out.write(`${JSON.stringify(line)}\n`)) await once(out, 'drain', { signal: gone.signal });
    };
    const signal = AbortSignal.any([gone.signal, cloud.signal]);
    void proxy.run({ ...body, satellites }, { write }, signal).then(
      () => out.end(),
      () => out.destroy(),
    );
    ctx.type = 'application/x-ndjson';
    ctx.body = out;
  },
});
