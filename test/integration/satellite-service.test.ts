import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import t from 'tap';
import { ENROLMENT_PATHS } from '../../src/cloud/api-paths.ts';
import type { EnrolmentTokenReply } from '../../src/cloud/satellites-api.ts';
import { parseAddress } from '../../src/satellite/enrol/client.ts';
import { installService, type ServiceOptions } from '../../src/satellite/service/install.ts';
import {
  SERVICE_DATA,
  SERVICE_PREFIX,
  SERVICE_UID,
  SERVICE_UNIT,
  SERVICE_USER,
  servicePaths,
} from '../../src/satellite/service/paths.ts';
import { serviceManager, type ServiceManager } from '../../src/satellite/service/systemd.ts';
import { uninstallService } from '../../src/satellite/service/uninstall.ts';
import { satelliteUnit } from '../../src/satellite/service/unit.ts';
import {
  API_TOKEN,
  call,
  localClouds,
  until,
  type Answer,
  type LocalClouds,
  type LocalNode,
} from '../support/local-cloud.ts';

/**
 * The service on a machine below a folder: its files as they are installed, its process started as its unit says,
 * without systemd.
 */
const node: LocalNode = { name: 'n1', address: '127.0.0.1' };
const root = mkdtempSync(join(tmpdir(), 'terrarium-service-'));
const paths = servicePaths(root);
let clouds: LocalClouds;
let made: EnrolmentTokenReply;

t.before(async () => {
  clouds = await localClouds([node]);
  await clouds.start(node);
  // mkdtemp's folder is its maker's alone; a machine's root is everybody's.
  spawnSync('chmod', ['755', root]);
  mkdirSync(join(root, 'etc'));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
});
const ask = (method: string, path: string, body?: unknown): Promise<Answer> =>
  call(clouds, node, path, {
    method,
    headers: { authorization: `Bearer ${API_TOKEN}` },
    ...(body === undefined ? {} : { body }),
  });

/** What systemd would make of the unit, as far as a process alone can be made: environment, user, command. */
function startsUnit(): ServiceManager & { child: ChildProcess | undefined; starts: number; output: string[] } {
  const real = serviceManager(root);
  const manager = {
    ...real,
    live: true,
    child: undefined as ChildProcess | undefined,
    starts: 0,
    output: [] as string[],
    async restart() {
      await manager.stop();
      const unit = readFileSync(paths.unit, 'utf8')
        .replaceAll(SERVICE_PREFIX, paths.prefix)
        .replaceAll(SERVICE_DATA, paths.data);
      const value = (key: string): string => new RegExp(`^${key}=-?(.*)$`, 'm').exec(unit)?.[1] ?? '';
      const env = Object.fromEntries(
        [
          ...value('Environment').split(' '),
          ...readFileSync(value('EnvironmentFile'), 'utf8')
            .split('\n')
            .filter((l) => l !== ''),
        ].map((pair) => {
          const [name = '', ...rest] = pair.split('=');
          return [name, rest.join('=').replace(/^"(.*)"$/, '$1')];
        }),
      );
      const [program = '', ...args] = value('ExecStart').split(' ');
      const uid = Number(value('User'));
      // Sources in a folder that only their owner can enter are run as that one.
      const allowed =
        spawnSync(
          process.execPath,
          ['-e', `require('node:fs').readFileSync(${JSON.stringify(resolve('src/main.ts'))})`],
          { uid, gid: uid },
        ).status === 0;
      manager.child = spawn(program, args, {
        env,
        cwd: '/',
        stdio: ['ignore', 'ignore', 'pipe'],
        ...(allowed ? { uid, gid: uid } : {}),
      });
      manager.child.stderr?.on('data', (chunk: Buffer) => manager.output.push(chunk.toString('utf8')));
      manager.starts += 1;
    },
    active: () => Promise.resolve(manager.child !== undefined && manager.child.exitCode === null),
    lastWords: () => Promise.resolve(manager.output.at(-1) ?? ''),
    async stop() {
      const { child } = manager;
      if (child === undefined || child.exitCode !== null) {
        return;
      }
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
    async remove(unit: string) {
      await manager.stop();
      await real.remove(unit);
    },
  };
  return manager;
}
const manager = startsUnit();

t.teardown(async () => {
  if (manager.child !== undefined && manager.child.exitCode === null) {
    manager.child.kill('SIGTERM');
    await once(manager.child, 'exit');
  }
  await clouds.stop();
  rmSync(root, { recursive: true, force: true });
});

/** Stands for the executable. */
const program = join(root, 'terrarium');
writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${resolve('src/main.ts')} "$@"\n`, { mode: 0o755 });

/** A link that leads nowhere outside of its root. */
const isEnabled = (): boolean =>
  lstatSync(join(root, 'etc/systemd/system/multi-user.target.wants', SERVICE_UNIT), { throwIfNoEntry: false }) !==
  undefined;

let tokensAsked = 0;
function options(more: Partial<ServiceOptions> = {}): ServiceOptions {
  return {
    root,
    uid: SERVICE_UID,
    program: { file: program, addon: Buffer.from('an addon') },
    manager,
    addresses: [parseAddress(`127.0.0.1:${clouds.ports.console}`, 0)],
    caHash: made.caHash,
    token: () => {
      tokensAsked += 1;
      return Promise.resolve(made.token);
    },
    id: 'serviced',
    newKey: false,
    env: {},
    patienceMs: 60_000,
    signal: new AbortController().signal,
    log: () => undefined,
    ...more,
  };
}
/** The machine's own files, which a machine has without it. */
const MACHINES = /^(terrarium|etc\/(\.pwd\.lock|(passwd|group|shadow|gshadow|subuid|subgid)-?))$/;
const all = (): string[] =>
  readdirSync(root, { recursive: true })
    .map(String)
    .filter((p) => !lstatSync(join(root, p)).isDirectory() && !MACHINES.test(p))
    .sort();
const users = (): string =>
  readFileSync(join(root, 'etc/passwd'), 'utf8') + readFileSync(join(root, 'etc/group'), 'utf8');

t.test('the unit is one, and closed as far as a satellite can be', async (t) => {
  const file = join(root, SERVICE_UNIT);
  for (const podLogs of [false, true]) {
    writeFileSync(file, satelliteUnit({ podLogs }));
    const verified = await execa('systemd-analyze', ['verify', '--man=no', file], { reject: false, all: true });
    t.same(
      verified.all.split('\n').filter((l) => !/terrarium is not executable/.test(l)),
      [],
      'its program alone is missing here',
    );
    // 100 times the exposure level, which is 96 for a service without any of it.
    const judged = await execa(
      'systemd-analyze',
      ['security', '--no-pager', '--offline=true', '--threshold=20', file],
      { reject: false, all: true },
    );
    t.equal(judged.exitCode, 0, judged.all.split('\n').at(-1) ?? '');
  }
  rmSync(file);
});

t.test('it is installed, and heard', { timeout: 180_000 }, async (t) => {
  made = JSON.parse(
    (await ask('POST', ENROLMENT_PATHS.tokens, { tags: { by: 'service' } })).body,
  ) as EnrolmentTokenReply;
  const heard = await installService(
    options({ advertise: '192.0.2.7', env: { HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '127.0.0.1' } }),
  ).catch((error: Error) => {
    throw new Error(`${error.message}\n${manager.output.join('')}`);
  });
  t.match(heard, { kind: 'tls', address: `127.0.0.1:${clouds.ports.nats}` });
  t.equal(readFileSync(paths.environment, 'utf8'), 'HTTPS_PROXY="http://127.0.0.1:1"\nNO_PROXY="127.0.0.1"\n');
  t.equal(statSync(paths.environment).mode & 0o777, 0o600);
  for (const name of ['client.key', 'client.nkey', 'client.crt', 'ca.crt']) {
    const stat = statSync(join(paths.satellite, 'tls', name));
    t.same([stat.uid, stat.mode & 0o777], [SERVICE_UID, 0o600], name);
  }
  t.ok(isEnabled(), 'it is there after a restart');
  t.match(
    users(),
    new RegExp(`^${SERVICE_USER}:x:${SERVICE_UID}:${SERVICE_UID}:.*:/usr/sbin/nologin$`, 'm'),
    'systemd starts nothing as a number without a name',
  );
  t.notMatch(
    readFileSync(paths.unit, 'utf8') + readFileSync(join(paths.satellite, 'enrolment.json'), 'utf8'),
    made.token.slice(-20),
  );
  const shown = await until(
    'its heartbeat',
    async () => {
      const satellite = JSON.parse((await ask('GET', '/api/v1/satellites/serviced')).body) as { state: string };
      return satellite.state === 'healthy' ? satellite : undefined;
    },
    30_000,
  );
  t.match(shown, { tags: { by: 'service' }, addresses: ['192.0.2.7'] });
  const rows = await ask('POST', '/api/v1/queries', {
    sql: 'select count(*) > 1 from processes',
    satellites: ['serviced'],
    timeoutMs: 60_000,
  });
  t.match(rows.body, /\[\[1\]\]/, "it sees the machine's processes, as a user who is nobody else");
});

t.test('again changes nothing; what is missing is completed', { timeout: 180_000 }, async (t) => {
  const env = { HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '127.0.0.1' };
  const before = { files: all(), starts: manager.starts, tokens: tokensAsked };
  await installService(options({ env }));
  t.same({ files: all(), starts: manager.starts, tokens: tokensAsked }, before);
  for (const gone of [paths.unit, paths.program, paths.addon]) {
    rmSync(gone);
    await installService(options({ env }));
    t.ok(existsSync(gone));
  }
  // As a crash in the midst of a renewal leaves it.
  renameSync(join(paths.satellite, 'tls'), join(paths.satellite, 'tls.former'));
  await installService(options({ env }));
  t.same(all(), before.files);
  t.equal(tokensAsked, before.tokens, 'the token is not needed again');
  t.equal(manager.starts, before.starts + 3);
  await t.rejects(installService(options({ caHash: `sha256:${'0'.repeat(64)}` })), {
    code: 'other-cluster',
    message: /the satellite serviced of another cluster/,
  });
});

t.test('all of it is taken away, and it may come back', { timeout: 180_000 }, async (t) => {
  t.equal(await uninstallService({ root, manager, log: () => undefined }), 'serviced');
  t.notOk(await manager.active(SERVICE_UNIT));
  t.same(all(), []);
  t.notMatch(users(), SERVICE_USER);
  t.notOk(isEnabled());
  t.equal(await uninstallService({ root, manager, log: () => undefined }), undefined, 'again');
  mkdirSync(paths.prefix);
  t.equal(
    await uninstallService({ root, manager, log: () => undefined }),
    undefined,
    'what an interrupted one has left',
  );
  t.notOk(existsSync(paths.prefix));
  made = JSON.parse((await ask('POST', ENROLMENT_PATHS.tokens, {})).body) as EnrolmentTokenReply;
  await t.rejects(installService(options()), { code: 'exists', message: /another satellite serviced already/ });
  t.equal((await ask('DELETE', '/api/v1/satellites/serviced')).status, 204);
  const prepared = await installService(options({ manager: serviceManager(root) }));
  t.equal(prepared, undefined, 'a machine that does not run is only prepared');
  t.ok(isEnabled());
});
