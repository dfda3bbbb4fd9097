import { isDamage, removeDatabase, type History } from './history.ts';

/** Writes the satellite's database, whatever happens to its disk. */
export interface HistoryWriter {
  /** The database; another one after it was damaged and begun anew. */
  history(): History;
  /** @returns whether the action succeeded. A full disk must not end the satellite, nor fill its log. */
  attempt(action: () => void): boolean;
  /** As `attempt`, in one transaction. */
  write(action: () => void): boolean;
  /** Has what reads the database ended. */
  overtake(): void;
  /** Calls back when that has to be. */
  onOvertaken(callback: () => void): void;
}

/** @param open opens the database @throws what `open` throws the first time */
export function openWriter(file: string, open: () => History, log: (line: string) => void): HistoryWriter {
  let history = open();
  let overtaken = (): void => undefined;
  let failing = '';

  function beginAnew(): void {
    try {
      history.close();
      removeDatabase(file);
      history = open();
      // Those that have read the old file until now.
      overtaken();
    } catch (error) {
      log(`the database cannot be begun anew: ${(error as Error).message}`);
    }
  }

  function attempt(action: () => void): boolean {
    try {
      action();
      if (failing !== '') {
        log('the database can be written again');
      }
      failing = '';
      return true;
    } catch (error) {
      const { message } = error as Error;
      if (failing !== message) {
        log(`the database cannot be written: ${message}`);
      }
      failing = message;
      if (isDamage(error)) {
        beginAnew();
      }
      return false;
    }
  }

  return {
    history: () => history,
    attempt,
    write: (action) => attempt(() => history.transaction(action)),
    overtake: () => overtaken(),
    onOvertaken(callback) {
      overtaken = callback;
    },
  };
}
