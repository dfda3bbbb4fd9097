/** Queries that run by themselves, their last runs, and the rows of those. */
export const sql = `
-- One of sql and query (of saved_queries) is given. target: {satellites?, tags?}; limits: {timeoutMs, maxRows}.
-- anchor: a time from which the others count in steps of interval_ms; number: of the run begun last;
-- running: that of the one under way, 0 for none; again: its next run repeats one that was lost.
-- Versions change with what people change, not with runs.
CREATE TABLE schedules (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  sql TEXT,
  query TEXT,
  target TEXT NOT NULL CHECK (json_valid(target)),
  limits TEXT NOT NULL CHECK (json_valid(limits)),
  interval_ms INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('enabled', 'paused', 'stopped')),
  reason TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  anchor INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  again INTEGER NOT NULL CHECK (again IN (0, 1)),
  number INTEGER NOT NULL,
  running INTEGER NOT NULL,
  done INTEGER NOT NULL,
  partial INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  lost INTEGER NOT NULL,
  skipped INTEGER NOT NULL,
  missed INTEGER NOT NULL,
  version INTEGER NOT NULL,
  CHECK ((sql IS NULL) <> (query IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_owner ON schedules (owner);

-- position: of the command that changed it last. boot: which life of the runner.
-- counts: satellites by how their part ended; failures: the first of those that failed.
-- bytes: of rows as JSON; packed: of what is kept of them; cut: why not all are kept.
CREATE TABLE schedule_runs (
  schedule TEXT NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  position INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  begun_at INTEGER NOT NULL,
  ended_at INTEGER,
  runner TEXT NOT NULL,
  boot TEXT NOT NULL,
  cause TEXT NOT NULL CHECK (cause IN ('due', 'again', 'asked')),
  actor TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'partial', 'failed', 'lost')),
  reason TEXT NOT NULL,
  counts TEXT NOT NULL CHECK (json_valid(counts)),
  failures TEXT NOT NULL CHECK (json_valid(failures)),
  rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  kept INTEGER NOT NULL,
  packed INTEGER NOT NULL,
  cut TEXT NOT NULL CHECK (cut IN ('', 'rows', 'bytes', 'rate', 'dropped')),
  PRIMARY KEY (schedule, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX schedule_runs_position ON schedule_runs (position);

-- A run's lines as its query gave them, compressed, in pieces; written once.
CREATE TABLE schedule_rows (
  position INTEGER PRIMARY KEY,
  schedule TEXT NOT NULL,
  number INTEGER NOT NULL,
  piece INTEGER NOT NULL,
  data BLOB NOT NULL,
  UNIQUE (schedule, number, piece),
  FOREIGN KEY (schedule, number) REFERENCES schedule_runs (schedule, number) ON DELETE CASCADE
) STRICT;
`;
