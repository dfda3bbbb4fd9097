const DAMAGED = /^SQLITE_(CORRUPT|NOTADB)/;
const OUTSIDE = /^SQLITE_(FULL|IOERR|CANTOPEN|NOMEM|BUSY|LOCKED|PERM|AUTH|READONLY|PROTOCOL|INTERRUPT)/;
const SAYS = /malformed|not a database|is not what was written/;

/** What a look at a database has found. */
export class Damaged extends Error {
  override name = 'Damaged';
}

interface Coded extends Error {
  code?: unknown;
  syscall?: unknown;
}

function some(error: unknown, is: (one: Coded) => boolean): boolean {
  for (let one = error; one instanceof Error; one = one.cause) {
    if (is(one)) {
      return true;
    }
  }
  return false;
}

/**
 * Whether an error, or what caused it, tells that the database is not what was written: by SQLite's code, or by our own
 * sentence.
 */
export function isDamage(error: unknown): boolean {
  return some(
    error,
    (one) =>
      one instanceof Damaged || (typeof one.code === 'string' && DAMAGED.test(one.code)) || SAYS.test(one.message),
  );
}

/**
 * Whether an error, or what caused it, tells of the machine and nothing of the file: no room, no memory, no right, too
 * many open files, a disk that does not answer.
 */
export function isOutside(error: unknown): boolean {
  return some(
    error,
    ({ code, syscall }) => typeof code === 'string' && (OUTSIDE.test(code) || typeof syscall === 'string'),
  );
}
