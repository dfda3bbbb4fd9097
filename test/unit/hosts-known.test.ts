import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { fingerprint, keyType, knownKeys, remember } from '../../installer/hosts/known-hosts.ts';

// A public key as it stands in a .pub file, with the fingerprint that ssh-keygen -l tells.
const KEY = Buffer.from('AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g', 'base64');

t.test("host keys are kept in OpenSSH's form", async (t) => {
  const file = join(t.testdir({}), 'sub', 'known_hosts');
  t.same(knownKeys(file, '192.0.2.1', 22), []);
  remember(file, '192.0.2.1', 22, KEY);
  remember(file, '2001:db8::1', 2222, KEY);
  t.match(readFileSync(file, 'utf8'), /^192\.0\.2\.1 ssh-ed25519 AAAA\S+\n\[2001:db8::1\]:2222 ssh-ed25519 AAAA\S+\n$/);
  t.same(knownKeys(file, '192.0.2.1', 22), [{ type: 'ssh-ed25519', key: KEY.toString('base64') }]);
  t.equal(knownKeys(file, '2001:db8::1', 2222).length, 1);
  t.same(knownKeys(file, '192.0.2.1', 2222), []);
  t.same(knownKeys(file, '192.0.2.2', 22), []);
});

t.test('several names and keys of one host', async (t) => {
  const dir = t.testdir({
    known_hosts: '# comment\n192.0.2.1,2001:db8::1 ssh-rsa AAAA\n192.0.2.1 ssh-ed25519 BBBB\nbroken\n',
  });
  t.same(knownKeys(join(dir, 'known_hosts'), '192.0.2.1', 22), [
    { type: 'ssh-rsa', key: 'AAAA' },
    { type: 'ssh-ed25519', key: 'BBBB' },
  ]);
  t.equal(knownKeys(join(dir, 'known_hosts'), '2001:db8::1', 22).length, 1);
});

t.test('type and fingerprint', async (t) => {
  t.equal(keyType(KEY), 'ssh-ed25519');
  t.match(fingerprint(KEY), /^SHA256:[A-Za-z0-9+/]{43}$/);
});
