import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { execa } from 'execa';
import t from 'tap';
import { openSsh } from '../../installer/hosts/ssh.ts';
import type { PreflightReport } from '../../installer/preflight/report.ts';
import { ownAddress } from '../../src/cli/own-address.ts';
import { startSshd } from './support/sshd.ts';

const main = join(import.meta.dirname, '../../src/main.ts');
const terrarium = async (...args: string[]) =>
  await execa(process.execPath, [main, ...args], { reject: false, env: { NO_COLOR: '1' } });

t.test('preflight of a machine over ssh', { timeout: 300_000 }, async (t) => {
  const sshd = await startSshd();
  t.teardown(() => sshd.stop());
  const address = ownAddress();
  const dir = t.testdir({
    'cluster.yaml': `apiVersion: terrarium/v1
kind: Cluster
hosts:
  - address: ${address}
    name: n1
    ssh: {address: 127.0.0.1, port: ${sshd.port}, key: ${sshd.key}}
`,
    'taken.yaml': `apiVersion: terrarium/v1
kind: Cluster
ports: {console: ${sshd.port}}
hosts:
  - address: ${address}
    name: n1
    ssh: {address: 127.0.0.1, port: ${sshd.port}, key: ${sshd.key}}
`,
    'noexec.yaml': `apiVersion: terrarium/v1
kind: Cluster
paths: {data: /proc/terrarium}
hosts:
  - address: ${address}
    name: n1
    ssh: {address: 127.0.0.1, port: ${sshd.port}, key: ${sshd.key}}
`,
    home: {},
  });
  const env = { HOME: join(dir, 'home') };
  const run = async (...args: string[]) =>
    await execa(process.execPath, [main, 'preflight', ...args], { reject: false, env });
  const first = await run('-f', join(dir, 'cluster.yaml'), '--json');
  const report = JSON.parse(first.stdout) as PreflightReport;
  // A busy machine lets people in slowly, too: whether that is said is for the next test.
  const failed = [...new Set(report.machines[0]?.findings.filter((f) => f.severity === 'fail').map((f) => f.code))];
  const warnings = report.machines[0]?.findings.some((f) => f.severity === 'warn') ? 4 : 0;
  t.equal(first.exitCode, failed.length > 0 ? 3 : warnings);

  const ignored = await run(
    '-f',
    join(dir, 'cluster.yaml'),
    ...failed.flatMap((code) => ['--ignore', `${code}=the build machine`]),
  );
  t.match(String(ignored.exitCode), /^[04]$/, 'overridden failures do not fail');
  for (const code of failed) {
    t.match(ignored.stdout, new RegExp(`! ${code} [^]*ignored: the build machine`));
  }
  t.match(ignored.stdout, /^n1 /);

  const taken = await run('-f', join(dir, 'taken.yaml'));
  t.equal(taken.exitCode, 3);
  t.match(
    taken.stdout,
    new RegExp(`✖ port-taken +Port ${sshd.port} \\(web console and API\\) is taken by sshd \\(pid \\d+`),
  );

  const impossible = await run('-f', join(dir, 'noexec.yaml'));
  t.equal(impossible.exitCode, 3);
  t.match(impossible.stdout, /✖ filesystem|✖ not-writable/);

  const wrongKey = await run('--hosts', '127.0.0.1', '--ssh-port', String(sshd.port), '--ssh-key', sshd.otherKey);
  t.equal(wrongKey.exitCode, 5);
  t.match(wrongKey.stderr, /^Error: 127\.0\.0\.1 refused the login of root/m);
});

t.test('a slow ssh login is told', { timeout: 300_000 }, async (t) => {
  // Asks something slow for the keys, as where users come from a directory server.
  const key = join(t.testdir({}), 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const sshd = await startSshd([
    `AuthorizedKeysCommand /bin/sh -c "sleep 1.2; cat ${key}.pub"`,
    'AuthorizedKeysCommandUser root',
  ]);
  t.teardown(() => sshd.stop());
  const target = { address: '127.0.0.1', port: sshd.port, user: 'root', key };
  const host = await openSsh('n1', '127.0.0.1', target, { env: {}, knownHosts: join(sshd.dir, 'known') });
  t.teardown(() => host.close());
  await host.run(['true']);
  const slow = host.loginMs ?? 0;
  t.ok(slow >= 2000, `${slow} ms`);
  await host.run(['sleep', '0.3']);
  t.equal(host.loginMs, slow, 'programs are no part of the login');
});

t.test('bad input', async (t) => {
  for (const args of [
    ['--hosts', '192.0.2.1,192.0.2.1,192.0.2.3'],
    ['--hosts', '192.0.2.1,192.0.2.2'],
    ['--ignore', 'memory'],
    ['--address', '127.0.0.1', '--ignore', 'memroy=a typing error'],
    ['--nonsense'],
  ]) {
    const result = await terrarium('preflight', ...args);
    t.equal(result.exitCode, 2, args.join(' '));
    t.match(result.stderr, /^Error: .+/m);
    t.notMatch(result.stderr, /\n\s+at /, 'no stack trace');
  }
});
