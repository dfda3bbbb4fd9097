import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openHost } from '../../installer/hosts/open.ts';
import { failure } from './support/failure.ts';
import { startSshd } from './support/sshd.ts';

const dir = mkdtempSync(join(tmpdir(), 'hosts-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));

t.test('becoming root by sudo', { timeout: 300_000 }, async (t) => {
  const cases: [string, RegExp | undefined, RegExp][] = [
    ['tester ALL=(ALL) NOPASSWD: ALL\n', undefined, /^$/],
    [
      'tester ALL=(ALL) NOPASSWD: ALL\nDefaults use_pty\nDefaults secure_path="/nowhere"\nDefaults umask=0077\n',
      undefined,
      /^$/,
    ],
    ['tester ALL=(ALL) ALL\n', /a password is required/, /NOPASSWD: ALL/],
    ['root ALL=(ALL) ALL\n', /does not let tester become root/, /NOPASSWD: ALL/],
    ['tester ALL=(ALL) NOPASSWD: ALL\nDefaults requiretty\n', /without a terminal/, /!requiretty/],
  ];
  for (const [index, [sudoers, refusal, remedy]] of cases.entries()) {
    const sshd = await startSshd([], sudoers);
    t.teardown(() => sshd.stop());
    const host = await openHost(
      {
        address: '127.0.0.1',
        name: 'n1',
        role: 'worker',
        ssh: { address: '127.0.0.1', port: sshd.port, user: 'tester', key: sshd.key },
      },
      { env: {}, knownHosts: join(dir, `known_hosts_sudo_${index}`) },
    );
    if (refusal === undefined) {
      const result = await host.run(['sh', '-c', 'id -u; umask; cat'], { input: 'x'.repeat(100_000) });
      t.equal(result.stdout, `0\n0022\n${'x'.repeat(100_000)}`, sudoers);
    } else {
      t.match(await failure(host.run(['id'])), { code: 'sudo-refused', message: refusal, remedy }, sudoers);
    }
    await host.close();
  }
});
