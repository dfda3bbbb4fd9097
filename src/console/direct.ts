import type { QueryBody, QueryLine, QueryState } from '../api/queries.ts';
import type { DirectGrant, DirectQueryReply } from '../cloud/direct-api.ts';
import type { ViaLine } from './logic/result.ts';

export type AnyLine = QueryLine | ViaLine;

/** What the page does a query with; the browser's own in the console. */
export interface Ways {
  /** Asks the cloud for tokens. */
  grants(
    body: { sql: string; satellites: string[] } & Pick<QueryBody, 'timeoutMs' | 'maxRows'>,
  ): Promise<DirectQueryReply>;
  /** Runs it through the cloud. */
  cloud(body: QueryBody, onLine: (line: QueryLine) => void): Promise<void>;
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Of the page's address. */
  hostname: string;
  now(): number;
}

/** Until a satellite has begun to answer; and between two signs of life afterwards. */
const ANSWER_MS = 3_000;
const SILENT_MS = 10_000;
/** A satellite that this browser could not reach is not tried again so soon: each try may cost the wait above. */
const AGAIN_MS = 60_000;
/** A browser has some 250 connections in all. */
const MOST_AT_ONCE = 100;

/** Satellites that were not reached, and why. */
const unreached = new Map<string, { at: number; reason: string }>();

interface Outcome {
  state: QueryState;
  rows: number;
}

/**
 * Runs a query on each satellite directly where that works, and on the others through the cloud; says which way it took
 * for each. What comes is what the cloud would send, with one `done` for both ways.
 * @throws what the cloud's way throws; the signal's reason where it was cancelled
 */
export async function runBothWays(
  body: QueryBody,
  onLine: (line: AnyLine) => void,
  signal: AbortSignal,
  ways: Ways,
): Promise<void> {
  const began = ways.now();
  const outcomes = new Map<string, Outcome>();
  const grants = await grantsFor(body, signal, ways);
  if (grants === undefined) {
    return ways.cloud(body, onLine);
  }

  const reading: Promise<void>[] = [];
  const rest: string[] = [];
  const fallBack = (sat: string, reason: string): void => {
    rest.push(sat);
    onLine({ sat, via: 'cloud', reason });
  };
  await Promise.all(
    grants.map(async (grant) => {
      if ('reason' in grant) {
        return fallBack(grant.sat, grant.reason);
      }
      const tried = await reach(grant, body.sql, signal, ways);
      if ('reason' in tried) {
        return fallBack(grant.sat, tried.reason);
      }
      onLine({ sat: grant.sat, via: 'direct' });
      reading.push(readAll(grant.sat, tried, onLine, signal).then((outcome) => void outcomes.set(grant.sat, outcome)));
    }),
  );

  let q = '';
  const through =
    rest.length === 0
      ? undefined
      : ways.cloud({ ...body, satellites: rest }, (line) => {
          q = line.q;
          if (!('done' in line)) {
            return onLine(line);
          }
          // Its rows are counted as a whole; each satellite's state is what matters.
          for (const [sat, state] of Object.entries(line.satellites)) {
            outcomes.set(sat, { state, rows: 0 });
          }
          outcomes.set('', { state: 'rows', rows: line.rows });
        });
  await Promise.all([...reading, through]);
  const rows = [...outcomes.values()].reduce((sum, o) => sum + o.rows, 0);
  outcomes.delete('');
  onLine({
    q,
    done: true,
    satellites: Object.fromEntries([...outcomes].map(([sat, o]) => [sat, o.state])),
    rows,
    ms: Math.round((ways.now() - began) * 10) / 10,
  });
}

/** Who may be tried, and why others not; undefined where all goes through the cloud without a word about it. */
async function grantsFor(body: QueryBody, signal: AbortSignal, ways: Ways): Promise<DirectGrant[] | undefined> {
  const { sql, satellites, timeoutMs, maxRows, order, limit } = body;
  if (satellites === undefined) {
    return undefined;
  }
  const all = (reason: string): DirectGrant[] => satellites.map((sat) => ({ sat, reason }));
  if (order !== undefined || limit !== undefined) {
    return all('their rows are merged');
  }
  // Who came by an address does not ask our DNS server, and each vain try leaves an error in the browser's log.
  if (/^\[|^[\d.]+$|^localhost$/.test(ways.hostname)) {
    return all('the console was not opened by its name');
  }
  const worth = satellites
    .filter((sat) => (unreached.get(sat)?.at ?? Number.NEGATIVE_INFINITY) < ways.now() - AGAIN_MS)
    .slice(0, MOST_AT_ONCE);
  const others: DirectGrant[] = satellites
    .filter((sat) => !worth.includes(sat))
    .map((sat) => ({ sat, reason: unreached.get(sat)?.reason ?? `more than ${MOST_AT_ONCE} satellites at once` }));
  if (worth.length === 0) {
    return others;
  }
  try {
    const reply = await ways.grants({
      sql,
      satellites: worth,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(maxRows === undefined ? {} : { maxRows }),
    });
    return [...reply.satellites, ...others];
  } catch (error) {
    if (signal.aborted || (error as { status?: number }).status === 401) {
      throw error;
    }
    return all(error instanceof Error ? error.message : 'the cloud gave no tokens');
  }
}

interface Reached {
  response: Response;
  abort: AbortController;
}

/** @returns the answer, which has begun, or why there is none. @throws where the query was cancelled */
async function reach(
  { sat, url, token }: Extract<DirectGrant, { token: string }>,
  sql: string,
  signal: AbortSignal,
  ways: Ways,
): Promise<Reached | { reason: string }> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), ANSWER_MS);
  const failed = (reason: string): { reason: string } => {
    unreached.set(sat, { at: ways.now(), reason });
    return { reason };
  };
  try {
    const response = await ways.fetch(url, {
      method: 'POST',
      mode: 'cors',
      credentials: 'omit',
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
      body: JSON.stringify({ sql }),
      signal: AbortSignal.any([signal, abort.signal]),
    });
    if (response.ok) {
      unreached.delete(sat);
      return { response, abort };
    }
    // It is there, and says why not this time.
    const problem = (await response.json().catch(() => undefined)) as { title?: string } | undefined;
    return { reason: problem?.title ?? `it answered ${response.status}` };
  } catch {
    signal.throwIfAborted();
    return failed(
      abort.signal.aborted
        ? `no answer within ${ANSWER_MS / 1000} s`
        : 'this browser does not reach it by its name, or does not trust its certificate',
    );
  } finally {
    clearTimeout(timer);
  }
}

/** Reads a satellite's lines to the end. Rows that have come cannot be taken back: one that breaks off is lost. */
async function readAll(
  sat: string,
  { response, abort }: Reached,
  onLine: (line: QueryLine) => void,
  signal: AbortSignal,
): Promise<Outcome> {
  let rows = 0;
  let last: Extract<QueryLine, { sat: string }> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heard = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), SILENT_MS);
  };
  try {
    heard();
    for await (const line of linesOf(response, heard)) {
      if ('done' in line) {
        continue;
      }
      last = line;
      if ('rows' in line) {
        rows += line.rows.length;
      }
      onLine(line);
    }
  } catch {
    signal.throwIfAborted();
  } finally {
    clearTimeout(timer);
  }
  if (last !== undefined && 'end' in last) {
    return { state: rows > 0 ? 'rows' : 'empty', rows };
  }
  if (last !== undefined && 'error' in last) {
    return { state: last.error.code === 'query.denied' ? 'denied' : 'error', rows };
  }
  onLine({ q: last?.q ?? '', sat, error: { code: 'satellite.lost', message: `The answer of ${sat} broke off.` } });
  return { state: 'lost', rows };
}

/** The lines of an answer as they come; `heard` is called with every piece of it, empty lines too. */
export async function* linesOf(
  response: Response,
  heard: () => void = () => undefined,
): AsyncGenerator<QueryLine, void, undefined> {
  if (response.body === null) {
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    heard();
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line !== '') {
        yield JSON.parse(line) as QueryLine;
      }
    }
  }
}
