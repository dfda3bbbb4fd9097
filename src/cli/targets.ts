import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import {
  hostTargets,
  parseClusterFile,
  type ClusterFile,
  type HostTarget,
  type Purpose,
} from '../../installer/cluster/spec.ts';
import { parseOverrides, type Override } from '../../installer/preflight/override.ts';
import { EXIT, Failure, isErrno } from '../errors.ts';
import { ownAddress } from './own-address.ts';

/** Options shared by the commands that work on machines: preflight, install, uninstall. */
export interface TargetOptions {
  file?: string;
  hosts?: string;
  sshUser?: string;
  sshKey?: string;
  sshPort?: string;
  address?: string;
  ignore?: string[];
}

/** What a command works on. */
export interface Targets {
  /** With the overrides of `--ignore` added to its own. */
  file: ClusterFile;
  targets: HostTarget[];
}

/** Declares -f, --hosts, --address, --ssh-* and --ignore. */
export function addTargetOptions(cmd: Command): Command {
  return cmd
    .option('-f, --file <cluster.yaml>', 'the cluster file; `terrarium init` writes a commented one')
    .option('--hosts <addresses>', 'instead of a file: addresses of the machines, separated by commas')
    .option('--address <address>', 'without file and hosts: the address by which this very machine is reached')
    .option('--ssh-user <user>', 'login on the machines (default: root)')
    .option('--ssh-key <file>', 'private key (default: the ssh agent, then ~/.ssh/id_*)')
    .option('--ssh-port <port>', 'ssh port of the machines (default: 22)')
    .option(
      '--ignore <CODE=REASON>',
      'go on although this preflight check fails; repeatable, recorded',
      (value: string, all: string[] = []) => [...all, value],
    );
}

function usage(message: string, remedy: string): Failure {
  return new Failure('usage', message, { remedy, exitCode: EXIT.usage });
}

/**
 * The machines that the options name; with neither a file nor hosts, this very machine.
 * @throws Failure exit code 2: unreadable or invalid file, bad option.
 */
export async function loadTargets(options: TargetOptions, purpose?: Purpose): Promise<Targets> {
  if (options.file !== undefined && options.hosts !== undefined) {
    throw usage('Both --file and --hosts are given.', 'Use one of them.');
  }
  const file = options.file !== undefined ? await readClusterFile(options.file) : await fromFlags(options);
  const overrides: Override[] = [...(file.preflight?.overrides ?? []), ...parseOverrides(options.ignore ?? [])];
  const complete: ClusterFile = overrides.length === 0 ? file : { ...file, preflight: { overrides } };
  const targets = hostTargets(
    complete,
    { user: options.sshUser ?? 'root', port: sshPort(options.sshPort), key: expandHome(options.sshKey) },
    purpose,
  );
  return {
    file: complete,
    targets: targets.map((t) =>
      t.ssh === undefined
        ? t
        : { ...t, ssh: { ...t.ssh, key: expandHome(t.ssh.key), knownHosts: expandHome(t.ssh.knownHosts) } },
    ),
  };
}

function sshPort(value: string | undefined): number {
  const port = Number(value ?? 22);
  if (Number.isInteger(port) && port > 0 && port < 65536) {
    return port;
  }
  throw usage(`--ssh-port ${value} is no port.`, 'Give a number from 1 to 65535.');
}

function expandHome(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path.replace(/^~(?=\/)/, userInfo().homedir));
}

const UNREADABLE = [
  ['ENOENT', 'there is no such file'],
  ['EISDIR', 'it is a folder'],
  ['EACCES', 'you may not read it'],
] as const;

async function readClusterFile(path: string): Promise<ClusterFile> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const why = UNREADABLE.find(([code]) => isErrno(error, code))?.[1] ?? String(error);
    throw new Failure('bad-cluster-file', `${path} cannot be read: ${why}.`, {
      remedy: 'Name an existing file by -f; `terrarium init` writes a commented example.',
      exitCode: EXIT.usage,
    });
  }
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text, { prettyErrors: true });
  const error = document.errors[0];
  if (error !== undefined) {
    const line = error.linePos?.[0].line;
    throw new Failure(
      'bad-cluster-file',
      `${path}${line === undefined ? '' : `, line ${line}`} is not valid YAML: ` +
        `${error.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '')}.`,
      {
        remedy: 'Correct that line.',
        exitCode: EXIT.usage,
      },
    );
  }
  return parseClusterFile(document.toJS() as unknown, path);
}

async function fromFlags(options: TargetOptions): Promise<ClusterFile> {
  const base = { apiVersion: 'terrarium/v1', kind: 'Cluster' };
  if (options.hosts === undefined) {
    const address = options.address ?? ownAddress();
    return parseClusterFile({ ...base, hosts: [{ address, local: true }] }, '--address');
  }
  if (options.address !== undefined) {
    throw usage(
      'Both --address and --hosts are given.',
      '--address is for installing on this very machine without a file.',
    );
  }
  const words = options.hosts
    .split(',')
    .map((h) => h.trim())
    .filter((h) => h !== '');
  if (words.length === 0) {
    throw usage('--hosts names no machine.', 'Give addresses separated by commas.');
  }
  const hosts = await Promise.all(words.map((word) => oneHost(word)));
  return parseClusterFile({ ...base, hosts }, '--hosts');
}

/** `[user@]address` or `[user@]name`; a name is looked up, because nodes know each other by address. */
async function oneHost(word: string): Promise<{ address: string; ssh?: { user?: string; address?: string } }> {
  const at = word.lastIndexOf('@');
  const user = at === -1 ? undefined : word.slice(0, at);
  const where = word.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
  const address = isIP(where) !== 0 ? where : await lookupName(where);
  const ssh = { ...(user === undefined ? {} : { user }), ...(address === where ? {} : { address: where }) };
  return Object.keys(ssh).length === 0 ? { address } : { address, ssh };
}

async function lookupName(name: string): Promise<string> {
  try {
    return (await lookup(name)).address;
  } catch {
    throw usage(`The host ${name} is unknown: no address is found for this name.`, 'Give its IP address.');
  }
}
