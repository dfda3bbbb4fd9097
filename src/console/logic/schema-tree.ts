import type { FleetTable } from '../../api/satellites.ts';

/** What fits what somebody types: tables by name with all their columns, else those of its columns that fit. */
export function filterSchema(tables: readonly FleetTable[], text: string): FleetTable[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') {
    return [...tables];
  }
  return tables.flatMap((t) => {
    if (t.name.toLowerCase().includes(wanted)) {
      return [t];
    }
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
