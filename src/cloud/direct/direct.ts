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
import type { SatelliteRow } from '../../store/rows.ts';
import type { Registry } from '../satellites.ts';
import { one } from '../state/read.ts';
import type { State } from '../state/state.ts';
import { createDirectAuthorityHolder, signEndpoint, type DirectAuthority } from './authority.ts';
import { createTokenSigner, type TokenSigner } from './tokens.ts';

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

export function createDirect(options: DirectOptions): Direct {
  const { self, config, state, admitted, keys, log, now = Date.now } = options;
  const { zone, ports } = config;
  const signer = createTokenSigner(now);
  const authority = createDirectAuthorityHolder({ state, zone, self, now });
  let nc: NatsConnection | undefined;
  let subscription: Subscription | undefined;
  let told = new Map<string, boolean>();

  const access = (sat: string): Access => accessOf(state, sat);
  const answerFor = (sat: string, id: string): DirectAnswer => {
    const certificate = authority.certificate();
    return {
      id,
      at: now(),
      listen: access(sat) !== 'cloud',
      port: ports.direct,
      name: satelliteNameIn(zone, sat),
      origins: originsOf(options),
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
    const certificate = key === undefined ? undefined : await certify({ authority, zone, log, now }, sat, key);
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

  return {
    zone,
    cspSource: `https://*.satellites.${zone}:*`,
    publicKey: signer.publicKey,
    certificate: authority.certificate,
    access,
    grants: (query) => grantsOf(options, signer, query),
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

interface Certifying {
  authority: Pick<DirectAuthority, 'get'>;
  zone: string;
  log(line: string): void;
  now(): number;
}

/** Undefined where that fails: the satellite asks again, and what it needs besides is in the answer. */
async function certify(
  { authority, zone, log, now }: Certifying,
  sat: string,
  key: Buffer,
): Promise<string | undefined> {
  try {
    const certificate = await signEndpoint(await authority.get(), zone, sat, key, new Date(now()));
    log(`direct: signed a certificate for ${sat}`);
    return certificate;
  } catch (error) {
    log(`direct: no certificate for ${sat}: ${(error as Error).message}`);
    return undefined;
  }
}

function accessOf(state: State, sat: string): Access {
  const replica = state.current();
  const row =
    replica === undefined
      ? undefined
      : one<Pick<SatelliteRow, 'access'>>(replica.db, 'SELECT access FROM satellites WHERE id = ?', sat);
  return row?.access ?? 'both';
}

/** Whose pages may ask a satellite: the console's, under each of its names. */
function originsOf({ config, servers }: Pick<DirectOptions, 'config' | 'servers'>): string[] {
  const names = [
    ...servers().flatMap((s) => [s.address, s.name]),
    consoleNameIn(config.zone),
    ...(config.consoleName === undefined ? [] : [config.consoleName]),
  ];
  return [...new Set(names.map((name) => origin(name, config.ports.console)))];
}

type Granting = Pick<DirectOptions, 'config' | 'state' | 'registry' | 'admitted'>;
type DirectQuery = Parameters<Direct['grants']>[0];

function grantsOf(options: Granting, signer: TokenSigner, query: DirectQuery): ReturnType<Direct['grants']> {
  const q = randomBytes(12).toString('hex');
  const { satellites, ...rest } = query;
  const grants = satellites.map((sat): Grant => {
    const endpoint = endpointOf(options, sat);
    return 'reason' in endpoint
      ? { sat, reason: endpoint.reason }
      : { sat, url: endpoint.url, token: signer.sign({ ...rest, q, sat }) };
  });
  return { q, grants };
}

/** The address of a satellite's own endpoint, or why it cannot be asked there. */
function endpointOf(
  { config, state, registry, admitted }: Granting,
  sat: string,
): { url: string } | { reason: string } {
  const known = registry.get(sat);
  const port = registry.directPort(sat);
  if (known === undefined || !admitted(sat)) {
    return { reason: `There is no satellite ${sat}.` };
  }
  if (accessOf(state, sat) === 'cloud') {
    return { reason: `${sat} is to be asked through the cloud only.` };
  }
  if (known.state === 'unreachable') {
    return { reason: `${sat} has not been heard for a while.` };
  }
  if (port === undefined) {
    return { reason: `${sat} has no endpoint of its own now.` };
  }
  return { url: `https://${satelliteNameIn(config.zone, sat)}:${port}${DIRECT_PATH}` };
}
