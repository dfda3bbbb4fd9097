/**
 * `version` is the position of the command that changed the row last. Times are milliseconds since 1970, by proposers'
 * clocks.
 */
export const sql = `
CREATE TABLE users (
  name TEXT PRIMARY KEY,
  role TEXT NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
  password_hash TEXT NOT NULL,
  must_change INTEGER NOT NULL CHECK (must_change IN (0, 1)),
  disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
  created_at INTEGER NOT NULL,
  password_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
  name TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  scope TEXT NOT NULL CHECK (json_valid(scope)),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_owner ON tokens (owner);

CREATE TABLE saved_queries (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  sql TEXT NOT NULL,
  details TEXT NOT NULL CHECK (json_valid(details)),
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE satellites (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  tags TEXT NOT NULL CHECK (json_valid(tags)),
  access TEXT NOT NULL CHECK (access IN ('cloud', 'direct', 'both')),
  bus_key TEXT NOT NULL,
  https_key TEXT NOT NULL,
  details TEXT NOT NULL CHECK (json_valid(details)),
  state TEXT NOT NULL CHECK (state IN ('enrolled', 'healthy', 'degraded', 'unreachable', 'revoked')),
  state_at INTEGER NOT NULL,
  enrolled_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The last changes of state of each satellite.
CREATE TABLE satellite_states (
  satellite TEXT NOT NULL REFERENCES satellites (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  at INTEGER NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (satellite, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE enrolment_tokens (
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  tags TEXT NOT NULL CHECK (json_valid(tags)),
  uses_left INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each command, the newest 100,000. outcome: 'ok' or the code of the refusal;
-- changes: [{resource, before, after}].
CREATE TABLE audit (
  position INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  kind TEXT NOT NULL,
  outcome TEXT NOT NULL,
  resource TEXT,
  changes TEXT NOT NULL CHECK (json_valid(changes))
) STRICT;
CREATE INDEX audit_resource ON audit (resource, position);
`;
