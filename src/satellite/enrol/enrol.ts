import { existsSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentialRequest, storeCredential, type CredentialFiles } from '../../../installer/node/credentials.ts';
import { writeFileDurably } from '../../../installer/node/files.ts';
import { signByNkey } from '../../bus/nkey.ts';
import { REVOKED_KEY, type EnrolReply } from '../../cloud/satellites-api.ts';
import { syncPath } from '../../durable.ts';
import { Failure, EXIT } from '../../errors.ts';
import { hostPort } from '../../host-port.ts';
import { createBackoff } from './backoff.ts';
import { fetchAuthority, sendEnrolment, type CloudAddress } from './client.ts';
import { ensureNkey } from './nkey.ts';
import {
  enrolmentFile,
  formerFolder,
  hasEnded,
  isEnrolled,
  nextFolder,
  tlsFolder,
  type EnrolmentRecord,
} from './record.ts';

export interface EnrolOptions {
  /** Tried in this order. */
  addresses: CloudAddress[];
  token: string;
  /** `sha256:<hex>`, as `fingerprint` gives it. */
  caHash: string;
  /** Proposed. */
  id: string;
  /** The machine's DATA; the satellite's files lie in `satellite` below it. */
  data: string;
  /** Makes another key: the old one was revoked, or shall not be used any more. */
  newKey: boolean;
  /** The user whose the files are; by default who enrols. */
  owner?: number;
  /** By which others reach this machine, where that is not what its interfaces say. */
  advertise?: string | undefined;
  /** HTTPS_PROXY and NO_PROXY are heeded. */
  env: NodeJS.ProcessEnv;
  /** Milliseconds for which control planes that do not answer are tried again. */
  patienceMs: number;
  signal: AbortSignal;
  log(line: string): void;
  random?: () => number;
}

/**
 * Makes the satellite's key, has the cloud sign for it and lays down what `terrarium satellite` needs. The key never
 * leaves the machine.
 * Where the certificate that is here has ended, it makes another key as with `newKey`; so it does where the one of an
 * earlier try has been revoked meanwhile. After an interruption the same again continues: with the same key, so with
 * the same answer though the token is spent.
 * @throws Failure `enrolled` where it has been done, `wrong-cluster`, `unreachable`, or by the cloud's own code
 */
export async function enrolSatellite(options: EnrolOptions): Promise<EnrolmentRecord> {
  const { id, token, data, signal } = options;
  const folder = join(data, 'satellite');
  const dir = tlsFolder(data);
  // What is there goes on to be used until there is something else; and a renewal that was interrupted at its very end
  // is one still.
  const renews = options.newKey || hasEnded(data) || (!existsSync(dir) && existsSync(`${dir}.new`));
  const files: CredentialFiles = {
    dir: renews ? `${dir}.new` : dir,
    name: 'client',
    ...(options.owner === undefined ? {} : { owner: options.owner }),
  };
  if (!renews && isEnrolled(data)) {
    throw new Failure('enrolled', `This machine has a satellite that has enrolled already, in ${folder}.`, {
      remedy: 'Give --new-key to enrol it anew, with another key.',
    });
  }
  const ask = async (): Promise<EnrolReply> => {
    const request = await credentialRequest(files, 'satellite');
    const nkey = ensureNkey(files.dir, options.owner);
    return anyOf(options, async (address) => {
      const ca = await fetchAuthority(address, options.caHash, options.env, signal);
      return sendEnrolment(
        address,
        ca,
        { token, id, request, nkey: { key: nkey.publicKey, signature: signByNkey(nkey, request) } },
        options.env,
        signal,
      );
    });
  };
  const reply = await ask().catch((error: unknown) => {
    if (!(error instanceof Failure) || error.code !== REVOKED_KEY) {
      throw error;
    }
    if (!renews) {
      throw new Failure(error.code, error.message, { remedy: 'Run the command with --new-key.', cause: error });
    }
    options.log(`${error.message} Makes another one.`);
    rmSync(files.dir, { recursive: true });
    return ask();
  });
  storeCredential(files, reply.certificate, reply.ca);
  if (renews) {
    putInPlace(files.dir, dir);
  }
  // Of a renewal of the credential that was here before.
  for (const folder of [nextFolder(data), formerFolder(data)]) {
    rmSync(folder, { recursive: true, force: true });
  }
  // The addresses that were given may be the only ones that lead there from here.
  const consoles = [...new Set([...options.addresses.map((a) => hostPort(a.host, a.port)), ...reply.consoles])];
  const record: EnrolmentRecord = {
    id: reply.id,
    clouds: reply.clouds,
    consoles,
    ...(options.advertise === undefined ? {} : { advertise: options.advertise }),
  };
  // Last: with it the enrolment is complete.
  writeFileDurably(enrolmentFile(data), `${JSON.stringify(record, undefined, 2)}\n`, {
    mode: 0o600,
    ...(options.owner === undefined ? {} : { uid: options.owner }),
  });
  return record;
}

/** Where it is interrupted, the same again has the same keys, and so the same answer. */
function putInPlace(made: string, dir: string): void {
  const old = `${dir}.old`;
  rmSync(old, { recursive: true, force: true });
  if (existsSync(dir)) {
    renameSync(dir, old);
  }
  renameSync(made, dir);
  syncPath(dirname(dir));
  rmSync(old, { recursive: true, force: true });
}

/**
 * The first answer of any control plane; a refusal counts as one. Goes round with growing pauses while none can answer.
 */
async function anyOf<T>(
  { addresses, patienceMs, signal, log, random }: EnrolOptions,
  work: (address: CloudAddress) => Promise<T>,
): Promise<T> {
  const backoff = createBackoff(random);
  const end = Date.now() + patienceMs;
  let wrong: Failure | undefined;
  for (;;) {
    let last = '';
    for (const address of addresses) {
      try {
        return await work(address);
      } catch (error) {
        if (signal.aborted) {
          throw signal.reason;
        }
        if (error instanceof Failure && error.code !== 'wrong-cluster') {
          throw error;
        }
        if (error instanceof Failure) {
          wrong = error;
        }
        last = (error as Error).message;
        log(`${address.host}:${address.port}: ${last}`);
      }
    }
    if (wrong !== undefined) {
      throw wrong;
    }
    const wait = backoff.next();
    if (Date.now() + wait > end) {
      throw new Failure('unreachable', `No control plane has answered: ${last.replace(/\.$/, '')}.`, {
        remedy: 'Check the addresses and that no firewall is in between, then run the same command again.',
        exitCode: EXIT.unreachable,
      });
    }
    await sleep(wait, undefined, { signal });
  }
}
