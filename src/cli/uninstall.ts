import { createInterface } from 'node:readline/promises';
import { z } from 'zod';
import { DEFAULT_DATA, DEFAULT_PREFIX, type HostTarget } from '../../installer/cluster/spec.ts';
import type { Host } from '../../installer/hosts/host.ts';
import { closeHosts, openHost } from '../../installer/hosts/open.ts';
import { stage, unstage } from '../../installer/hosts/stage.ts';
import type { UninstallReport } from '../../installer/operations/uninstall-node.ts';
import { removeContext } from '../context/context.ts';
import { EXIT, explain, Failure, failureData } from '../errors.ts';
import { coreSize } from '../payload/open.ts';
import type { Io } from './command.ts';
import { removeCachedKubectl } from './kubectl/program.ts';
import { loadTargets, type TargetOptions } from './targets.ts';

export interface UninstallCommandOptions extends TargetOptions {
  yes?: true;
  data?: true;
}

const reportSchema: z.ZodType<UninstallReport> = z.object({
  found: z.boolean(),
  left: z.array(z.object({ path: z.string(), reason: z.string() })),
  failed: z.array(z.object({ step: z.string(), message: z.string() })),
});

interface HostOutcome {
  name: string;
  clusterId?: string | undefined;
  report?: UninstallReport;
  error?: unknown;
}

/** `terrarium uninstall`: every machine by itself, so that it works with the API down and with a machine gone. */
export async function runUninstallCommand(options: UninstallCommandOptions, io: Io): Promise<void> {
  const { file, targets } = await loadTargets(options, 'machines');
  const data = file.paths?.data ?? DEFAULT_DATA;
  const names = targets.map((t) => t.name ?? t.address).join(', ');
  if (options.yes !== true) {
    await confirm(
      io,
      'Remove Terrarium, its cluster and everything that runs on it from ' +
        `${names}${options.data === true ? ', with the data of all volumes' : ''}?`,
    );
  }
  const outcomes = await Promise.all(targets.map((target) => uninstallHost(target, data, options.data === true, io)));
  for (const outcome of outcomes) {
    show(io, outcome);
  }
  for (const id of new Set(outcomes.map((o) => o.clusterId))) {
    if (id !== undefined) {
      removeContext(io.env, id);
    }
  }
  removeCachedKubectl(io.env);
  const bad = outcomes.filter((o) => o.error !== undefined || (o.report?.failed.length ?? 0) > 0);
  if (bad.length > 0) {
    throw new Failure('left-over', `Terrarium is still on ${bad.map((o) => o.name).join(', ')}.`, {
      remedy:
        'Run the same command again when that machine can be reached, or `terrarium uninstall` on the machine itself.',
      exitCode: bad.every((o) => o.error !== undefined) ? EXIT.unreachable : EXIT.failed,
    });
  }
}

async function confirm(io: Io, question: string): Promise<void> {
  if (io.stdin.isTTY !== true) {
    throw new Failure(
      'not-confirmed',
      'Uninstall asks before it removes anything, and there is no terminal to ask on.',
      { remedy: 'Add --yes.', exitCode: EXIT.usage },
    );
  }
  const asked = createInterface({ input: io.stdin, output: io.stdout });
  try {
    const answer = await asked.question(`${question} [y/N] `, { signal: io.signal });
    if (!/^y(es)?$/i.test(answer.trim())) {
      throw new Failure('not-confirmed', 'Nothing was removed.', { exitCode: EXIT.failed });
    }
  } finally {
    asked.close();
  }
}

async function uninstallHost(target: HostTarget, data: string, withData: boolean, io: Io): Promise<HostOutcome> {
  const name = target.name ?? target.address;
  let host: Host;
  try {
    host = await openHost(target, { env: io.env });
  } catch (error) {
    return { name, error };
  }
  let staged = new Map<Host, string>();
  try {
    const identity = await host.run(['cat', `${data}/node.json`]);
    const fixed =
      identity.exitCode !== 0 && (await host.run(['test', '-e', `${data}/host-changes.json`])).exitCode === 0;
    if (identity.exitCode !== 0 && !fixed) {
      return { name, report: { found: false, left: [], failed: [] } };
    }
    const { clusterId, prefix } = z
      .object({ clusterId: z.string().optional(), prefix: z.string() })
      .parse(fixed ? { prefix: DEFAULT_PREFIX } : JSON.parse(identity.stdout));
    let program = `${prefix}/current/bin/terrarium`;
    if ((await host.run([program, '--version'])).exitCode !== 0) {
      // What removes everything is in the executable's own part; the programs and images behind it are not needed.
      staged = await stage([host], process.execPath, { signal: io.signal, end: coreSize(process.execPath) });
      program = staged.get(host) ?? '';
    }
    const ended = await host.run([program, 'node', 'uninstall', '--data-dir', data, ...(withData ? ['--data'] : [])], {
      signal: io.signal,
    });
    if (ended.exitCode !== 0) {
      return {
        name,
        clusterId,
        error: new Failure('uninstall-failed', ended.stderr.trim().split('\n').pop() ?? '', { host: name }),
      };
    }
    return { name, clusterId, report: reportSchema.parse(JSON.parse(ended.stdout)) };
  } catch (error) {
    return { name, error };
  } finally {
    // Also what an interrupted install has left.
    await unstage(staged);
    await host
      .run([
        'sh',
        '-c',
        'rm -rf /var/tmp/.terrarium-* /tmp/.terrarium-* /run/.terrarium-* /root/.terrarium-* /var/lib/.terrarium-* ' +
          '/opt/.terrarium-*',
      ])
      .catch(() => undefined);
    await closeHosts([host]);
  }
}

function show(io: Io, { name, report, error }: HostOutcome): void {
  if (error !== undefined) {
    io.stderr.write(`${name}: left over: ${explain(failureData(error))}\n`);
  } else if (report?.found === false) {
    io.stdout.write(`${name}: nothing of Terrarium is there\n`);
  } else {
    for (const { step, message } of report?.failed ?? []) {
      io.stderr.write(`${name}: ${step} could not be undone: ${message}\n`);
    }
    if (report?.failed.length === 0) {
      io.stdout.write(`${name}: removed\n`);
    }
    for (const { path, reason } of report?.left ?? []) {
      io.stdout.write(`${name}: kept ${path} (${reason})\n`);
    }
  }
}
