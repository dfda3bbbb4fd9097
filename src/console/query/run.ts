import { useEffect, useRef, useState } from 'preact/hooks';
import type { QueryBody, QueryLine } from '../../api/queries.ts';
import { ApiError, runQuery } from '../api.ts';
import { messageOf } from '../logic/problem.ts';
import { addLine, emptyResult, type Result, type ViaLine } from '../logic/result.ts';
import { useConsole } from '../parts/context.ts';

/** Rows that this page keeps; more are counted. A browser lets no element be much higher than this many rows. */
export const KEPT = 500_000;

/** Without names all are asked. */
export type Request = QueryBody;

export type Outcome = 'done' | 'failed' | 'cancelled';

export interface Running {
  result: Result | undefined;
  error: string | undefined;
  running: boolean;
  start(request: Request): void;
  cancel(): void;
}

/** Runs one query at a time, and tells when it has ended. */
export function useQuery(onEnd: (request: Request, result: Result, outcome: Outcome) => void): Running {
  const { signedOut } = useConsole();
  const [result, setResult] = useState<Result | undefined>(undefined);
  const [error, setError] = useState<string | undefined>(undefined);
  const [running, setRunning] = useState<AbortController | undefined>(undefined);
  const active = useRef<AbortController>(undefined);
  // Who logs out or leaves gives the satellites their work back.
  useEffect(() => () => active.current?.abort(), []);

  const start = (request: Request): void => {
    if (active.current !== undefined) {
      return;
    }
    const abort = new AbortController();
    active.current = abort;
    const current = emptyResult(request.satellites ?? []);
    // Lines come faster than a page can be painted: they are gathered and shown once a frame.
    let frame: number | undefined;
    const show = (): void => {
      frame = undefined;
      setResult({ ...current });
    };
    const onLine = (line: QueryLine | ViaLine): void => {
      addLine(current, line, KEPT);
      frame ??= requestAnimationFrame(show);
    };
    setError(undefined);
    setResult({ ...current });
    setRunning(abort);
    const ended = (outcome: Outcome): void => {
      active.current = undefined;
      if (frame !== undefined) {
        cancelAnimationFrame(frame);
      }
      show();
      setRunning(undefined);
      onEnd(request, current, outcome);
    };
    runQuery(request, onLine, abort.signal).then(
      () => {
        const whole = current.ms !== undefined;
        if (!whole) {
          setError('The answer broke off.');
        }
        ended(whole ? 'done' : 'failed');
      },
      (e: unknown) => {
        if (abort.signal.aborted) {
          setError('Cancelled.');
        } else if (e instanceof ApiError && e.status === 401) {
          return signedOut();
        } else {
          setError(e instanceof ApiError ? messageOf(e) : 'The answer broke off.');
        }
        return ended(abort.signal.aborted ? 'cancelled' : 'failed');
      },
    );
  };
  return { result, error, running: running !== undefined, start, cancel: () => active.current?.abort() };
}
