import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** Lines of a child's output: passes each to `log` and lets others wait for one that matches. */
export interface LineWatch {
  /** Resolves with the first line to come that matches; rejects after `timeoutMs` or when the stream ends. */
  next(pattern: RegExp, timeoutMs: number): Promise<string>;
}

export function watchLines(stream: Readable, log: (line: string) => void): LineWatch {
  const waiting = new Set<{ pattern: RegExp; resolve: (line: string) => void; reject: (error: Error) => void }>();
  const lines = createInterface({ input: stream });
  lines.on('line', (line) => {
    log(line);
    for (const w of waiting) {
      if (w.pattern.test(line)) {
        w.resolve(line);
      }
    }
  });
  lines.on('close', () => {
    for (const w of waiting) {
      w.reject(new Error('the process has ended'));
    }
  });
  return {
    next(pattern, timeoutMs) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => entry.reject(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
        const settle = (): void => {
          clearTimeout(timer);
          waiting.delete(entry);
        };
        const entry = {
          pattern,
          resolve: (line: string): void => (settle(), resolve(line)),
          reject: (error: Error): void => (settle(), reject(error)),
        };
        waiting.add(entry);
      });
    },
  };
}
