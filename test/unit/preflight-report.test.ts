import t from 'tap';
import { portsTable } from '../../installer/cluster/ports-table.ts';
import { clusterPorts, parseClusterFile } from '../../installer/cluster/spec.ts';
import { MarkedStream } from '../../installer/hosts/envelope.ts';
import { quote } from '../../installer/hosts/quote.ts';
import type { Check, ClusterContext, Member } from '../../installer/preflight/check.ts';
import { overlaps } from '../../installer/preflight/cidr.ts';
import { cgroupFacts } from '../../installer/preflight/facts/cgroup.ts';
import type { Facts } from '../../installer/preflight/facts/facts.ts';
import { listeningSockets } from '../../installer/preflight/facts/listeners.ts';
import { parseMounts } from '../../installer/preflight/facts/mounts.ts';
import { ipv4Routes, ipv6Routes } from '../../installer/preflight/facts/network.ts';
import { parseOverrides } from '../../installer/preflight/override.ts';
import { renderReport } from '../../installer/preflight/render.ts';
import { judge } from '../../installer/preflight/report.ts';
import { defaultRouteDevice } from '../../src/cli/own-address.ts';
import { loadTargets } from '../../src/cli/targets.ts';
import { EXIT } from '../../src/errors.ts';

const usageError = { name: 'Failure', exitCode: EXIT.usage };
const member = { name: 'n1', named: true, address: '192.0.2.1', role: 'worker', facts: {} as Facts } satisfies Member;
const check = (code: string, severity: 'fail' | 'warn' | 'info' | undefined): Check => ({
  code,
  title: code,
  scope: 'host',
  operations: ['install'],
  judge: () => (severity === undefined ? [] : [{ severity, message: `${code} is so.`, remedy: 'Do this.' }]),
});
const run = (checks: Check[], overrides: { check: string; reason: string }[] = []) =>
  judge(checks, { members: [member], context: {} as ClusterContext, pairs: [], overrides, operation: 'install' });

t.test('the exit code follows the worst finding', async (t) => {
  t.equal(run([check('a', undefined), check('b', 'info')]).exitCode, EXIT.ok);
  t.equal(run([check('a', 'warn'), check('b', 'info')]).exitCode, EXIT.preflightWarnings);
  t.match(run([check('a', 'warn'), check('b', 'fail')]), { exitCode: EXIT.preflightFailed, ok: false });
  t.match(run([check('b', 'fail')], [{ check: 'b', reason: 'because' }]), {
    exitCode: EXIT.preflightWarnings,
    ok: true,
  });
  t.match(run([check('b', 'fail')], [{ check: 'other', reason: 'because' }]), { exitCode: EXIT.preflightFailed });
  const other: Check = { ...check('z', 'fail'), operations: ['upgrade'] };
  t.equal(run([other]).exitCode, EXIT.ok, 'a check of another operation is not asked');
});

t.test('the table names machine, cause, remedy and reason', async (t) => {
  const text = renderReport(
    {
      ...run(
        [check('good', undefined), check('warned', 'warn'), check('failed', 'fail'), check('ignored', 'fail')],
        [{ check: 'ignored', reason: 'test machine' }],
      ),
      ms: 1234,
    },
    { colour: false },
  );
  t.match(text, /^n1 {2}192\.0\.2\.1 {2}worker\n/);
  t.match(text, /✖ failed +failed is so\.\n +→ Do this\./);
  t.match(text, /! ignored +ignored is so\.\n +ignored: test machine/);
  t.match(text, /✔ 1 other checks passed/);
  t.match(text, /1 failure, 1 warning, 1 ignored \(1\.2 s\)/);
});

t.test('an override needs code and reason', async (t) => {
  t.same(parseOverrides(['memory=test machines', 'swap=a=b c']), [
    { check: 'memory', reason: 'test machines' },
    { check: 'swap', reason: 'a=b c' },
  ]);
  for (const bad of ['memory', 'memory=', 'memory=x', '=reason', 'Bad Code=reason']) {
    t.throws(() => parseOverrides([bad]), usageError, bad);
  }
});

t.test('ranges overlap', async (t) => {
  t.ok(overlaps('10.0.0.0/8', '10.96.0.0/16'));
  t.ok(overlaps('10.96.0.10', '10.96.0.0/16'));
  t.notOk(overlaps('10.95.0.0/16', '10.96.0.0/16'));
  t.ok(overlaps('100::/64', '100:0:0:0::/108'));
  t.notOk(overlaps('100:0:0:2::/64', '100:0:0:1::/108'));
  t.notOk(overlaps('0.0.0.0/0', '100:0:0:1::/108'));
  t.notOk(overlaps('nonsense', '10.0.0.0/8'));
});

t.test("the kernel's tables are read", async (t) => {
  const route = `Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
*\t000060F0\t00000000\t0201\t0\t0\t0\t0000FFFF\t0\t0\t0
`;
  t.same(ipv4Routes(route), [
    { destination: '0.0.0.0/0', device: 'eth0' },
    { destination: '192.0.2.0/24', device: 'eth0' },
  ]);
  t.same(defaultRouteDevice(route, ''), { device: 'eth0', family: 4 });
  const six =
    'fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 ' +
    '00000100 00000001 00000000 00000001     eth0\n' +
    '00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 ' +
    '00000400 00000001 00000000 00000003     eth1\n';
  t.same(
    ipv6Routes(six).map((r) => r.device),
    ['eth0', 'eth1'],
  );
  t.same(defaultRouteDevice('', six), { device: 'eth1', family: 6 });
  t.equal(defaultRouteDevice('', ''), undefined);
  const tcp = `  sl  local_address rem_address   st
   0: 0100007F:1D13 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1
   1: 0100007F:1D14 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 4243 1
`;
  t.same(listeningSockets(tcp), [{ port: 7443, address: '127.0.0.1', inode: '4242' }]);
  t.match(listeningSockets('x\n 0: 00000000000000000000000001000000:18EB 0:0 0A 0:0 0:0 0 0 0 7 1\n'), [
    { port: 6379, address: '::1' },
  ]);
  t.match(listeningSockets('x\n 0: 00000000000000000000000000000000:18EB 0:0 0A 0:0 0:0 0 0 0 7 1\n'), [
    { address: '::' },
  ]);
  t.match(parseMounts('36 35 98:0 / /mnt/a\\040b rw,noatime master:1 - ext4 /dev/root rw,errors=continue\n'), [
    { at: '/mnt/a b', filesystem: 'ext4', options: ['rw', 'noatime', 'errors=continue'] },
  ]);
  const v1 = `30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`;
  t.match(cgroupFacts(v1, ''), { hierarchy: 'hybrid', controllers: ['memory'] });
  t.match(cgroupFacts('31 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n', 'cpu pids\n'), {
    hierarchy: 'unified',
    controllers: ['cpu', 'pids'],
  });
});

t.test('targets from options', async (t) => {
  const { file, targets } = await loadTargets({
    hosts: '192.0.2.1, admin@192.0.2.2,[2001:db8::1]'.replace(',[2001:db8::1]', ',192.0.2.3'),
    sshUser: 'ops',
    sshKey: '/k',
    ignore: ['memory=test machines'],
  });
  t.match(targets, [
    { address: '192.0.2.1', ssh: { user: 'ops', port: 22, key: '/k' } },
    { ssh: { user: 'admin' } },
    { role: 'control-plane' },
  ]);
  t.same(file.preflight?.overrides, [{ check: 'memory', reason: 'test machines' }]);
  t.match((await loadTargets({ address: '192.0.2.9' })).targets, [
    { address: '192.0.2.9', ssh: undefined, role: 'control-plane' },
  ]);
  for (const bad of [
    { hosts: '192.0.2.1,192.0.2.2' },
    { hosts: '192.0.2.1,192.0.2.1,192.0.2.2' },
    { hosts: ' , ' },
    { hosts: '192.0.2.1', file: 'x' },
    { hosts: '192.0.2.1', sshPort: '99999' },
    { file: '/nonexistent.yaml' },
    { file: '/' },
    { address: 'nonsense' },
  ]) {
    await t.rejects(loadTargets(bad), usageError, JSON.stringify(bad));
  }
  const yaml = t.testdir({
    'bad.yaml': 'hosts: [\n',
    'good.yaml': `apiVersion: terrarium/v1
kind: Cluster
hosts:
  - address: 192.0.2.1
    ssh: {key: ~/k}
ports: {api: 16443}
`,
  });
  await t.rejects(loadTargets({ file: `${yaml}/bad.yaml` }), { ...usageError, message: /not valid YAML/ });
  await t.rejects(
    loadTargets({ hosts: '192.0.2.1,192.0.2.2', ignore: [] }, 'cluster'),
    { code: 'bad-cluster-file' },
    'two control planes are no cluster',
  );
  t.match(
    (await loadTargets({ hosts: '192.0.2.1,192.0.2.2' }, 'machines')).targets,
    [{ address: '192.0.2.1' }, { address: '192.0.2.2' }],
    'but Terrarium can be removed from two machines',
  );
  await t.rejects(loadTargets({ hosts: '192.0.2.1,192.0.2.1' }, 'machines'), { code: 'bad-cluster-file' });
  const good = await loadTargets({ file: `${yaml}/good.yaml` });
  t.notMatch(good.targets[0]?.ssh?.key, /~/);
  t.equal(clusterPorts(good.file).api, 16443);
});

t.test('the table of ports holds every port with its numbers', async (t) => {
  const table = portsTable(
    clusterPorts(
      parseClusterFile(
        { apiVersion: 'terrarium/v1', kind: 'Cluster', hosts: [{ address: '192.0.2.1' }], ports: { api: 16443 } },
        'x',
      ),
    ),
  );
  t.match(table, /\| 16443 \| tcp \| all nodes \| control-plane \| Kubernetes API server \| `ports\.api` \|/);
  t.equal(clusterPorts({ ports: { etcdPeer: 12380 } }).etcdPeer, 12380);
  t.throws(() => clusterPorts({ ports: { etcdPeer: 2379 } }), {
    code: 'bad-cluster-file',
    message: /ports\.etcdPeer and ports\.etcdClient are both 2379/,
  });
  t.equal(table.trim().split('\n').length, 2 + Object.keys(clusterPorts({ ports: undefined })).length);
});

t.test('words for any shell, and what a login shell says first', async (t) => {
  t.equal(quote('plain-1.2/3'), 'plain-1.2/3');
  t.equal(quote("a'b"), `'a'\\''b'`);
  t.equal(quote('a\\b!'), `'a'\\\\'b'\\!''`);
  t.equal(quote(''), "''");
  const chunks: string[] = [];
  const stream = new MarkedStream('mark-1', (c) => chunks.push(c.toString()));
  for (const part of ['Welcome\nma', 'rk-1 4', '2\nout', 'put']) {
    stream.push(Buffer.from(part));
  }
  t.match(stream, { started: true, pid: 42 });
  t.equal(stream.text(), 'output');
  t.equal(stream.before.toString(), 'Welcome\n');
  t.equal(chunks.join(''), 'output');
});
