import type { QueryLine } from '../api/queries.ts';
import type { Value } from '../bus/frames.ts';
import { EXIT, Failure } from '../errors.ts';
import type { Io } from './command.ts';
import { cell, line, widths } from './table.ts';

/** Rows looked at before the columns' widths are fixed, and the longest that the first one waits for others. */
const SAMPLE_ROWS = 200;
const SAMPLE_MS = 300;
/** A column is at most so wide where others follow it. */
const MAX_WIDTH = 60;

export interface QueryPrinter {
  print(line: QueryLine): void;
  /** Prints what is still held back. */
  finish(): void;
}

type Cut = 'rows' | 'bytes';

/** What to do about a result that was cut off: a sentence for each limit. */
export type Remedies = Record<Cut, string>;
const MORE: Remedies = {
  rows: 'Use --max-rows for more.',
  bytes: 'Use --max-bytes for more, up to 1GiB, or select less.',
};

/**
 * As `--json` and `--csv` say; a table without them. @param more what to do about a result that was cut off, where that
 * is not an option of the same command @throws Failure `usage` for both
 */
export function printerFor(io: Io, options: { json?: boolean; csv?: boolean }, more: Remedies = MORE): QueryPrinter {
  if (options.json === true && options.csv === true) {
    throw new Failure('usage', '--json and --csv contradict each other.', {
      remedy: 'Use one of them.',
      exitCode: EXIT.usage,
    });
  }
  if (options.json === true) {
    return jsonPrinter(io, more);
  }
  return options.csv === true ? csvPrinter(io, more) : tablePrinter(io, more);
}

function tellCut(io: Io, satellite: string, by: Cut, rows: number, more: Remedies): void {
  io.stderr.write(
    `${cell(satellite)}: the result was cut off after ${rows} rows, by the limit of ${by}. ${more[by]}\n`,
  );
}

/** A table that grows while rows come in, the satellite in its first column; errors go to stderr. */
function tablePrinter(io: Io, more: Remedies): QueryPrinter {
  const columnsOf = new Map<string, string[]>();
  let header: string[] | undefined;
  let sample: string[][] | undefined = [];
  let columns: number[] = [];
  let timer: NodeJS.Timeout | undefined;

  const write = (row: string[]): void => void io.stdout.write(`${line(row, columns)}\n`);
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (sample === undefined || header === undefined) {
      return;
    }
    columns = widths([header, ...sample]).map((w, i, all) => (i === all.length - 1 ? w : Math.min(w, MAX_WIDTH)));
    write(header);
    for (const row of sample) {
      write(row);
    }
    sample = undefined;
  };
  const begin = (names: string[]): void => {
    const next = ['satellite', ...names.map(cell)];
    if (header !== undefined && header.join('\0') !== next.join('\0')) {
      // Another release of a satellite may answer `select *` with other columns: a table of its own.
      flush();
      io.stdout.write('\n');
      sample = [];
    }
    header = next;
  };

  return {
    print(said) {
      if ('done' in said) {
        return;
      }
      if ('rows' in said) {
        if (said.columns !== undefined) {
          columnsOf.set(said.sat, said.columns);
        }
        const names = columnsOf.get(said.sat) ?? [];
        if (said.rows.length > 0 || header === undefined) {
          begin(names);
        }
        for (const values of said.rows) {
          const row = [said.sat, ...values].map(cell);
          if (sample === undefined) {
            write(row);
          } else {
            sample.push(row);
          }
        }
        if (sample !== undefined && sample.length >= SAMPLE_ROWS) {
          flush();
        } else if (sample !== undefined && timer === undefined) {
          timer = setTimeout(flush, SAMPLE_MS);
        }
      } else if ('error' in said) {
        io.stderr.write(`${cell(said.sat)}: ${cell(said.error.message)}\n`);
      } else if (said.end.truncated !== undefined) {
        tellCut(io, said.sat, said.end.truncated, said.end.rows, more);
      }
    },
    finish: flush,
  };
}

function plain(value: Value): string {
  if (value === null) {
    return '';
  }
  return typeof value === 'object' ? value.blob : String(value);
}

/** A field of RFC 4180; nothing for null, base64 for bytes. */
function field(value: Value): string {
  const text = plain(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** RFC 4180 with a header, the satellite in the first column; errors go to stderr. */
function csvPrinter(io: Io, more: Remedies): QueryPrinter {
  const columnsOf = new Map<string, string[]>();
  let header: string[] | undefined;
  const write = (row: Value[]): void => void io.stdout.write(`${row.map(field).join(',')}\r\n`);
  return {
    print(said) {
      if ('done' in said) {
        return;
      }
      if ('rows' in said) {
        if (said.columns !== undefined) {
          columnsOf.set(said.sat, said.columns);
        }
        const columns = columnsOf.get(said.sat) ?? [];
        if (header === undefined) {
          header = columns;
          write(['satellite', ...header]);
        }
        // A satellite of another release may have other columns.
        const places = header.map((name) => columns.indexOf(name));
        for (const row of said.rows) {
          write([said.sat, ...places.map((i) => row[i] ?? null)]);
        }
      } else if ('error' in said) {
        io.stderr.write(`${cell(said.sat)}: ${cell(said.error.message)}\n`);
      } else if (said.end.truncated !== undefined) {
        tellCut(io, said.sat, said.end.truncated, said.end.rows, more);
      }
    },
    finish: () => undefined,
  };
}

/** One JSON object a line: `{satellite, row}`, `{satellite, end}`, `{satellite, error}`, at last `{done, …}`. */
function jsonPrinter(io: Io, more: Remedies): QueryPrinter {
  const columnsOf = new Map<string, string[]>();
  const write = (value: unknown): void => void io.stdout.write(`${JSON.stringify(value)}\n`);
  return {
    print(said) {
      if ('done' in said) {
        write({ done: true, satellites: said.satellites, rows: said.rows, ms: said.ms });
      } else if ('rows' in said) {
        if (said.columns !== undefined) {
          columnsOf.set(said.sat, said.columns);
        }
        const names = columnsOf.get(said.sat) ?? [];
        for (const values of said.rows) {
          write({ satellite: said.sat, row: Object.fromEntries(names.map((n, i) => [n, values[i] ?? null])) });
        }
      } else if ('error' in said) {
        write({ satellite: said.sat, error: said.error });
        io.stderr.write(`${cell(said.sat)}: ${cell(said.error.message)}\n`);
      } else {
        write({ satellite: said.sat, end: said.end });
        if (said.end.truncated !== undefined) {
          tellCut(io, said.sat, said.end.truncated, said.end.rows, more);
        }
      }
    },
    finish: () => undefined,
  };
}
