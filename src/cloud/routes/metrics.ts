import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: '/metrics',
  summary: 'Figures for Prometheus, by a token with the scope "metrics".',
  scope: 'metrics',
  reply: { type: 'text/plain', description: 'Prometheus text format' },
  async handle({ ctx, cloud }) {
    ctx.body = await cloud.metrics.text();
    ctx.type = cloud.metrics.contentType;
  },
});
