import { z } from 'zod';
import { API_PATHS } from '../api-paths.ts';
import { openApi } from '../http/openapi.ts';
import { loadRoutes, route as define } from '../http/route.ts';

let document: Record<string, unknown> | undefined;

export const route = define({
  method: 'GET',
  path: API_PATHS.openapi,
  summary: 'This description, OpenAPI 3.1.',
  scope: 'open',
  reply: z.record(z.string(), z.unknown()),
  async handle() {
    return (document ??= openApi(await loadRoutes()));
  },
});
