import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { API_PATHS, queryLineSchema, querySchema, type QueryLine } from '../api.ts';
import { HttpProblem, unavailable } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { MAX_QUERIES } from '../queries.ts';

export const route = define({
  method: 'POST',
  path: API_PATHS.queries,
  summary: 'Runs a query on satellites; rows are sent as they come.',
  scope: 'query',
  body: querySchema,
  reply: { type: 'application/x-ndjson', description: 'One JSON object a line.', item: queryLineSchema },
  stream: true,
  audit: [],
  handle({ ctx, cloud, body }) {
    const proxy = cloud.queries();
    if (proxy === undefined) throw unavailable('bus-down', 'This instance is not connected to its satellites now.');
    if (proxy.active() >= MAX_QUERIES) throw new HttpProblem(429, 'too-many-queries', `This instance already runs ${MAX_QUERIES} queries.`, { headers: { 'Retry-After': '5' } });
    const satellites = cloud.satellites.select(body.satellites, body.tags);
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
