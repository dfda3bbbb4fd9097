export const sql = `
-- A satellite is registered from its first heartbeat on. Times are milliseconds since 1970.
CREATE TABLE satellites (
  id TEXT PRIMARY KEY,
  node TEXT NOT NULL,
  version TEXT NOT NULL,
  addresses TEXT NOT NULL CHECK (json_valid(addresses)),
  tables TEXT NOT NULL CHECK (json_valid(tables)),
  load TEXT NOT NULL CHECK (json_valid(load)),
  started_at TEXT NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL
) STRICT;

-- What was last learnt from Kubernetes, so that the cloud starts and lets its users in without it:
-- key 'credentials', 'topology', 'kubernetes'.
CREATE TABLE facts (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL CHECK (json_valid(value)),
  updated_at INTEGER NOT NULL
) STRICT;
`;
