import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: '/healthz',
  open: true,
  handle({ ctx }) {
    ctx.body = 'ok\n';
  },
});
