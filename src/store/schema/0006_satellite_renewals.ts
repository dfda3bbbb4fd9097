/**
 * The next credential of a satellite: admitted beside the one in `satellites` until the satellite has come with it, and
 * in its place from then on.
 */
export const sql = `
-- As the columns of these names in satellites.
CREATE TABLE satellite_renewals (
  satellite TEXT PRIMARY KEY REFERENCES satellites (id) ON DELETE CASCADE,
  bus_key TEXT NOT NULL,
  nkey TEXT NOT NULL,
  details TEXT NOT NULL CHECK (json_valid(details)),
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;
