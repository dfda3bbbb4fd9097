import { Failure } from '../../src/errors.ts';
import type { Host } from '../hosts/host.ts';
import type { ClusterContext } from './check.ts';
import type { PreflightReport } from './report.ts';

/**
 * Has each host make the repairs that its findings name. Returns a line for each repair.
 * @throws Failure `fix` where a repair fails.
 */
export async function fixAll(
  hosts: Host[],
  report: PreflightReport,
  context: ClusterContext,
  program: (host: Host) => string[],
): Promise<string[]> {
  const lines = await Promise.all(
    hosts.map(async (host, i) => {
      const fixes = [...new Set(report.machines[i]?.findings.map((f) => f.fixable).filter((f) => f !== undefined))];
      if (fixes.length === 0) {
        return [];
      }
      const result = await host.run([...program(host), 'preflight', 'fix', '--data', context.data, ...fixes], {
        timeoutMs: 60_000,
      });
      if (result.exitCode !== 0) {
        throw new Failure('fix', `${host.name}: ${result.stderr.trim().replace(/^Error: /, '')}`, { host: host.name });
      }
      return result.stdout
        .split('\n')
        .filter((l) => l !== '')
        .map((l) => `${host.name}: ${l}`);
    }),
  );
  return lines.flat();
}
