import { X509Certificate } from 'node:crypto';
import { satelliteNameIn } from '../../../installer/cluster/zone.ts';
import { selfSigned, signKey, type KeyPair } from '../../pki/authority.ts';
import { DAY_MS, x509 } from '../../pki/crypto.ts';
import { nameConstraints } from '../../pki/name-constraints.ts';
import type { DirectAuthorityRow } from '../../store/rows.ts';
import { one } from '../state/read.ts';
import type { State } from '../state/state.ts';

/** Days that a satellite's certificate is good for; the satellite renews it after 60 % of them. */
export const CERTIFICATE_DAYS = 90;
/** An authority that ends sooner is replaced, long before what it signs does. */
const LEAST_LEFT_MS = 400 * DAY_MS;

/** A CA for HTTPS servers of one zone's satellites, and for nothing else: by its constraints, not by its good will. */
export async function createDirectAuthority(zone: string, now: Date): Promise<KeyPair> {
  const lib = await x509();
  const extensions = [new lib.KeyUsagesExtension(lib.KeyUsageFlags.keyCertSign, true), new lib.ExtendedKeyUsageExtension([lib.ExtendedKeyUsage.serverAuth]), await nameConstraints(`satellites.${zone}`, { addresses: false })];
  return await selfSigned(`Terrarium satellites of ${zone}`, extensions, now);
}

/** @param spki the satellite's public key, DER */
export function signEndpoint(authority: KeyPair, zone: string, sat: string, spki: Uint8Array, now: Date, days: number = CERTIFICATE_DAYS): Promise<string> {
  // A common name has at most 64 characters; nobody reads it.
  return signKey(authority, spki, { commonName: sat, sans: [satelliteNameIn(zone, sat)], usages: ['server'], days }, now);
}

/** The zone's authority as it is in the state. */
export interface DirectAuthority {
  /** PEM; undefined while there is none here. */
  certificate(): string | undefined;
  /** Made now where there is none yet. @throws Failure of the state */
  get(): Promise<KeyPair>;
}

export function createDirectAuthorityHolder({ state, zone, self, now }: { state: State; zone: string; self: string; now(): number }): DirectAuthority {
  let making: Promise<KeyPair> | undefined;
  const stored = (): KeyPair | undefined => {
    const replica = state.current();
    // Until all instances run this release there is no such table.
    if (replica === undefined || replica.status().schema < 3) return undefined;
    const row = one<DirectAuthorityRow>(replica.db, 'SELECT * FROM direct_authorities WHERE zone = ?', zone);
    return row === undefined ? undefined : { cert: row.certificate, key: row.key };
  };
  const usable = (pair: KeyPair | undefined): pair is KeyPair => pair !== undefined && new X509Certificate(pair.cert).validToDate.getTime() - now() > LEAST_LEFT_MS;
  const make = async (): Promise<KeyPair> => {
    const before = stored();
    const made = await createDirectAuthority(zone, new Date(now()));
    await state.replica().propose({ kind: 'direct.authority', actor: `cloud/${self}`, args: { zone, certificate: made.cert, key: made.key, replaces: before?.cert ?? null } });
    // Another instance may have been quicker: what is in the state counts.
    const kept = stored();
    if (kept === undefined) throw new Error('the authority of direct queries is not in the state yet');
    return kept;
  };
  return {
    certificate: () => stored()?.cert,
    async get() {
      const known = stored();
      if (usable(known)) return known;
      return await (making ??= make().finally(() => (making = undefined)));
    },
  };
}
