import { z } from 'zod';
import { fleetTableSchema, fleetTablesQuery } from '../../api/satellites.ts';
import { API_PATHS } from '../api-paths.ts';
import { route as define } from '../http/route.ts';
import { tablesOf } from '../satellites-tables.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.tables,
  summary: 'The tables of some satellites, or of all that are heard, with all columns that any of them has.',
  scope: 'read',
  query: fleetTablesQuery,
  reply: z.object({ items: z.array(fleetTableSchema), satellites: z.int() }),
  handle({ cloud, query }) {
    const ids = query.satellites?.split(',') ?? [...cloud.registry.ids()];
    const heard = ids.flatMap((id) => cloud.registry.tables(id) ?? []);
    return { items: tablesOf(heard), satellites: heard.length };
  },
});
