import { randomBytes } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { consoleNameIn, satelliteNameIn } from '../../../installer/cluster/zone.ts';
import { provenKey } from '../../bus/direct-keys.ts';
import { DIRECT_PATH, directAskSchema, type DirectAnswer } from '../../bus/direct.ts';
import { decode, encode } from '../../bus/frames.ts';
import { listen } from '../../bus/listen.ts';
import { nameOf, subjects } from '../../bus/subjects.ts';
import type { ClusterConfig } from '../../cluster-config.ts';
import type { KeyPair } from '../../pki/authority.ts';
import type { SatelliteRow } from '../../store/rows.ts';
import type { Registry } from '../satellites.ts';
import { one } from '../state/read.ts';
import type { State } from '../state/state.ts';
import { createDirectAuthorityHolder, signEndpoint } from './authority.ts';
import { createTokenSigner } from './tokens.ts';

export type Access = SatelliteRow['access'];

/**
 * What a caller gets for one satellite: where to go and what to show there, or why it is to be asked through the cloud.
 */
export type Grant = { sat: string; url: string; token: string } | { sat: string; reason: string };

/** Direct queries as far as the cloud has a part in them: certificates, keys, tokens. */
export interface Direct {
  zone: string;
  /** Where the console's pages may fetch from besides the cloud, as a source of a Content-Security-Policy. */
  cspSource: string;
  publicKey: string;
  /** The authority's certificate, PEM. */
  certificate(): string | undefined;
  /** How this satellite is to be asked. */
  access(sat: string): Access;
  grants(query: {
    sql: string;
    satellites: string[];
    user: string;
    timeoutMs: number;
    maxRows: number;
    maxBytes: number;
  }): { q: string; grants: Grant[] };
  listen(nc: NatsConnection): void;
  stop(): void;
}

export interface DirectOptions {
  self: string;
  config: Pick<ClusterConfig, 'zone' | 'ports' | 'consoleName'>;
  state: State;
  registry: Registry;
  /** Names and addresses of the control planes. */
  servers(): { name: string; address: string }[];
  /** Whether this satellite may use the bus now. */
  admitted(sat: string): boolean;
  /** Public keys of all instances, this one's included. */
  keys(): string[];
  log(line: string): void;
  now?: () => number;
}

const CHANGES = new Set(['satellite.update', 'satellite.delete', 'satellite.enrol']);

const origin = (host: string, port: number): string =>
  `https://${isIPv6(host) ? `[${host}]` : host.toLowerCase()}${port === 443 ? '' : `:${port}`}`;

export function createDirect({
  self,
  config,
  state,
  registry,
  servers,
  admitted,
  keys,
  log,
  now = Date.now,
}: DirectOptions): Direct {
  const { zone, ports } = config;
  const signer = createTokenSigner(now);
  const authority = createDirectAuthorityHolder({ state, zone, self, now });
  let nc: NatsConnection | undefined;
  let subscription: Subscription | undefined;
  let told = new Map<string, boolean>();

  const access = (sat: string): Access => {
    const replica = state.current();
    return (
      (replica === undefined
        ? undefined
        : one<Pick<SatelliteRow, 'access'>>(replica.db, 'SELECT access FROM satellites WHERE id = ?', sat)?.access) ??
      'both'
    );
  };
  const origins = (): string[] => {
    const names = [
      ...servers().flatMap((s) => [s.address, s.name]),
      consoleNameIn(zone),
      ...(config.consoleName === undefined ? [] : [config.consoleName]),
    ];
    return [...new Set(names.map((name) => origin(name, ports.console)))];
  };
  const answerFor = (sat: string, id: string): DirectAnswer => {
    const certificate = authority.certificate();
    return {
      id,
      at: now(),
      listen: access(sat) !== 'cloud',
      port: ports.direct,
      name: satelliteNameIn(zone, sat),
      origins: origins(),
      keys: [...new Set([signer.publicKey, ...keys()])],
      ...(certificate === undefined ? {} : { authority: certificate }),
    };
  };
  const send = (sat: string, answer: DirectAnswer): void => {
    told.set(sat, answer.listen);
    nc?.publish(subjects.direct(sat), encode(answer));
  };
  const answer = async (msg: Msg): Promise<void> => {
    const sat = nameOf(msg.subject.split('.')[1] ?? '');
    const ask = decode(directAskSchema, msg.string());
    if (ask === undefined || !admitted(sat)) {
      return;
    }
    const key = provenKey(sat, ask);
    let certificate: string | undefined;
    if (key !== undefined) {
      try {
        const pair: KeyPair = await authority.get();
        certificate = await signEndpoint(pair, zone, sat, key, new Date(now()));
        log(`direct: signed a certificate for ${sat}`);
      } catch (error) {
        // It asks again; what it needs besides is in the answer.
        log(`direct: no certificate for ${sat}: ${(error as Error).message}`);
      }
    }
    // Signing takes a while, in which it may have been revoked.
    if (admitted(sat)) {
      send(sat, { ...answerFor(sat, ask.id), ...(certificate === undefined ? {} : { certificate }) });
    }
  };
  const unlisten = state.onChange((change) => {
    if (change.type === 'reset' || !change.entries.some((e) => CHANGES.has(e.kind))) {
      return;
    }
    for (const [sat, listen] of told) {
      if (admitted(sat) && (access(sat) !== 'cloud') !== listen) {
        send(sat, answerFor(sat, ''));
      }
    }
  });

  const grant = (sat: string, q: string, query: Parameters<Direct['grants']>[0]): Grant => {
    const known = registry.get(sat);
    const port = registry.directPort(sat);
    const { satellites: _all, ...rest } = query;
    if (known === undefined || !admitted(sat)) {
      return { sat, reason: `There is no satellite ${sat}.` };
    }
    if (access(sat) === 'cloud') {
      return { sat, reason: `${sat} is to be asked through the cloud only.` };
    }
    if (known.state === 'unreachable') {
      return { sat, reason: `${sat} has not been heard for a while.` };
    }
    if (port === undefined) {
      return { sat, reason: `${sat} has no endpoint of its own now.` };
    }
    return {
      sat,
      url: `https://${satelliteNameIn(zone, sat)}:${port}${DIRECT_PATH}`,
      token: signer.sign({ ...rest, q, sat }),
    };
  };

  return {
    zone,
    cspSource: `https://*.satellites.${zone}:*`,
    publicKey: signer.publicKey,
    certificate: authority.certificate,
    access,
    grants(query) {
      const q = randomBytes(12).toString('hex');
      return { q, grants: query.satellites.map((sat) => grant(sat, q, query)) };
    },
    listen(connection) {
      nc = connection;
      // Any one instance answers: the queue group sees to that.
      subscription = listen(connection, subjects.allDirectAsks, { queue: 'direct', log }, answer);
    },
    stop() {
      unlisten();
      subscription?.unsubscribe();
      told = new Map();
    },
  };
}
