import type { LiveTable } from '../table.ts';

export const table: LiveTable = {
  kind: 'live',
  name: 'tables',
  description: 'The tables of this satellite, this one included',
  columns: [
    { name: 'name', type: 'text', description: 'name of the table' },
    {
      name: 'kind',
      type: 'text',
      description:
        'live: read from the machine when asked; state: kept in step with what is watched; history: recorded over time',
    },
    { name: 'description', type: 'text', description: 'what it holds' },
    {
      name: 'state',
      type: 'text',
      description: 'ok; stale: shows the last that was known; unavailable: nothing fills it here',
    },
    { name: 'reason', type: 'text', description: 'why it is not ok' },
  ],
  *rows({ catalog }) {
    for (const { name, kind, description } of catalog.tables) {
      const note = catalog.notes[name];
      yield { name, kind, description, state: note?.state ?? 'ok', reason: note?.reason ?? null };
    }
  },
};
