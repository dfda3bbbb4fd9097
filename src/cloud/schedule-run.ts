import type { QueryLine, QueryState } from '../api/queries.ts';
import type { ScheduleRun } from '../api/schedules.ts';
import { KEEP_BYTES, KEEP_ROWS, MAX_FAILURES } from '../store/schedule-limits.ts';
import type { QuerySink } from './queries/query.ts';

/** Characters of a reason or a message, as the state takes them. */
const LONGEST_REASON = 300;

/** What a run came to, as `schedule.finish` takes it. */
export type RunEnd = Pick<ScheduleRun, 'reason' | 'counts' | 'failures' | 'rows' | 'bytes' | 'kept'> & {
  state: 'done' | 'partial' | 'failed' | 'lost';
  cut: '' | 'rows' | 'bytes' | 'rate';
};

export const shortened = (text: string): string =>
  text.length <= LONGEST_REASON ? text : `${text.slice(0, LONGEST_REASON - 1)}…`;

export const ended = (state: 'failed' | 'lost', reason: string): RunEnd => ({
  state,
  reason: shortened(reason),
  counts: {},
  failures: [],
  rows: 0,
  bytes: 0,
  kept: 0,
  cut: '',
});

export interface Collected {
  sink: QuerySink;
  /** After the query's last line. */
  end(): RunEnd;
  /** Lines that are kept: all that is no row, and the first rows. */
  lines(): string[];
  /** As `lines`, without a row. */
  bare(): string[];
}

/** Takes a query's lines, counts all rows and keeps the first of them. */
export function collectRun(
  limits: { rows: number; bytes: number } = { rows: KEEP_ROWS, bytes: KEEP_BYTES },
): Collected {
  /** `bare`: what is left of the line without its rows. */
  const lines: { json: string; bare: string | undefined }[] = [];
  const messages = new Map<string, string>();
  let states: Record<string, QueryState> = {};
  let [rows, bytes, kept, keptBytes] = [0, 0, 0, 0];
  let cut: '' | 'rows' | 'bytes' = '';

  const takeRows = (line: Extract<QueryLine, { seq: number }>, json: string): void => {
    const bare = line.columns === undefined ? undefined : JSON.stringify({ ...line, rows: [] });
    rows += line.rows.length;
    bytes += Buffer.byteLength(json);
    let fit = cut === '' ? Math.min(line.rows.length, limits.rows - kept) : 0;
    if (cut === '' && fit < line.rows.length) {
      cut = 'rows';
    }
    let text = fit === line.rows.length ? json : JSON.stringify({ ...line, rows: line.rows.slice(0, fit) });
    if (fit > 0 && keptBytes + Buffer.byteLength(text) > limits.bytes) {
      let room = limits.bytes - keptBytes;
      fit = line.rows.findIndex((row) => (room -= Buffer.byteLength(JSON.stringify(row)) + 1) < 0);
      fit = fit < 0 ? line.rows.length : fit;
      cut = 'bytes';
      text = JSON.stringify({ ...line, rows: line.rows.slice(0, fit) });
    }
    if (fit === 0 && bare === undefined) {
      return;
    }
    kept += fit;
    keptBytes += Buffer.byteLength(text);
    lines.push({ json: fit === 0 ? (bare as string) : text, bare });
  };

  return {
    sink: {
      write(line, json = JSON.stringify(line)) {
        if ('rows' in line && 'seq' in line) {
          takeRows(line, json);
        } else {
          lines.push({ json, bare: json });
          if ('error' in line) {
            messages.set(line.sat, line.error.message);
          }
          if ('done' in line) {
            states = line.satellites;
          }
        }
        return Promise.resolve();
      },
    },
    end() {
      const counts: Record<string, number> = {};
      for (const state of Object.values(states)) {
        counts[state] = (counts[state] ?? 0) + 1;
      }
      const bad = Object.entries(states).filter(([, state]) => state !== 'rows' && state !== 'empty');
      const failures = bad
        .slice(0, MAX_FAILURES)
        .map(([satellite, state]) => ({ satellite, state, message: shortened(messages.get(satellite) ?? '') }));
      const asked = Object.keys(states).length;
      const reason =
        bad.length === 0 ? '' : `${bad.length} of ${asked} satellites did not answer: ${failures[0]?.message ?? ''}`;
      return {
        state: stateOf(bad.length, asked),
        reason: shortened(reason),
        counts,
        failures,
        rows,
        bytes,
        kept,
        cut,
      };
    },
    lines: () => lines.map((line) => line.json),
    bare: () => lines.flatMap((line) => (line.bare === undefined ? [] : [line.bare])),
  };
}

function stateOf(bad: number, asked: number): RunEnd['state'] {
  if (bad === 0) {
    return 'done';
  }
  return bad === asked ? 'failed' : 'partial';
}
