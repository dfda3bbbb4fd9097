import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { checkCluster } from '../support/cluster.ts';
import { bootLab } from '../support/lab.ts';

t.test('MTU 1400', async (t) => {
  const lab = await bootLab('--nodes', '3', '--mtu', '1400');
  t.teardown(() => lab.down());
  const installed = await lab.admin(['install', '-f', lab.clusterFile]);
  t.equal(installed.exitCode, 0, `${installed.stderr}${installed.stdout.slice(-2000)}`);
  await checkCluster(t, lab);
});

t.test('a black hole: preflight names the pair and the size that passes', async (t) => {
  const lab = await bootLab('--nodes', '3', '--black-hole', '1400');
  t.teardown(() => lab.down());
  const checked = await lab.admin(['preflight', '-f', lab.clusterFile]);
  t.equal(checked.exitCode, 3, checked.stderr);
  t.match(checked.stdout, /node-a.*node-b.*frames larger than 1400 bytes vanish/);
});

t.test('no image is pulled, and no packet leaves the lab', async (t) => {
  const lab = await bootLab('--nodes', '3');
  t.teardown(() => lab.down());
  // Everything but the lab's own addresses, link-local and multicast.
  const filter =
    'not (dst net 10.77.0.0/24 or dst net fd77::/64 or dst net fe80::/10 or dst net ff00::/8 or dst net ' +
    '224.0.0.0/4 or arp)';
  const capture = spawn('tcpdump', ['-n', '-l', '-i', 'trm0', filter], { stdio: ['ignore', 'pipe', 'pipe'] });
  let leaving = '';
  capture.stdout.on('data', (chunk: Buffer) => {
    leaving += chunk.toString('utf8');
  });
  const closed = once(capture, 'close');
  await new Promise<void>((resolve, reject) => {
    let said = '';
    capture.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
      if (/listening on/.test(said)) {
        resolve();
      }
    });
    closed.then(() => reject(new Error(`tcpdump ended: ${said}`)), reject);
  });
  const installed = await lab.admin(['install', '-f', lab.clusterFile]);
  t.equal(installed.exitCode, 0, installed.stderr);
  capture.kill('SIGINT');
  await closed;
  t.equal(leaving.trim(), '', 'no packet to an address outside the lab');
  for (const { name } of lab.machines) {
    const pulls = await lab.exec(name, 'sh', '-c', 'journalctl -u terrarium-containerd -o cat | grep -c PullImage');
    t.equal(pulls.stdout.trim(), '0', `${name} pulled nothing`);
  }
});
