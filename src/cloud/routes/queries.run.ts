import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { queryLineSchema, querySchema, type QueryLine } from '../../api/queries.ts';
import { API_PATHS } from '../api-paths.ts';
import { route as define } from '../http/route.ts';
import { queryFor } from '../query-start.ts';

export const route = define({
  method: 'POST',
  path: API_PATHS.queries,
  summary: 'Runs a query on satellites; rows are sent as they come.',
  scope: 'query',
  body: querySchema,
  reply: { type: 'application/x-ndjson', description: 'One JSON object a line.', item: queryLineSchema },
  stream: true,
  audit: [],
  handle({ ctx, cloud, body, caller }) {
    const { proxy, spec } = queryFor(cloud, caller, body, caller.user);
    const out = new PassThrough();
    const gone = new AbortController();
    out.once('close', () => gone.abort(new Error('the reader is gone')));
    ctx.res.once('close', () => out.destroy());
    const write = async (line: QueryLine, json = JSON.stringify(line)): Promise<void> => {
      gone.signal.throwIfAborted();
      if (!out.write(`${json}\n`)) {
        await once(out, 'drain', { signal: gone.signal });
      }
    };
    const signal = AbortSignal.any([gone.signal, cloud.signal]);
    void proxy.run(spec, { write }, signal).then(
      () => out.end(),
      () => out.destroy(),
    );
    ctx.type = 'application/x-ndjson';
    ctx.body = out;
  },
});
