import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openHost } from '../../installer/hosts/open.ts';
import { sha256File } from '../../installer/hosts/upload.ts';
import { startSshd } from './support/sshd.ts';

const dir = mkdtempSync(join(tmpdir(), 'hosts-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));

t.test('200 MB to three machines at once', { timeout: 300_000 }, async (t) => {
  const sshd = await startSshd();
  t.teardown(() => sshd.stop());
  const big = join(dir, 'big');
  writeFileSync(big, randomBytes(200_000_000));
  const sha256 = await sha256File(big);
  const options = { env: {}, knownHosts: join(dir, 'known_hosts_big') };
  const hosts = await Promise.all(
    [1, 2, 3].map((n) =>
      openHost(
        {
          address: '127.0.0.1',
          name: `n${n}`,
          role: 'worker',
          ssh: { address: '127.0.0.1', port: sshd.port, user: 'root', key: sshd.key },
        },
        options,
      ),
    ),
  );
  const from = Date.now();
  await Promise.all(hosts.map((h, n) => h.upload(big, join(dir, `big${n}`), { sha256 })));
  const seconds = (Date.now() - from) / 1000;
  t.comment(`600 MB in ${seconds.toFixed(1)} s`);
  for (const n of hosts.keys()) {
    t.equal(await sha256File(join(dir, `big${n}`)), sha256, `whole on n${n + 1}`);
  }
  await Promise.all(hosts.map((h) => h.close()));
});
