import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { SshTarget } from '../../installer/cluster/spec.ts';
import type { Host } from '../../installer/hosts/host.ts';
import { openHost } from '../../installer/hosts/open.ts';
import { Failure } from '../../src/errors.ts';
import { failure } from './support/failure.ts';
import { freePort, startSshd } from './support/sshd.ts';

const dir = mkdtempSync(join(tmpdir(), 'hosts-ssh-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));

/** Programs on the machine: what goes in, what comes out, and how they end. */
async function programTests(t: Test, host: Host): Promise<void> {
  await t.test('passes arguments, input, output and exit codes through', async (t) => {
    const words = ["it's", 'a\\b', 'x  y', '$HOME', '!!', '"q"', '*', 'ü\nnewline', ''];
    const shown = await host.run(['printf', '<%s>', ...words]);
    t.equal(shown.stdout, words.map((w) => `<${w}>`).join(''));
    const bytes = randomBytes(1 << 20).toString('base64');
    const echoed = await host.run(['cat'], { input: bytes });
    t.ok(echoed.stdout === bytes, 'a mebibyte comes back unchanged');
    const bad = await host.run(['sh', '-c', 'echo out; echo err >&2; exit 7']);
    t.same(bad, { exitCode: 7, stdout: 'out\n', stderr: 'err\n' });
    t.equal((await host.run(['no-such-program'])).exitCode, 127);
    t.equal((await host.run(['sh', '-c', 'kill -9 $$'])).exitCode, 137);
  });

  await t.test('with two sessions allowed, parallel programs wait for each other', async (t) => {
    const all = await Promise.all(['1', '2', '3'].map((n) => host.run(['echo', n])));
    t.same(
      all.map((r) => r.stdout),
      ['1\n', '2\n', '3\n'],
    );
  });

  await t.test('no exit code of a quick program is lost', async (t) => {
    for (let n = 0; n < 40; n += 1) {
      const result = await host.run(['true']);
      if (result.exitCode !== 0) {
        t.fail(`run ${n}`);
      }
    }
    t.pass();
  });

  await t.test('a deadline and an abort end a program', async (t) => {
    t.equal((await failure(host.run(['sleep', '61'], { timeoutMs: 200 }))).code, 'timeout');
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Failure('interrupted', 'interrupted')), 100);
    t.equal((await failure(host.run(['sleep', '61'], { signal: abort.signal }))).code, 'interrupted');
    t.equal((await host.run(['echo', 'still there'])).stdout, 'still there\n');
    await new Promise((r) => setTimeout(r, 300));
    t.equal((await host.run(['pgrep', '-fx', 'sleep 61'])).stdout, '', 'nothing is left running');
  });
}

t.test('a machine over ssh', { timeout: 300_000 }, async (t) => {
  const sshd = await startSshd(['MaxSessions 2']);
  t.teardown(() => sshd.stop());
  const options = { env: {}, knownHosts: join(dir, 'known_hosts') };
  const target = (ssh: Partial<SshTarget> = {}) => ({
    address: '127.0.0.1',
    name: 'n1',
    role: 'worker' as const,
    ssh: { address: '127.0.0.1', port: sshd.port, user: 'root', key: sshd.key, ...ssh },
  });
  const host = await openHost(target(), options);

  await programTests(t, host);

  await t.test('uploads a range of a file, with its mode', async (t) => {
    const from = join(dir, 'from');
    const to = join(dir, 'to');
    writeFileSync(from, randomBytes(3_000_001));
    await host.upload(from, to, { mode: 0o700, start: 10, end: 2_000_000 });
    t.ok(readFileSync(to).equals(readFileSync(from).subarray(10, 2_000_000)));
    t.equal(statSync(to).mode & 0o777, 0o700);
    writeFileSync(from, '');
    await host.upload(from, to);
    t.equal(statSync(to).size, 0);
    const full = await failure(host.upload(sshd.key, '/dev/full/x'));
    t.equal(full.code, 'upload-failed');
    t.match(full.message, /Not a directory/);
    const altered = await failure(host.upload(sshd.key, to, { sha256: '0'.repeat(64) }));
    t.match(altered.message, /differ/);
  });

  await t.test('a login that is not root, with an odd shell and no sudo right', async (t) => {
    const tester = await openHost(target({ user: 'tester' }), options);
    const plain = await tester.run(['sh', '-c', 'umask; echo $PATH'], { sudo: false });
    t.match(plain.stdout, /^0022\n.*\/usr\/sbin/, 'no greeting, umask and PATH set');
    const refused = await failure(tester.run(['id']));
    t.match(refused.code, /^(no-sudo|sudo-refused)$/);
    t.ok(refused.remedy);
    await tester.close();
  });

  await t.test('refusals name machine and remedy', async (t) => {
    const wrong = await failure(openHost(target({ key: sshd.otherKey }), options));
    t.match(wrong, { code: 'login-refused', exitCode: 5, host: 'n1' });
    const nobody = await failure(openHost(target({ port: await freePort() }), options));
    t.match(nobody, { code: 'unreachable', exitCode: 5, message: /connection refused/ });
    const missing = await failure(openHost(target({ key: join(dir, 'missing') }), options));
    t.match(missing, { code: 'ssh-key', exitCode: 2, message: /no such file/ });
    const pub = await failure(openHost(target({ key: `${sshd.key}.pub` }), options));
    t.match(pub, { code: 'ssh-key', exitCode: 2 });
  });

  await t.test('a lost connection ends what is running', async (t) => {
    const ended = await failure(host.run(['sh', '-c', 'sleep 0.2; kill -9 $PPID; sleep 60']));
    t.match(ended, { code: 'connection-lost', exitCode: 5 });
    t.match(await failure(host.run(['true'])), { code: 'connection-lost' });
  });

  await t.test('another host key is refused', async (t) => {
    await sshd.rekey();
    const changed = await failure(openHost(target(), options));
    t.match(changed, { code: 'host-key-changed', exitCode: 5, remedy: /known_hosts/ });
  });
});
