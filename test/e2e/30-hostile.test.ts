import t from 'tap';
import { checkCluster } from './support/cluster.ts';
import { bootLab } from './support/lab.ts';

const labs: { title: string; flags: string[] }[] = [
  {
    title: 'no default route, no DNS, umask 077 and capitals in host names',
    flags: ['--no-route', '--no-dns', '--umask', '077', '--hostname-case'],
  },
  { title: 'IPv6 only', flags: ['--ipv6-only'] },
];

for (const { title, flags } of labs) {
  t.test(title, async (t) => {
    const lab = await bootLab('--nodes', '3', ...flags);
    t.teardown(() => lab.down());
    const installed = await lab.admin(['install', '-f', lab.clusterFile]);
    t.equal(installed.exitCode, 0, `${installed.stderr}\n${installed.stdout.slice(-2000)}`);
    t.comment(`installed in ${Math.round(installed.ms / 1000)} s`);
    await checkCluster(t, lab);
  });
}
