import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { portUses, type Ports } from '../../cluster/ports.ts';
import type { Role } from '../../cluster/spec.ts';
import type { Host } from '../../hosts/host.ts';
import type { Member } from '../check.ts';
import { openProbe, type ProbeChannel } from './channel.ts';
import type { Peer, ProbedPair, SeenSyn } from './protocol.ts';
import type { Pair } from './result.ts';

export interface MatrixHost {
  host: Host;
  member: Pick<Member, 'name' | 'address' | 'role'>;
  /** Command line of our program there. */
  program: string[];
}

export interface MatrixOptions {
  signal?: AbortSignal | undefined;
  /** Local file of the native helper. */
  helper?: string | undefined;
}

interface NamedPort {
  name: string;
  port: number;
}

/** The TCP ports of a node of this role that other nodes connect to. */
function servedPorts(ports: Ports, role: Role): (NamedPort & { planesOnly: boolean })[] {
  return portUses(ports)
    .filter(
      (u) => u.protocol.startsWith('tcp') && u.from !== 'self' && (u.to === 'all nodes' || role === 'control-plane'),
    )
    .map((u) => ({ name: u.name, port: u.port, planesOnly: u.from === 'control-plane' }));
}

interface Station extends MatrixHost {
  channel: ProbeChannel;
  nonce: string;
  helper: string | undefined;
  bound: number[];
  udp: number | undefined;
  note: string | undefined;
}

/**
 * Tries every way between the hosts at once: ports, round trip, clocks, packet size, an unknown TCP option.
 * @throws Failure where a host cannot run the probe.
 */
export async function runMatrix(hosts: MatrixHost[], ports: Ports, options: MatrixOptions): Promise<Pair[]> {
  const helpers = await Promise.all(
    hosts.map((h) => (options.helper === undefined ? undefined : putHelper(h, options.helper))),
  );
  const channels = hosts.map((h) => openProbe(h.host, h.program, options.signal));
  try {
    const stations = await Promise.all(
      hosts.map(async (h, i): Promise<Station> => {
        const channel = channels[i] as ProbeChannel;
        const nonce = randomBytes(8).toString('hex');
        const helper = helpers[i];
        const ready = await channel.ask(
          {
            kind: 'listen',
            address: h.member.address,
            ports: servedPorts(ports, h.member.role),
            nonce,
            synPort: ports.agent,
            ...(helper === undefined ? {} : { helper }),
          },
          'ready',
        );
        return { ...h, channel, nonce, helper, bound: ready.bound, udp: ready.udp, note: ready.note };
      }),
    );
    const peers = stations.map((from) => stations.filter((to) => to !== from).map((to) => peerFor(from, to, ports)));
    const results = await Promise.all(
      stations.map((s, i) => s.channel.ask({ kind: 'connect', from: s.member.name, peers: peers[i] ?? [] }, 'result')),
    );
    const seen = await Promise.all(stations.map((s) => s.channel.ask({ kind: 'finish' }, 'seen')));
    return results.flatMap((r, i) =>
      r.pairs.map((pair) => {
        const to = stations.findIndex((s) => s.member.name === pair.to);
        const peer = peers[i]?.find((p) => p.name === pair.to);
        return finished(pair, peer, stations[i]?.member.address ?? '', seen[to], stations[to]?.note);
      }),
    );
  } finally {
    await Promise.allSettled(channels.map((c) => c.close()));
    await Promise.allSettled(
      hosts.map((h, i) =>
        helpers[i] === undefined ? undefined : h.host.run(['rm', '-rf', '--', dirname(helpers[i])]),
      ),
    );
  }
}

/** In the folder of the staged executable programs can be run; elsewhere /var/tmp has to do. */
async function putHelper({ host, program }: MatrixHost, helper: string): Promise<string> {
  const base = program.length === 1 ? dirname(program[0] ?? '') : '/var/tmp';
  const made = await host.run(['mktemp', '-d', `${base}/.terrarium-probe-XXXXXXXX`]);
  const path = `${made.stdout.trim()}/terrarium-probe`;
  await host.upload(helper, path, { mode: 0o700 });
  return path;
}

function peerFor(from: Station, to: Station, ports: Ports): Peer {
  const used = servedPorts(ports, to.member.role).filter((p) => !p.planesOnly || from.member.role === 'control-plane');
  return {
    name: to.member.name,
    address: to.member.address,
    ports: used.map(({ name, port }) => ({ name, port })),
    bound: to.bound,
    nonce: to.nonce,
    ...(to.udp === undefined ? {} : { udp: to.udp }),
    synPort: ports.agent,
    sequence: randomBytes(4).toString('hex'),
    // RFC 6994: a 4-byte magic number first.
    option: `5452524d${randomBytes(10).toString('hex')}`,
  };
}

/**
 * A SYN is recognised by source address and port, or by its sequence number where a device in between changed those.
 */
function finished(
  pair: ProbedPair,
  peer: Peer | undefined,
  source: string,
  seen: { syns: SeenSyn[]; checksumErrors: number | null } | undefined,
  note: string | undefined,
): Pair {
  const { synSource, ...rest } = pair;
  const withNote = {
    ...rest,
    ...(pair.note === undefined && note !== undefined ? { note } : {}),
    checksumErrors: seen?.checksumErrors ?? null,
  };
  if (synSource === undefined || peer === undefined) {
    return plain(withNote);
  }
  const mine = (seen?.syns ?? []).filter(
    (s) => s.sequence === peer.sequence || (s.source === source && s.port === synSource),
  );
  // Where nothing passes to that port at all, the option is not to blame.
  const reachable = pair.ports.some((p) => p.port === peer.synPort && p.outcome === 'open');
  return plain({ ...withNote, synOption: synOptionOf(mine, peer.option, reachable) });
}

function synOptionOf(arrived: SeenSyn[], option: string, reachable: boolean): Pair['synOption'] {
  if (arrived.some((s) => s.option === option)) {
    return 'kept';
  }
  if (arrived.length > 0) {
    return 'stripped';
  }
  return reachable ? 'dropped' : null;
}

function plain({ note, ...pair }: Omit<ProbedPair, 'synSource'> & Pick<Pair, 'checksumErrors'>): Pair {
  return { ...pair, ...(note === undefined ? {} : { note }) };
}
