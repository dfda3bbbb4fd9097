/**
 * The authorities of satellites' own HTTPS endpoints, one for each zone, shared by all instances: people import it into
 * their browsers, and one that is lost with an instance would have to be imported anew. The key lies where the state
 * lies, readable by the cloud alone, and can sign for `*.satellites.ZONE` only.
 */
export const sql = `
-- certificate, key: PEM.
CREATE TABLE direct_authorities (
  zone TEXT PRIMARY KEY,
  certificate TEXT NOT NULL,
  key TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;
