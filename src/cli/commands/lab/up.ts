import { EXIT, Failure } from '../../../errors.ts';
import type { CommandModule } from '../../command.ts';

interface Flags {
  nodes: number;
  dir: string;
  disk: number;
  mtu?: number;
  blackHole?: number;
  route: boolean;
  dns: boolean;
  ipv6Only?: boolean;
  umask?: string;
  hostnameCase?: boolean;
}

export const command: CommandModule = {
  summary: 'boot 1 to 5 Debian machines on this one, to try and to test an install',
  group: 'Lab',
  configure(cmd, io) {
    cmd
      .option('--nodes <n>', 'how many machines, 1 to 5', Number, 3)
      .option('--dir <path>', 'where disks, key, logs and cluster.yaml lie', '/var/lib/terrarium-lab')
      .option('--disk <GiB>', "size of each machine's disk (it takes only what is written)", Number, 20)
      .option('--mtu <bytes>', 'MTU of every interface', Number)
      .option('--black-hole <bytes>', 'interfaces say 1500, but packets larger than this vanish', Number)
      .option('--no-route', 'machines without a default route')
      .option('--no-dns', 'machines without a name server')
      .option('--ipv6-only', 'machines without IPv4 addresses')
      .option('--umask <octal>', 'umask of logins and sudo, such as 077')
      .option('--hostname-case', 'host names with capitals: Node-A')
      .action(async (flags: Flags) => {
        const { labUp } = await import('../../../../installer/lab/up.ts');
        const { labPaths } = await import('../../../../installer/lab/user-files.ts');
        const say = (line: string): void => void io.stdout.write(`${line}\n`);
        const { machines, options } = await labUp(
          {
            nodes: flags.nodes,
            dir: flags.dir,
            diskGiB: flags.disk,
            mtu: flags.mtu,
            blackHole: flags.blackHole,
            route: flags.route,
            dns: flags.dns,
            ipv6Only: flags.ipv6Only ?? false,
            umask: flags.umask,
            hostnameCase: flags.hostnameCase ?? false,
          },
          io.env,
          say,
          io.signal,
        ).catch((error: unknown) => {
          if (!io.signal.aborted) {
            throw error;
          }
          throw new Failure('interrupted', 'Interrupted; the lab is half up.', {
            remedy: 'Run `terrarium lab down` before the next `terrarium lab up`.',
            exitCode: EXIT.interrupted,
          });
        });
        const paths = labPaths(options.dir);
        for (const m of machines) {
          say(`  ${m.name.padEnd(8)} ${m.address.padEnd(12)} ssh -F ${paths.sshConfig} ${m.name}`);
        }
        say(`Cluster file: ${paths.clusterFile}`);
      });
  },
};
