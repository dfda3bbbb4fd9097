import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, readFileSync, rmSync } from 'node:fs';
import { chmod, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeDir, readText, updateFile, writeFileDurably } from '../../../installer/node/files.ts';
import { EXIT, Failure } from '../../errors.ts';
import { fingerprint } from '../../pki/authority.ts';
import type { CloudAddress } from '../enrol/client.ts';
import { enrolSatellite } from '../enrol/enrol.ts';
import { hasEnded, isEnrolled, readEnrolment, tlsFolder } from '../enrol/record.ts';
import { recoverCredential } from '../renewal.ts';
import { readHeard, type HeardRecord } from './heard.ts';
import { SERVICE_UNIT, servicePaths } from './paths.ts';
import type { ServiceManager } from './systemd.ts';
import { satelliteUnit } from './unit.ts';
import { addUser } from './user.ts';

export interface ServiceOptions {
  /** `/`, or the root of a machine that is being prepared. */
  root: string;
  /** The user that it runs as. */
  uid: number;
  /** What is installed: the executable, and its SQLite addon where that is in its payload. */
  program: { file: string; addon?: Buffer | undefined };
  manager: ServiceManager;
  addresses: CloudAddress[];
  caHash: string;
  /** Asked for only if the machine has not enrolled. */
  token(): Promise<string>;
  id: string;
  advertise?: string | undefined;
  newKey: boolean;
  /** HTTPS_PROXY and NO_PROXY of it are the service's too. */
  env: NodeJS.ProcessEnv;
  patienceMs: number;
  signal: AbortSignal;
  log(line: string): void;
}

const POLL_MS = 200;
const PROXY = ['HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy'];

/**
 * Makes this machine a satellite that is there after a restart too, and waits until it is heard. After an interruption
 * anywhere the same again completes it; where all is there, nothing is changed.
 * @returns how it is connected; undefined where another machine was prepared, on which nothing can be started.
 * @throws Failure `other-cluster`, `not-heard`, `no-user`, and as `enrolSatellite`
 */
export async function installService(options: ServiceOptions): Promise<HeardRecord | undefined> {
  const { root, uid, manager, env, signal, log } = options;
  const paths = servicePaths(root);
  recoverCredential(paths.data);
  refuseOtherCluster(paths.data, options.caHash);
  let changed = await copyProgram(options.program.file, paths.program);
  if (options.program.addon !== undefined && !sameContent(paths.addon, options.program.addon)) {
    writeFileDurably(paths.addon, options.program.addon);
    changed = true;
  }
  await addUser(root);
  for (const dir of [paths.satellite, paths.state]) {
    makeDir(dir, { mode: 0o700, uid });
  }
  if (options.newKey || !isEnrolled(paths.data) || hasEnded(paths.data)) {
    const record = await enrolSatellite({ ...options, token: await options.token(), data: paths.data, owner: uid });
    log(`${record.id} has enrolled`);
    changed = true;
  }
  const proxies = PROXY.filter((name) => (env[name] ?? '') !== '')
    .map((name) => `${name}=${quoted(env[name] ?? '')}\n`)
    .join('');
  changed = updateFile(paths.environment, proxies, { mode: 0o600 }) || changed;
  changed = updateFile(paths.unit, satelliteUnit({ podLogs: existsSync(join(root, 'var/log/pods')) })) || changed;
  if (!manager.live) {
    await manager.enable(SERVICE_UNIT);
    return undefined;
  }
  const startedAt = Date.now();
  const running = await manager.active(SERVICE_UNIT);
  await manager.enable(SERVICE_UNIT);
  if (changed || !running) {
    await manager.restart(SERVICE_UNIT);
  }
  const before = changed || !running ? startedAt : 0;
  for (const end = Date.now() + options.patienceMs; ; await pause(signal)) {
    const heard = readHeard(paths.data);
    if (heard !== undefined && heard.at >= before) {
      return heard;
    }
    if (Date.now() > end) {
      throw new Failure(
        'not-heard',
        'The satellite is installed, but no control plane has taken a heartbeat of it within ' +
          `${Math.round(options.patienceMs / 1000)} s: ${(await manager.lastWords(SERVICE_UNIT)).replace(/\.$/, '')}.`,
        {
          remedy:
            `Check that this machine reaches the control planes; \`journalctl -u ${SERVICE_UNIT}\` says more. It ` +
            'goes on trying. If it was revoked, run the command with --new-key and another token.',
          exitCode: EXIT.unreachable,
        },
      );
    }
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  await sleep(POLL_MS, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
}

function refuseOtherCluster(data: string, caHash: string): void {
  const ca = readText(join(tlsFolder(data), 'ca.crt'));
  const id = readEnrolment(data)?.id;
  if (ca === undefined || id === undefined || fingerprint(ca) === caHash) {
    return;
  }
  throw new Failure(
    'other-cluster',
    `This machine is the satellite ${id} of another cluster, whose CA is ${fingerprint(ca)}.`,
    { remedy: 'Run `terrarium satellite uninstall` first.', exitCode: EXIT.usage },
  );
}

/** As systemd.exec(5) reads a value of EnvironmentFile. */
function quoted(value: string): string {
  if (/[\r\n\0]/.test(value)) {
    throw new Failure('usage', 'The proxy settings have a line break.', { exitCode: EXIT.usage });
  }
  return `"${value.replaceAll(/["\\$`]/g, (c) => `\\${c}`)}"`;
}

/** True where it was another one. It may be running, so it is replaced and not written over. */
async function copyProgram(source: string, target: string): Promise<boolean> {
  if (existsSync(target) && (source === target || (await sha256(source)) === (await sha256(target)))) {
    return false;
  }
  makeDir(dirname(target));
  const temporary = `${target}.tmp`;
  rmSync(temporary, { force: true });
  await pipeline(createReadStream(source), createWriteStream(temporary, { mode: 0o755 }));
  await chmod(temporary, 0o755);
  const file = await open(temporary, 'r');
  await file.sync();
  await file.close();
  await rename(temporary, target);
  return true;
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

function sameContent(file: string, content: Buffer): boolean {
  return existsSync(file) && readFileSync(file).equals(content);
}
