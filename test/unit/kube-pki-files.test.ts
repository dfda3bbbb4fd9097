import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { kubePkiWhole } from '../../installer/node/kube-pki-files.ts';
import { createAuthority } from '../../src/pki/authority.ts';

t.test('every file of the certificates of Kubernetes must be there and whole', async (t) => {
  const dir = t.testdir({ whole: { etcd: {} } });
  const whole = join(dir, 'whole');
  const pair = await createAuthority('c', new Date());
  const names = [
    'ca',
    'apiserver',
    'apiserver-kubelet-client',
    'front-proxy-ca',
    'front-proxy-client',
    'etcd/ca',
    'etcd/server',
    'etcd/peer',
    'etcd/healthcheck-client',
    'apiserver-etcd-client',
  ];
  for (const name of names) {
    writeFileSync(join(whole, `${name}.crt`), pair.cert);
    writeFileSync(join(whole, `${name}.key`), pair.key);
  }
  writeFileSync(join(whole, 'sa.key'), pair.key);
  writeFileSync(join(whole, 'sa.pub'), execFileSync('openssl', ['pkey', '-pubout'], { input: pair.key }));
  for (const name of ['admin', 'super-admin', 'controller-manager', 'scheduler']) {
    writeFileSync(join(whole, `${name}.conf`), 'apiVersion: v1\nkind: Config\n');
  }
  const judge = (folder: string): boolean => kubePkiWhole(folder, (name) => join(folder, `${name}.conf`));
  t.equal(judge(whole), true);

  const files = readdirSync(whole, { recursive: true, encoding: 'utf8' }).filter((f) =>
    statSync(join(whole, f)).isFile(),
  );
  t.equal(files.length, 2 * names.length + 2 + 4);
  for (const file of files) {
    const copy = join(dir, 'copy');
    rmSync(copy, { recursive: true, force: true });
    mkdirSync(copy);
    cpSync(whole, copy, { recursive: true });
    truncateSync(join(copy, file), 0);
    t.equal(judge(copy), false, `${file} empty, as after a power cut`);
    rmSync(join(copy, file));
    t.equal(judge(copy), false, `${file} missing`);
  }
});
