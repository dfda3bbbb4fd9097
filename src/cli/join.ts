import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodePaths } from '../../installer/cluster/paths.ts';
import { PORTS } from '../../installer/cluster/ports.ts';
import { DEFAULT_DATA, type ClusterSpec, type NodeSpec, type Role } from '../../installer/cluster/spec.ts';
import { readText } from '../../installer/node/files.ts';
import { heldMembership, type HeldMembership, requestMembership } from '../../installer/node/membership.ts';
import { startNodeExecutor } from '../../installer/node/start.ts';
import {
  joinEvents,
  pinCa,
  requestJoin,
  startJoin,
  type ClientTls,
  type JoinServer,
} from '../../installer/operations/join-client.ts';
import { parseOverrides } from '../../installer/preflight/override.ts';
import { verifyAssets } from '../assets.ts';
import { EXIT, Failure } from '../errors.ts';
import type { Io } from './command.ts';
import { checkJoining } from './join-preflight.ts';
import { chooseReporter } from './reporters/choose.ts';

export interface JoinOptions {
  token: string;
  caHash: string;
  role: Role;
  name?: string;
  address?: string;
  ignore?: string[];
  json?: true;
}

/** `terrarium join` from its flags to its last line. */
export async function runJoin(controlPlane: string, options: JoinOptions, io: Io): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Failure('not-root', 'join has to be run as root.', {
      remedy: 'Put `sudo` in front of it.',
      exitCode: EXIT.usage,
    });
  }
  if (!/^sha256:[0-9a-f]{64}$/.test(options.caHash)) {
    throw new Failure('usage', `--ca-hash ${options.caHash} is no fingerprint.`, {
      remedy: 'Copy the whole join command as it was printed.',
      exitCode: EXIT.usage,
    });
  }
  await verifyAssets();
  const server = parseServer(controlPlane);
  const say = (line: string): void => {
    if (options.json !== true) {
      io.stdout.write(`${line}\n`);
    }
  };
  const { ca, ownAddress } = await pinCa(server, options.caHash);
  const wanted: NodeSpec = {
    name: (options.name ?? hostname()).toLowerCase(),
    address: options.address ?? ownAddress,
    role: options.role,
  };
  const held = heldMembership(io.env['TERRARIUM_DATA'] ?? DEFAULT_DATA, ca, new Date());
  const admitted =
    held?.node.name === wanted.name &&
    held.node.role === wanted.role &&
    (options.address === undefined || held.node.address === wanted.address)
      ? held
      : undefined;
  const node = admitted?.node ?? wanted;
  say(`${node.name} (${node.address}) joins by ${server.address} as ${node.role}`);
  const overrides = parseOverrides(options.ignore ?? []);
  const join: Join = {
    server,
    ca,
    node,
    io,
    say,
    check: (spec) => checkJoining(spec, node, overrides, io, options.json === true),
  };
  const { operation, spec, tls } =
    (admitted === undefined ? undefined : await continueJoin(join, admitted)) ?? (await beginJoin(join, options.token));
  const reporter = await chooseReporter({
    json: options.json === true,
    isTTY: io.stdout.isTTY === true,
    stdout: io.stdout,
  });
  try {
    for await (const event of joinEvents(server, tls, operation)) {
      reporter.event(event);
      if (event.type !== 'end' || event.ok) {
        continue;
      }
      const { code = 'join-failed', message = 'The join failed.', host, remedy } = event.error ?? {};
      throw new Failure(code, message, { host, remedy });
    }
  } finally {
    await reporter.finish();
  }
  say(`\n${node.name} is part of the cluster ${spec.name}.`);
}

interface Join {
  server: JoinServer;
  ca: string;
  node: NodeSpec;
  io: Io;
  say(line: string): void;
  /** Preflight. */
  check(spec: ClusterSpec): Promise<void>;
}

interface Begun {
  operation: string;
  spec: ClusterSpec;
  tls: ClientTls;
}

/**
 * The machine was admitted by an earlier try: its certificate counts, whatever has become of the token. Undefined where
 * the cluster has forgotten it.
 */
async function continueJoin(join: Join, held: HeldMembership): Promise<Begun | undefined> {
  const { ca, node } = join;
  const tls: ClientTls = { ca, cert: held.cert, key: held.key };
  try {
    // The coordinator waits for this machine's executor, which needs the cluster as it is now.
    const { operation, spec } = await startWhenFree(join, tls);
    await startNodeExecutor({ spec, node, operation, cert: held.cert, ca });
    return { operation, spec, tls };
  } catch (error) {
    // It was admitted and then forgotten, as a node that never came up is.
    if (error instanceof Failure && error.code === 'unknown-node') {
      return undefined;
    }
    throw error;
  }
}

async function beginJoin(join: Join, token: string): Promise<Begun> {
  const { server, ca, node } = join;
  const { spec } = await requestJoin(server, ca, { token, node });
  await join.check(spec);
  // The key is on this machine's disk before the token is used up: repeating the command presents the same key again.
  const { csr } = await requestMembership(spec, node);
  const grant = await requestJoin(server, ca, { token, node, csr });
  const cert = grant.cert ?? '';
  await startNodeExecutor({ spec: grant.spec, node, operation: grant.operation, cert, ca: grant.ca ?? '' });
  const tls: ClientTls = { ca, cert, key: readText(`${nodePaths(grant.spec).pki}/node.key`) ?? '' };
  return { ...(await startWhenFree(join, tls)), tls };
}

/** A control plane lets one machine join at a time; the others wait their turn. */
async function startWhenFree(
  { server, node, io, say }: Join,
  tls: ClientTls,
): Promise<{ operation: string; spec: ClusterSpec }> {
  let said = '';
  for (;;) {
    try {
      return await startJoin(server, tls, node.name);
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'operation-running') {
        throw error;
      }
      if (error.message !== said) {
        say(`Waiting: ${error.message}`);
      }
      said = error.message;
      await sleep(2000, undefined, { signal: io.signal });
    }
  }
}

function parseServer(text: string): JoinServer {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+(?::[^:]+:.*)?|::.*))(?::(\d+))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? '';
  if (isIP(text) !== 0) {
    return { address: text, port: PORTS.agent.port };
  }
  if (isIP(address) === 0) {
    throw new Failure('usage', `${text} is no address of a control-plane node.`, {
      remedy: 'Give its IP address, for instance 10.0.0.11 or [fd00::11]:7444.',
      exitCode: EXIT.usage,
    });
  }
  return { address, port: port === undefined ? PORTS.agent.port : Number(port) };
}
