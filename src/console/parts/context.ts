import { createContext } from 'preact';
import { useCallback, useContext, useEffect, useRef, useState } from 'preact/hooks';
import type { ChangeLine, FleetLine, Topic } from '../../api/watch.ts';
import { ApiError } from '../api.ts';
import type { Me } from '../logic/access.ts';
import { messageOf } from '../logic/problem.ts';

/** What all pages share. */
export interface Console {
  me: Me;
  /** Tells what was done, for a few seconds. */
  say(text: string): void;
  /** The session is over. */
  signedOut(): void;
  /**
   * Calls back when things of a topic change, and with nothing when changes may have been missed. @returns how to stop
   */
  onChange(topic: Topic, listener: (line?: ChangeLine) => void): () => void;
  /** As `onChange`, of satellites. */
  onFleet(listener: (line?: FleetLine) => void): () => void;
  /** Heartbeats of these are told too. @returns how to stop */
  follow(ids: readonly string[]): () => void;
}

export const ConsoleContext = createContext<Console | undefined>(undefined);

export function useConsole(): Console {
  const value = useContext(ConsoleContext);
  if (value === undefined) {
    throw new Error('There is no console around this component.');
  }
  return value;
}

export interface Loaded<T> {
  data: T | undefined;
  error: string | undefined;
  reload(): void;
}

/** Changes often come in groups: a list is read once for all of them. */
const GROUP_MS = 150;

/**
 * Reads a list at once, again whenever something of its topic changes, as far as that concerns it, and when it is
 * another one by its key.
 */
export function useLoaded<T>(
  topic: Topic | undefined,
  load: () => Promise<T>,
  concerns: (line: ChangeLine) => boolean = () => true,
  key = '',
): Loaded<T> {
  const { onChange, signedOut } = useConsole();
  const [state, setState] = useState<{ data: T | undefined; error: string | undefined }>({
    data: undefined,
    error: undefined,
  });
  const [turn, setTurn] = useState(0);
  const current = useRef(load);
  current.current = load;

  useEffect(() => {
    let over = false;
    current.current().then(
      (data) => over || setState({ data, error: undefined }),
      (error: unknown) => {
        if (over) {
          return;
        }
        if (error instanceof ApiError && error.status === 401) {
          signedOut();
        } else {
          setState((before) => ({ ...before, error: messageOf(error) }));
        }
      },
    );
    return () => {
      over = true;
    };
  }, [turn, key]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  useEffect(() => {
    if (topic === undefined) {
      return undefined;
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = onChange(topic, (line) => {
      if (line !== undefined && !concerns(line)) {
        return;
      }
      timer ??= setTimeout(() => {
        timer = undefined;
        reload();
      }, GROUP_MS);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [topic]);
  return { ...state, reload };
}

export interface Action {
  busy: boolean;
  error: string | undefined;
  /** Runs it unless it runs already; calls `then` with its result where it went well. */
  run<T>(work: () => Promise<T>, then?: (result: T) => void): void;
}

/** Something that is asked of the cloud: whether it runs, and the sentence by which it failed. */
export function useAction(): Action {
  const { signedOut } = useConsole();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | undefined>(undefined);
  const gone = useRef(false);
  useEffect(() => {
    gone.current = false;
    return () => {
      gone.current = true;
    };
  }, []);
  return {
    busy,
    error,
    run(work, then) {
      if (busy) {
        return;
      }
      setBusy(true);
      setError(undefined);
      work().then(
        (result) => {
          if (!gone.current) {
            setBusy(false);
          }
          then?.(result);
        },
        (e: unknown) => {
          if (e instanceof ApiError && e.status === 401) {
            return signedOut();
          }
          if (gone.current) {
            return undefined;
          }
          setBusy(false);
          return setError(messageOf(e));
        },
      );
    },
  };
}

/** The clock that ages are shown by. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
