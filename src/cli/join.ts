import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PORTS } from '../../installer/cluster/ports.ts';
import type { NodeSpec, Role } from '../../installer/cluster/spec.ts';
import { joinEvents, pinCa, requestJoin, startJoin, type ClientTls, type JoinServer } from '../../installer/operations/join-client.ts';
import { readText } from '../../installer/node/files.ts';
import { requestMembership } from '../../installer/node/membership.ts';
import { startNodeExecutor } from '../../installer/node/start.ts';
import { verifyAssets } from '../assets.ts';
import { EXIT, Failure } from '../errors.ts';
import type { Io } from './command.ts';
import { chooseReporter } from './reporters/reporter.ts';

export interface JoinOptions {
  token: string;
  caHash: string;
  role: Role;
  name?: string;
  address?: string;
  json?: true;
}

/** `terrarium join` from its flags to its last line. */
export async function runJoin(controlPlane: string, options: JoinOptions, io: Io): Promise<void> {
  if (process.getuid?.() !== 0) throw new Failure('not-root', 'join has to be run as root.', { remedy: 'Put `sudo` in front of it.', exitCode: EXIT.usage });
  if (!/^sha256:[0-9a-f]{64}$/.test(options.caHash)) throw new Failure('usage', `--ca-hash ${options.caHash} is no fingerprint.`, { remedy: 'Copy the whole join command as it was printed.', exitCode: EXIT.usage });
  await verifyAssets();
  const server = parseServer(controlPlane);
  const say = (line: string): void => {
    if (options.json !== true) io.stdout.write(`${line}\n`);
  };
  const { ca, ownAddress } = await pinCa(server, options.caHash);
  const node: NodeSpec = { name: (options.name ?? hostname()).toLowerCase(), address: options.address ?? ownAddress, role: options.role };
  say(`${node.name} (${node.address}) joins by ${server.address} as ${node.role}`);
  const { spec } = await requestJoin(server, ca, { token: options.token, node });
  // The key is on this machine's disk before the token is used up: repeating the command presents the same key again.
  const { csr } = await requestMembership(spec, node);
  const grant = await requestJoin(server, ca, { token: options.token, node, csr });
  await startNodeExecutor({ spec: grant.spec, node, operation: grant.operation, cert: grant.cert ?? '', ca: grant.ca ?? '' });
  const pki = join(grant.spec.data, 'pki');
  const tls: ClientTls = { ca, cert: readFileSync(join(pki, 'node.crt'), 'utf8'), key: readText(join(pki, 'node.key')) ?? '' };
  const { operation } = await startWhenFree(server, tls, node.name, io, say);
  const reporter = await chooseReporter({ json: options.json === true, isTTY: io.stdout.isTTY === true, stdout: io.stdout });
  try {
    for await (const event of joinEvents(server, tls, operation)) {
      reporter.event(event);
      if (event.type !== 'end' || event.ok) continue;
      const { code = 'join-failed', message = 'The join failed.', host, remedy } = event.error ?? {};
      throw new Failure(code, message, { host, remedy });
    }
  } finally {
    await reporter.finish();
  }
  say(`\n${node.name} is part of the cluster ${spec.name}.`);
}

/** A control plane lets one machine join at a time; the others wait their turn. */
async function startWhenFree(server: JoinServer, tls: ClientTls, node: string, io: Io, say: (line: string) => void): Promise<{ operation: string }> {
  let said = '';
  for (;;) {
    try {
      return await startJoin(server, tls, node);
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'operation-running') throw error;
      if (error.message !== said) say(`Waiting: ${error.message}`);
      said = error.message;
      await sleep(2000, undefined, { signal: io.signal });
    }
  }
}

function parseServer(text: string): JoinServer {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+(?::[^:]+:.*)?|::.*))(?::(\d+))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? '';
  if (isIP(text) !== 0) return { address: text, port: PORTS.agent.port };
  if (isIP(address) === 0) throw new Failure('usage', `${text} is no address of a control-plane node.`, { remedy: 'Give its IP address, for instance 10.0.0.11 or [fd00::11]:7444.', exitCode: EXIT.usage });
  return { address, port: port === undefined ? PORTS.agent.port : Number(port) };
}

