/** Of one sentence that is said again and again, one in so long. */
const SAY_AGAIN_MS = 60_000;

/**
 * `work`, but what it throws, at once or later, is logged and goes no further: a fault about one message or one
 * satellite is not to end what all others depend on, be it the process (a timer) or the reading of a connection (a
 * subscription).
 * @param what fails, as it begins the line of the log
 */
export function guarded<A extends unknown[]>(
  what: string,
  log: (line: string) => void,
  work: (...args: A) => void | Promise<void>,
  now: () => number = Date.now,
): (...args: A) => void {
  let said = { line: '', at: Number.NEGATIVE_INFINITY };
  const failed = (error: unknown): void => {
    const line = `${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    if (line === said.line && now() - said.at < SAY_AGAIN_MS) {
      return;
    }
    said = { line, at: now() };
    log(line);
  };
  return (...args) => {
    try {
      const working = work(...args);
      if (working !== undefined) {
        working.catch(failed);
      }
    } catch (error) {
      failed(error);
    }
  };
}
