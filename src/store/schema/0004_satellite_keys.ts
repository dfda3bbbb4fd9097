/**
 * Keys that are void for good, the key by which a satellite shows itself on the bus's WebSocket listener, and who
 * changed a state and why.
 */
export const sql = `
-- nkey: public key (Ed25519, as nats-server writes it), empty where the satellite has none.
ALTER TABLE satellites ADD COLUMN nkey TEXT NOT NULL DEFAULT '';

-- Names of keys as in satellites.bus_key, and nkeys; kept when the satellite is forgotten.
CREATE TABLE revoked_keys (
  key TEXT PRIMARY KEY,
  satellite TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO revoked_keys (key, satellite, at)
  SELECT bus_key, id, state_at FROM satellites WHERE state = 'revoked' AND bus_key <> 'node' ORDER BY id;

ALTER TABLE satellite_states ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE satellite_states ADD COLUMN reason TEXT NOT NULL DEFAULT '';
`;
