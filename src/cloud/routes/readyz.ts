import { HttpProblem } from '../http/problem.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: '/readyz',
  open: true,
  handle({ ctx, cloud }) {
    const reason = cloud.notReady();
    if (reason !== undefined) throw new HttpProblem(503, 'not-ready', reason);
    ctx.body = 'ok\n';
  },
});
