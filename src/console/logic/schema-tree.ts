import type { SatelliteInfo } from '../../cloud/api.ts';

export interface SchemaTable {
  name: string;
  columns: string[];
  /** Satellites that have it, of those that are asked. */
  on: number;
}

/** The tables of some satellites, by name; of another release's table all columns that any of them has. */
export function schemaOf(satellites: readonly Pick<SatelliteInfo, 'tables'>[]): SchemaTable[] {
  const tables = new Map<string, SchemaTable>();
  for (const table of satellites.flatMap((s) => s.tables)) {
    const known = tables.get(table.name);
    if (known === undefined) {
      tables.set(table.name, { name: table.name, columns: [...table.columns], on: 1 });
    } else {
      known.on += 1;
      for (const column of table.columns) if (!known.columns.includes(column)) known.columns.push(column);
    }
  }
  return [...tables.values()].toSorted((a, b) => a.name.localeCompare(b.name));
}

/** What fits what somebody types: tables by name with all their columns, else those of its columns that fit. */
export function filterSchema(tables: readonly SchemaTable[], text: string): SchemaTable[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return [...tables];
  return tables.flatMap((t) => {
    if (t.name.toLowerCase().includes(wanted)) return [t];
    const columns = t.columns.filter((c) => c.toLowerCase().includes(wanted));
    return columns.length === 0 ? [] : [{ ...t, columns }];
  });
}

/** Puts a word into a text at a selection, with the blanks that keep it apart from its neighbours. */
export function insertWord(text: string, start: number, end: number, word: string): { text: string; caret: number } {
  const [before, after] = [text.slice(0, start), text.slice(end)];
  const left = before === '' || /[\s(.,]$/.test(before) ? '' : ' ';
  const right = after === '' || /^[\s),;.]/.test(after) ? '' : ' ';
  const inserted = `${left}${word}${right}`;
  return { text: before + inserted + after, caret: before.length + left.length + word.length };
}
