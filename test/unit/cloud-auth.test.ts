import t from 'tap';
import { scopesOf } from '../../src/cloud/auth/access.ts';
import { hashPassword, verifyPassword } from '../../src/cloud/auth/password.ts';
import { IDLE_MS, createSession, splitPosition, withPosition, trackSessions } from '../../src/cloud/auth/sessions.ts';
import { createThrottle } from '../../src/cloud/auth/throttle.ts';
import { createToken, hashSecret } from '../../src/cloud/auth/tokens.ts';

t.test('a password fits its own hash only', async (t) => {
  const hash = await hashPassword('pässword');
  t.match(hash, /^scrypt\$17\$8\$1\$/);
  t.ok(await verifyPassword('pässword', hash));
  t.ok(await verifyPassword('pa\u0308ssword', hash), 'however the umlaut is written');
  t.notOk(await verifyPassword('passwort', hash));
  t.not(await hashPassword('pässword'), hash, 'salted');
});

t.test('what is no hash lets nobody in', async (t) => {
  for (const bad of ['', 'pässword', 'scrypt$1$8$1$AAAA$BBBB', 'scrypt$30$8$1$AAAA$BBBB', 'scrypt$10$8$1$AAAA$']) {
    t.notOk(await verifyPassword('pässword', bad), bad);
  }
  t.notOk(await verifyPassword('', 'scrypt$10$8$1$AAAA$QQ=='), 'too short to mean anything');
});

t.test('a session is idle after half an hour without use, wherever it was used', (t) => {
  let now = 1_000_000;
  const told: [string, number][] = [];
  const use = trackSessions(() => now);
  use.tellBy((id, at) => told.push([id, at]));
  t.equal(use.use('a', now), false);
  now += IDLE_MS;
  t.equal(use.use('a', 1_000_000), false, 'just in time');
  now += IDLE_MS - 1;
  use.heard('a', now);
  now += IDLE_MS;
  t.equal(use.idle('a', 1_000_000), false, 'used on another instance');
  use.heard('a', now + 10 * IDLE_MS);
  now += IDLE_MS + 1;
  t.equal(use.use('a', 1_000_000), true, 'a clock that is ahead gives no more time');
  t.same(told, [
    ['a', 1_000_000],
    ['a', 1_000_000 + IDLE_MS],
  ]);
  t.end();
});

t.test('others are told of a use once a minute, and a new instance gives every session its time', (t) => {
  let now = 10 * IDLE_MS;
  let told = 0;
  const use = trackSessions(() => now);
  use.tellBy(() => (told += 1));
  for (let i = 0; i < 120; i += 1) {
    t.equal(use.use('a', 0), false);
    now += 1000;
  }
  t.equal(told, 2);
  t.end();
});

t.test('secrets: 256 bits, and only their hash is kept', (t) => {
  const { token, id } = createSession();
  t.strictSame(splitPosition(withPosition(token, 123_456)), { token, position: 123_456 });
  for (const odd of ['', 'x', '.', `${token}.`, `${token}.-1`, `${token}.99999999999`]) {
    t.equal(splitPosition(odd).position, 0, odd);
  }
  t.match(token, /^trs_[A-Za-z0-9_-]{43}$/);
  t.equal(id, hashSecret(token));
  const made = createToken();
  t.match(made.token, /^trr_[a-z2-9]{10}_[A-Za-z0-9_-]{43}$/);
  t.equal(made.token.split('_')[1], made.id);
  t.end();
});

t.test('a role has the rights of the one below it', (t) => {
  for (const [less, more] of [
    ['viewer', 'operator'],
    ['operator', 'admin'],
  ] as const) {
    for (const scope of scopesOf(less)) {
      t.ok(scopesOf(more).includes(scope), `${more} ${scope}`);
    }
  }
  t.notOk(scopesOf('viewer').includes('query'));
  t.notOk(scopesOf('operator').includes('admin'));
  t.end();
});

t.test('failed logins: five free, then growing waits, never for good', async (t) => {
  let now = 0;
  const throttle = createThrottle(() => now);
  for (let i = 0; i < 5; i += 1) {
    t.equal(throttle.attempt('admin', 'a'), 0, `attempt ${i}`);
  }
  t.equal(throttle.attempt('admin', 'a'), 1000);
  t.equal(throttle.attempt('admin', 'b'), 0, 'another address is not held up');
  now += 400;
  throttle.failed('admin', 'a');
  t.equal(throttle.attempt('admin', 'a'), 1000, 'from when it was answered');
  now += 1000;
  t.equal(throttle.attempt('admin', 'a'), 0);
  for (const wait of [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]) {
    t.equal(throttle.attempt('admin', 'a'), wait);
    now += wait;
    t.equal(throttle.attempt('admin', 'a'), 0);
  }
  throttle.succeeded('admin', 'a');
  t.equal(throttle.attempt('admin', 'a'), 0, 'a success forgives');
});

t.test('of many guesses at once five are looked at; one that is not looked at counts for nothing', async (t) => {
  let now = 0;
  const throttle = createThrottle(() => now);
  t.equal(Array.from({ length: 50 }, () => throttle.attempt('admin', 'a')).filter((wait) => wait === 0).length, 5);
  now += 999;
  for (let i = 0; i < 1000; i += 1) {
    t.equal(throttle.attempt('admin', 'a') > 0, true);
  }
  now += 1;
  t.equal(throttle.attempt('admin', 'a'), 0, 'whoever kept trying has made nobody wait longer');
  t.equal(throttle.attempt('eva', 'a'), 0, 'nor used up the minute of the others there');
  throttle.unseen('admin', 'a');
  now += 1000;
  t.equal(throttle.attempt('admin', 'a'), 0, 'as after the fifth');
});

t.test('a whole /64 is one client', async (t) => {
  const throttle = createThrottle(() => 0);
  const looked = Array.from({ length: 50 }, (_, i) =>
    throttle.attempt('admin', `fd00:1:2:3::${i.toString(16)}`),
  ).filter((wait) => wait === 0);
  t.equal(looked.length, 5);
  t.equal(throttle.attempt('admin', 'fd00:1:2:4::1'), 0);
});

t.test(
  'one address has fifty attempts a minute, whatever the names, but those that have logged in from there',
  async (t) => {
    let now = 0;
    const throttle = createThrottle(() => now);
    t.equal(throttle.attempt('eva', 'a'), 0);
    throttle.succeeded('eva', 'a');
    for (let i = 1; i < 50; i += 1) {
      t.equal(throttle.attempt(`user${i}`, 'a'), 0);
    }
    t.ok(throttle.attempt('another', 'a') > 0);
    t.equal(throttle.attempt('another', 'b'), 0);
    t.equal(throttle.attempt('eva', 'a'), 0, 'who tries names there keeps nobody out who works there');
    now += 60_000;
    t.equal(throttle.attempt('another', 'a'), 0);
  },
);
