import { createHash, randomBytes } from 'node:crypto';
import t from 'tap';
import { apiTokenMatches, type Credentials } from '../../src/cloud/auth/credentials.ts';
import { hashPassword, verifyPassword } from '../../src/cloud/auth/password.ts';
import { SESSION_MS, createSession, readSession } from '../../src/cloud/auth/sessions.ts';
import { createThrottle } from '../../src/cloud/auth/throttle.ts';

const credentials: Credentials = {
  adminPasswordHash: 'scrypt$17$8$1$AAAA$BBBB',
  sessionKey: randomBytes(32).toString('base64'),
  apiTokenHash: createHash('sha256').update('trr_x').digest('hex'),
};

t.test('a password fits its own hash only', async (t) => {
  const hash = await hashPassword('pässword');
  t.match(hash, /^scrypt\$17\$8\$1\$/);
  t.ok(await verifyPassword('pässword', hash));
  t.ok(await verifyPassword('pa\u0308ssword', hash), 'however the umlaut is written');
  t.notOk(await verifyPassword('passwort', hash));
  t.not(await hashPassword('pässword'), hash, 'salted');
});

t.test('what is no hash lets nobody in', async (t) => {
  for (const bad of ['', 'pässword', 'scrypt$1$8$1$AAAA$BBBB', 'scrypt$30$8$1$AAAA$BBBB', 'scrypt$10$8$1$AAAA$']) t.notOk(await verifyPassword('pässword', bad), bad);
  t.notOk(await verifyPassword('', 'scrypt$10$8$1$AAAA$QQ=='), 'too short to mean anything');
});

t.test('a session is valid on every instance with the same key, until its time', async (t) => {
  const now = 1_000_000;
  const { token, session } = createSession('admin', credentials, now);
  t.same(readSession(token, credentials, now), session);
  t.equal(readSession(token, credentials, now + SESSION_MS), undefined, 'expired');
  t.equal(readSession(token, { ...credentials, sessionKey: randomBytes(32).toString('base64') }, now), undefined, 'another key');
  t.equal(readSession(token, { ...credentials, adminPasswordHash: 'scrypt$17$8$1$CCCC$DDDD' }, now), undefined, 'the password was changed');
});

t.test('no altered session is taken', async (t) => {
  const { token } = createSession('admin', credentials, 0);
  for (let i = 0; i < token.length; i += 1) {
    const altered = `${token.slice(0, i)}${token[i] === 'A' ? 'B' : 'A'}${token.slice(i + 1)}`;
    // The last character of a base64 text carries bits that mean nothing.
    if (i === token.length - 1) continue;
    t.equal(readSession(altered, credentials, 0), undefined, `character ${i}`);
  }
});

t.test('the API token is compared by its hash', async (t) => {
  t.ok(apiTokenMatches('trr_x', credentials));
  t.notOk(apiTokenMatches('trr_y', credentials));
});

t.test('failed logins: five free, then growing waits, never for good', async (t) => {
  let now = 0;
  const throttle = createThrottle(() => now);
  for (let i = 0; i < 5; i += 1) {
    t.equal(throttle.attempt('admin', 'a'), 0, `attempt ${i}`);
    throttle.failed('admin', 'a');
  }
  t.equal(throttle.attempt('admin', 'a'), 1000);
  t.equal(throttle.attempt('admin', 'b'), 0, 'another address is not held up');
  now += 1000;
  t.equal(throttle.attempt('admin', 'a'), 0);
  for (let i = 0; i < 20; i += 1) throttle.failed('admin', 'a');
  t.equal(throttle.attempt('admin', 'a'), 60_000);
  now += 60_000;
  t.equal(throttle.attempt('admin', 'a'), 0);
  throttle.succeeded('admin', 'a');
  throttle.failed('admin', 'a');
  t.equal(throttle.attempt('admin', 'a'), 0, 'a success forgives');
});

t.test('one address has fifty attempts a minute, whatever the names', async (t) => {
  let now = 0;
  const throttle = createThrottle(() => now);
  for (let i = 0; i < 50; i += 1) t.equal(throttle.attempt(`user${i}`, 'a'), 0);
  t.ok(throttle.attempt('another', 'a') > 0);
  now += 60_001;
  t.equal(throttle.attempt('another', 'a'), 0);
});
