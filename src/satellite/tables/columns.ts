import type { LiveTable } from '../table.ts';

export const table: LiveTable = {
  kind: 'live',
  name: 'columns',
  description: 'The columns of all tables of this satellite',
  columns: [
    { name: 'table_name', type: 'text', description: 'name of the table' },
    { name: 'position', type: 'integer', description: 'place of the column in its table, from 1' },
    { name: 'name', type: 'text', description: 'name of the column' },
    { name: 'type', type: 'text', description: 'text, integer or real; any column may hold null' },
    { name: 'description', type: 'text', description: 'what it holds' },
  ],
  *rows({ catalog }) {
    for (const { name: table_name, columns } of catalog.tables) {
      for (const [i, { name, type, description }] of columns.entries()) {
        yield { table_name, position: i + 1, name, type, description };
      }
    }
  },
};
