import type { Host } from '../../installer/hosts/host.ts';
import { closeHosts, openHosts } from '../../installer/hosts/open.ts';
import { stage, unstage } from '../../installer/hosts/stage.ts';
import { fixAll } from '../../installer/preflight/fix.ts';
import { probeHelper } from '../../installer/preflight/matrix/helper.ts';
import { renderReport } from '../../installer/preflight/render.ts';
import { contextOf, runPreflight, stagedProgram } from '../../installer/preflight/run.ts';
import { openPayload } from '../payload/open.ts';
import { selfCommand } from '../self.ts';
import type { Io } from './command.ts';
import { loadTargets, type TargetOptions } from './targets.ts';

/** `terrarium preflight`: stages only the part of the executable without its payload, and removes it again. */
export async function runPreflightCommand(options: TargetOptions & { json?: true; fix?: true }, io: Io): Promise<void> {
  const { file, targets } = await loadTargets(options);
  const say = (line: string): void => void (options.json === true || io.stderr.write(`${line}\n`));
  const count = targets.length === 1 ? 'the machine' : `${targets.length} machines`;
  say(`Connecting to ${count}`);
  const hosts = await openHosts(targets, { env: io.env });
  let staged = new Map<Host, string>();
  const helper = await probeHelper();
  try {
    const [program, ...main] = selfCommand();
    // In development the hosts are this very machine; there is one file to copy only where there is one executable.
    const packaged = main.length === 0;
    if (packaged) {
      const end = openPayload(program, 'any')?.start;
      say(`Copying the checks to ${count}`);
      staged = await stage(hosts, program, { signal: io.signal, ...(end === undefined ? {} : { end }) });
    }
    const settings = {
      signal: io.signal,
      helper: helper?.path,
      ...(packaged ? { program: stagedProgram(staged) } : {}),
    };
    say(`Checking ${count}`);
    let report = await runPreflight(hosts, targets, file, settings);
    if (options.fix === true) {
      const fixed = await fixAll(hosts, report, contextOf(file, targets), settings.program ?? (() => selfCommand()));
      for (const line of fixed) {
        io.stderr.write(`${line}\n`);
      }
      if (fixed.length > 0) {
        report = await runPreflight(hosts, targets, file, settings);
      }
    }
    io.stdout.write(
      options.json === true
        ? `${JSON.stringify(report, null, 2)}\n`
        : renderReport(report, { colour: io.stdout.isTTY === true && io.env['NO_COLOR'] === undefined }),
    );
    process.exitCode = report.exitCode;
  } finally {
    await helper?.remove();
    await unstage(staged);
    await closeHosts(hosts);
  }
}
