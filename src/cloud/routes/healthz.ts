import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: '/healthz',
  summary: 'Whether the process answers; says nothing of what it needs.',
  scope: 'open',
  reply: { type: 'text/plain', description: '`ok`' },
  handle({ ctx }) {
    ctx.body = 'ok\n';
  },
});
