import { stringify } from 'yaml';
import type { Kind } from './resources.ts';
import { cell, line, widths } from './table.ts';

export const FORMATS = ['table', 'wide', 'json', 'yaml', 'name'] as const;
export type Format = (typeof FORMATS)[number];

const cells = (kind: Kind, wide: boolean, item: unknown, now: number): string[] =>
  Object.values({ ...kind.columns, ...(wide ? kind.wide : {}) }).map((read) => cell(read(item, now)));
const header = (kind: Kind, wide: boolean): string[] => Object.keys({ ...kind.columns, ...(wide ? kind.wide : {}) });

/** A list as a whole. One named item in JSON and YAML is that item, several are a list. */
export function printItems(kind: Kind, items: unknown[], format: Format, one: boolean, now: number): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(one && items.length === 1 ? items[0] : { items }, null, 2)}\n`;
    case 'yaml':
      return stringify(one && items.length === 1 ? items[0] : { items }, { lineWidth: 0 });
    case 'name':
      return items.map((item) => `${kind.name}/${cell(kind.key(item))}\n`).join('');
    default: {
      if (items.length === 0) {
        return '';
      }
      const rows = [header(kind, format === 'wide'), ...items.map((item) => cells(kind, format === 'wide', item, now))];
      const columns = widths(rows);
      return rows.map((row) => `${line(row, columns)}\n`).join('');
    }
  }
}

/** What a watch prints: the items there are, then each as it changes, in one format that can be read as it comes. */
export interface WatchPrinter {
  first(items: unknown[]): string;
  changed(change: 'created' | 'changed' | 'deleted', key: string, item: unknown): string;
}

export function watchPrinter(kind: Kind, format: Format, now: () => number): WatchPrinter {
  const wide = format === 'wide';
  let columns = widths([header(kind, wide)]);
  const row = (item: unknown): string => {
    const values = cells(kind, wide, item, now());
    columns = widths([values], columns);
    return `${line(values, columns)}\n`;
  };
  const one = (change: string, key: string, item: unknown): string => {
    if (format === 'json') {
      return `${JSON.stringify({ change, key, item })}\n`;
    }
    if (format === 'yaml') {
      return `---\n${stringify({ change, key, item }, { lineWidth: 0 })}`;
    }
    if (format === 'name') {
      return `${kind.name}/${cell(key)}\n`;
    }
    return item === null ? `${cell(key)} was deleted\n` : row(item);
  };
  return {
    first(items) {
      if (format !== 'table' && format !== 'wide') {
        return items.map((item) => one('present', kind.key(item), item)).join('');
      }
      columns = widths([header(kind, wide), ...items.map((item) => cells(kind, wide, item, now()))]);
      return `${line(header(kind, wide), columns)}\n${items.map(row).join('')}`;
    },
    changed: one,
  };
}
