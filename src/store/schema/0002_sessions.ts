/**
 * Logins as they are opened and ended; when each was used last is kept out of here, or every read would be a write by
 * quorum.
 */
export const sql = `
-- id: hexadecimal sha256 of the session's secret.
CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  user TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
  address TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user, created_at);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Whatever command changes a user, no session outlives it.
CREATE TRIGGER users_disabled AFTER UPDATE OF disabled ON users WHEN new.disabled = 1 BEGIN
  DELETE FROM sessions WHERE user = new.name;
END;
CREATE TRIGGER users_password AFTER UPDATE OF password_hash ON users WHEN new.password_hash <> old.password_hash BEGIN
  DELETE FROM sessions WHERE user = new.name;
END;

-- The newest password of the Secret that was taken for a user, so that an old one never comes back.
CREATE TABLE recoveries (
  user TEXT PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;
