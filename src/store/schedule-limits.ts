/** Schema from which on there are schedules. */
export const SCHEDULES_SCHEMA = 5;

/** How often one may run, in milliseconds: every 30 seconds to every 7 days. */
export const MIN_INTERVAL_MS = 30_000;
export const MAX_INTERVAL_MS = 7 * 24 * 60 * 60 * 1000;
export const MAX_SCHEDULES = 200;
/** Runs that are kept of each schedule. */
export const KEEP_RUNS = 10;
/** Rows, and bytes of them as JSON, that are kept of a run. */
export const KEEP_ROWS = 10_000;
export const KEEP_BYTES = 1024 * 1024;
/** Bytes of compressed rows that are kept of all runs together; beyond, those of the oldest runs go. */
export const KEEP_PACKED = 32 * 1024 * 1024;
/** Bytes of compressed rows in one command, whose JSON has a third more of them and is below MAX_ENTRY_BYTES. */
export const PIECE_BYTES = 144 * 1024;
/** Satellites whose failure a run tells by name. */
export const MAX_FAILURES = 20;
