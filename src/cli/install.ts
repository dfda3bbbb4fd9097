import { nodePaths } from '../../installer/cluster/paths.ts';
import {
  controlPlanes,
  type ClusterFile,
  type ClusterSpec,
  type HostTarget,
  type Role,
} from '../../installer/cluster/spec.ts';
import type { Host } from '../../installer/hosts/host.ts';
import { closeHosts, openHosts } from '../../installer/hosts/open.ts';
import { stage, stageTrustedKeys, unstage } from '../../installer/hosts/stage.ts';
import type { ConsoleTls } from '../../installer/node/console-tls.ts';
import type { InstallResult } from '../../installer/node/result.ts';
import { clusterSpec, confirmResult, install, isUnderWay } from '../../installer/operations/run-install.ts';
import { probeHelper } from '../../installer/preflight/matrix/helper.ts';
import { runPreflight, stagedProgram } from '../../installer/preflight/run.ts';
import { contextPath, saveContext } from '../context/context.ts';
import { Failure } from '../errors.ts';
import { hostPort } from '../host-port.ts';
import type { Io } from './command.ts';
import { readConsoleTls } from './console-tls.ts';
import { openInstallSource, type InstallSource, type SourceOptions } from './install-source.ts';
import { tellPreflight } from './preflight-outcome.ts';
import { chooseReporter } from './reporters/choose.ts';
import { loadTargets, type TargetOptions, type Targets } from './targets.ts';

export interface InstallCommandOptions extends TargetOptions, SourceOptions {
  json?: true;
  consoleName?: string;
  tlsCert?: string;
  tlsKey?: string;
}

/** `terrarium install` from its flags to its last line. */
export async function runInstallCommand(options: InstallCommandOptions, io: Io): Promise<void> {
  const targets = await loadTargets(options);
  const source = await openInstallSource(options, io.env);
  try {
    await installFrom(source, targets, options, io);
  } finally {
    source.remove();
  }
}

async function installFrom(
  source: InstallSource,
  { file, targets }: Targets,
  options: InstallCommandOptions,
  io: Io,
): Promise<void> {
  const console = {
    ...file.console,
    ...given({ name: options.consoleName, tlsCert: options.tlsCert, tlsKey: options.tlsKey }),
  };
  const consoleTls = readConsoleTls(console);
  const say = (line: string): void => {
    if (options.json !== true) {
      io.stdout.write(`${line}\n`);
    }
  };
  const began = Date.now();
  say(`Connecting to ${targets.map((t) => t.name ?? t.address).join(', ')}`);
  const hosts = await openHosts(targets, { env: io.env });
  try {
    say(`Copying terrarium to ${hosts.length === 1 ? 'the machine' : `${hosts.length} machines`}`);
    const staged = await stage(hosts, source.executable, { signal: io.signal });
    await stageTrustedKeys(staged, source.extraKeys);
    source.remove();
    const settings = { ...file, console };
    const found = await look(settings, targets, hosts);
    if (found?.underWay === true) {
      // It has passed its preflight, and another one would stand in its way: it listens on the very ports that are
      // being taken.
      say('The machines are at it already: following');
    } else {
      say('Checking the machines and the network between them');
      await checkMachines(hosts, targets, file, staged, io, options.json === true);
    }
    const spec = found?.spec ?? (await clusterSpec(settings, targets, hosts));
    const reporter = await chooseReporter({
      json: options.json === true,
      isTTY: io.stdout.isTTY === true,
      stdout: io.stdout,
    });
    let result: InstallResult;
    try {
      ({ result } = await install({ hosts, staged, consoleTls }, spec, io.signal, (event) => reporter.event(event)));
    } finally {
      await reporter.finish();
    }
    keepContext(io, spec, result, consoleTls);
    report(io, spec, result, Date.now() - began, options.json === true);
    await confirmPassword(hosts, staged, spec);
    if (options.json !== true && targets.every((t) => t.ssh === undefined)) {
      await reportJoins(hosts[0], spec, io);
    }
    await unstage(staged);
  } finally {
    await closeHosts(hosts);
  }
}

/** Without ssh the other machines come by themselves: one command for each, good for two hours. */
async function reportJoins(host: Host | undefined, spec: ClusterSpec, io: Io): Promise<void> {
  if (host === undefined) {
    return;
  }
  const join = async (role: Role): Promise<string> =>
    (
      await host.run([nodePaths(spec).executable, 'token', 'create', '--role', role, '--data', spec.data])
    ).stdout.trim();
  io.stdout.write(
    `\nMore machines: copy this file to each and run there as root, one command a machine, within two hours:\n`,
  );
  for (const [role, count] of [
    ['control-plane', 2],
    ['worker', 1],
  ] as const) {
    for (let n = 0; n < count; n += 1) {
      io.stdout.write(`  ${await join(role)}\n`);
    }
  }
  io.stdout.write('`terrarium token create` on a control plane makes more.\n');
}

/**
 * The cluster as the machines tell of themselves, and whether they are at it; undefined for twin names, no systemd and
 * the like, which are preflight's to tell.
 */
async function look(
  file: ClusterFile,
  targets: HostTarget[],
  hosts: Host[],
): Promise<{ spec: ClusterSpec; underWay: boolean } | undefined> {
  try {
    const spec = await clusterSpec(file, targets, hosts);
    return { spec, underWay: await isUnderWay(hosts, spec) };
  } catch (error) {
    if (error instanceof Failure) {
      return undefined;
    }
    throw error;
  }
}

/**
 * Preflight, before anything is changed. @throws Failure `preflight-failed` (exit 3) after what was found has been
 * printed.
 */
async function checkMachines(
  hosts: Host[],
  targets: HostTarget[],
  file: ClusterFile,
  staged: Map<Host, string>,
  io: Io,
  json: boolean,
): Promise<void> {
  const helper = await probeHelper();
  try {
    tellPreflight(
      await runPreflight(hosts, targets, file, {
        program: stagedProgram(staged),
        helper: helper?.path,
        signal: io.signal,
      }),
      'an install',
      io,
      json,
    );
  } finally {
    await helper?.remove();
  }
}

function given<T extends Record<string, string | undefined>>(values: T): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(values).filter(([, v]) => v !== undefined)) as { [K in keyof T]?: string };
}

async function confirmPassword(hosts: Host[], staged: Map<Host, string>, spec: ClusterSpec): Promise<void> {
  const first = controlPlanes(spec)[0];
  const host = hosts[spec.nodes.findIndex((n) => n.name === first?.name)];
  if (host !== undefined) {
    await confirmResult(host, staged.get(host) ?? '', spec);
  }
}

function keepContext(io: Io, spec: ClusterSpec, result: InstallResult, consoleTls: ConsoleTls | undefined): void {
  saveContext(io.env, {
    name: spec.name,
    clusterId: spec.id,
    controlPlanes: controlPlanes(spec).map(({ name, address }) => ({ name, address })),
    ports: { api: spec.ports.api, console: spec.ports.console },
    ca: result.ca,
    caFingerprint: result.caFingerprint,
    token: result.apiToken,
    kubeconfig: {
      ca: result.kubernetes.ca,
      clientCertificate: result.kubernetes.cert,
      clientKey: result.kubernetes.key,
    },
    ...(spec.consoleName === undefined ? {} : { consoleName: spec.consoleName }),
    ...(consoleTls === undefined ? {} : { consoleCa: consoleTls.cert }),
  });
}

/** What the administrator needs next, once. */
function report(io: Io, spec: ClusterSpec, result: InstallResult, ms: number, json: boolean): void {
  const consoles = controlPlanes(spec).map((n) => ({
    node: n.name,
    url: `https://${hostPort(n.address, spec.ports.console)}`,
  }));
  if (json) {
    const event = {
      type: 'installed',
      at: new Date().toISOString(),
      ms,
      cluster: spec.name,
      clusterId: spec.id,
      consoles,
      caFingerprint: result.caFingerprint,
      user: 'admin',
      applications: result.applications,
      ...(result.password === undefined ? {} : { password: result.password }),
    };
    io.stdout.write(`${JSON.stringify(event)}\n`);
    return;
  }
  const lines = [
    '',
    `The cluster ${spec.name} is installed (${Math.round(ms / 1000)} s).`,
    '',
    'Web console, the same on every one of these:',
    ...consoles.map((c) => `  ${c.url}   (${c.node})`),
    'User:      admin',
    result.password === undefined
      ? 'Password:  was shown by the first install; `terrarium user reset-password` on a node makes a new one'
      : `Password:  ${result.password}   (shown only now; the console asks for one of your own)`,
    `CA:        ${result.caFingerprint}   (fingerprint of the CA in ${contextPath(io.env)})`,
    ...applicationLines(result),
    '',
    'Next: terrarium status, terrarium kubectl get nodes, terrarium query "select * from processes limit 5"',
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
}

function applicationLines({ applications }: InstallResult): string[] {
  const found = Object.entries(applications).filter(([, addresses]) => addresses.length > 0);
  return found.length === 0
    ? []
    : [
        '',
        'Applications:',
        ...found.flatMap(([name, addresses]) => addresses.map((address) => `  ${address}   (${name})`)),
      ];
}
