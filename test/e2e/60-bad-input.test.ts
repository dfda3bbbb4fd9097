import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { terrarium } from './support/terrarium.ts';

const dir = mkdtempSync(join(tmpdir(), 'terrarium-bad-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));
const env = { HOME: dir, TERRARIUM_CONFIG: join(dir, 'config.yaml') };

function clusterFile(addresses: string[], extra: object = {}): string {
  const file = join(dir, `cluster-${Math.random()}.yaml`);
  writeFileSync(
    file,
    stringify({
      apiVersion: 'terrarium/v1',
      kind: 'Cluster',
      hosts: addresses.map((address) => ({ address })),
      ...extra,
    }),
  );
  return file;
}

/** Every refusal: one line on stderr that says what and what to do, the documented exit code, no stack trace. */
async function refused(t: Test, args: string[], exitCode: number, ...says: RegExp[]): Promise<void> {
  const ended = await terrarium(args, { env, timeoutMs: 60_000 });
  t.equal(ended.exitCode, exitCode, `${args.join(' ')}: ${ended.stderr}`);
  for (const pattern of says) {
    t.match(ended.stderr, pattern);
  }
  t.notMatch(ended.stderr, /\n\s+at /, 'no stack trace');
}

t.test('bad flags and bad files change nothing and say why', async (t) => {
  await refused(t, ['install', '--nodes-file', 'x'], 2, /unknown option '--nodes-file'/);
  await refused(t, ['frobnicate'], 2, /unknown command 'frobnicate'/);
  await refused(t, ['install', '-f', join(dir, 'none.yaml')], 2, /none\.yaml cannot be read: there is no such file/);
  await refused(
    t,
    ['install', '-f', clusterFile(['10.77.0.11', '10.77.0.11', '10.77.0.12'])],
    2,
    /Host 10\.77\.0\.11 is listed twice/,
  );
  for (const n of [2, 4]) {
    const planes = {
      hosts: Array.from({ length: n }, (_, i) => ({ address: `10.77.0.${11 + i}`, role: 'control-plane' })),
    };
    await refused(
      t,
      ['install', '-f', clusterFile([], planes)],
      2,
      new RegExp(`${n} control-plane nodes`),
      /Use 1 \(evaluation\), 3 or 5/,
    );
  }
  await refused(t, ['install', '-f', clusterFile(['10.77.0.11'], { hostz: [] })], 2, /hostz/);
  await refused(
    t,
    ['install', '--hosts', '127.0.0.1', '--ssh-port', '1', '--ssh-key', '/etc/hostname'],
    2,
    /no private ssh key/,
  );
});

t.test('a truncated or altered executable refuses to install', async (t) => {
  const product = process.env['TERRARIUM_UNDER_TEST'] ?? join(import.meta.dirname, '../../dist/terrarium');
  const bytes = readFileSync(product);
  const { run } = await import('./support/terrarium.ts');
  const altered = Buffer.from(bytes);
  const at = bytes.length - 30_000_000;
  altered[at] = (altered[at] ?? 0) ^ 1;
  for (const [name, content] of [
    ['cut', bytes.subarray(0, bytes.length - 1)],
    ['altered', altered],
  ] as const) {
    const file = join(dir, name);
    writeFileSync(file, content, { mode: 0o755 });
    const ended = await run([file, 'install', '--hosts', '127.0.0.1'], { env });
    t.equal(ended.exitCode, 2, `${name}: ${ended.stderr}`);
    t.equal(ended.stderr.trim().split('\n').length, 1, `one sentence: ${ended.stderr.trim()}`);
  }
});
