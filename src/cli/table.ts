/** A cell of a terminal table: what a control character could do to the terminal is taken out. */
export function cell(value: unknown): string {
  if (value === null || value === undefined) {
    return '';
  }
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
  // oxlint-disable-next-line no-control-regex -- control characters are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

/** Widths for these rows, at least those given. */
export function widths(rows: string[][], least: number[] = []): number[] {
  const result = [...least];
  for (const row of rows) {
    row.forEach((text, i) => (result[i] = Math.max(result[i] ?? 0, text.length)));
  }
  return result;
}

/** One line, columns apart by two spaces, without spaces at its end. */
export function line(row: string[], columns: number[]): string {
  return row
    .map((text, i) => text.padEnd(columns[i] ?? 0))
    .join('  ')
    .trimEnd();
}

/** A whole small table, each line indented. */
export function table(header: string[], rows: string[][], indent = '  '): string {
  const columns = widths([header, ...rows]);
  return [header, ...rows].map((row) => `${indent}${line(row, columns)}\n`).join('');
}
