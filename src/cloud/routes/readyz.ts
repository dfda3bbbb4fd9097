import { unavailable } from '../http/problem.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: '/readyz',
  summary: 'Whether this instance can read, change and query: state in step and with a quorum, bus connected.',
  scope: 'open',
  reply: { type: 'text/plain', description: '`ok`' },
  handle({ ctx, cloud }) {
    const reason = cloud.notReady();
    if (reason !== undefined) {
      throw unavailable('not-ready', reason);
    }
    ctx.body = 'ok\n';
  },
});
