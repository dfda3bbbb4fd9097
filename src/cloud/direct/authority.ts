import { satelliteNameIn } from '../../../installer/cluster/zone.ts';
import { signKey, type KeyPair } from '../../pki/authority.ts';
import { constrainedAuthority, maySign } from '../../pki/constrained.ts';
import type { DirectAuthorityRow } from '../../store/rows.ts';
import { one } from '../state/read.ts';
import type { State } from '../state/state.ts';

/** Days that a satellite's certificate is good for; the satellite renews it after 60 % of them. */
export const CERTIFICATE_DAYS = 90;

/** A CA for HTTPS servers of one zone's satellites, and for nothing else. */
export function createDirectAuthority(zone: string, now: Date): Promise<KeyPair> {
  return constrainedAuthority(
    { commonName: `Terrarium satellites of ${zone}`, usage: 'server', dnsName: `satellites.${zone}`, addresses: false },
    now,
  );
}

/** @param spki the satellite's public key, DER */
export function signEndpoint(
  authority: KeyPair,
  zone: string,
  sat: string,
  spki: Uint8Array,
  now: Date,
  days: number = CERTIFICATE_DAYS,
): Promise<string> {
  // A common name has at most 64 characters; nobody reads it.
  return signKey(
    authority,
    spki,
    { commonName: sat, sans: [satelliteNameIn(zone, sat)], usages: ['server'], days },
    now,
  );
}

/** The zone's authority as it is in the state. */
export interface DirectAuthority {
  /** PEM; undefined while there is none here. */
  certificate(): string | undefined;
  /** Made now where there is none yet. @throws Failure of the state */
  get(): Promise<KeyPair>;
}

export function createDirectAuthorityHolder({
  state,
  zone,
  self,
  now,
}: {
  state: State;
  zone: string;
  self: string;
  now(): number;
}): DirectAuthority {
  let making: Promise<KeyPair> | undefined;
  const stored = (): KeyPair | undefined => {
    const replica = state.current();
    // Until all instances run this release there is no such table.
    if (replica === undefined || replica.status().schema < 3) {
      return undefined;
    }
    const row = one<DirectAuthorityRow>(replica.db, 'SELECT * FROM direct_authorities WHERE zone = ?', zone);
    return row === undefined ? undefined : { cert: row.certificate, key: row.key };
  };
  const make = async (): Promise<KeyPair> => {
    const before = stored();
    const made = await createDirectAuthority(zone, new Date(now()));
    await state.replica().propose({
      kind: 'direct.authority',
      actor: `cloud/${self}`,
      args: { zone, certificate: made.cert, key: made.key, replaces: before?.cert ?? null },
    });
    // Another instance may have been quicker: what is in the state counts.
    const kept = stored();
    if (kept === undefined) {
      throw new Error('the authority of direct queries is not in the state yet');
    }
    return kept;
  };
  return {
    certificate: () => stored()?.cert,
    async get() {
      const known = stored();
      if (known !== undefined && maySign(known, new Date(now()))) {
        return known;
      }
      return await (making ??= make().finally(() => (making = undefined)));
    },
  };
}
