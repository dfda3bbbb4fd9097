import { Agent, request } from 'node:https';
import { isIP } from 'node:net';
import type { Problem } from '../../api/problem.ts';
import { BUS_SERVER_NAME } from '../../bus/identities.ts';
import { ENROLMENT_PATHS } from '../../cloud/api-paths.ts';
import { authorityReply, enrolReply, type EnrolReply, type EnrolRequest } from '../../cloud/satellites-api.ts';
import { EXIT, Failure } from '../../errors.ts';
import { fingerprint } from '../../pki/authority.ts';

const ANSWER_MS = 20_000;
const MAX_BYTES = 1024 * 1024;

/** Console and API of one control plane. */
export interface CloudAddress {
  host: string;
  port: number;
}

/** `HOST`, `HOST:PORT`, `[V6]:PORT` or an IPv6 address. @throws Failure `usage` */
export function parseAddress(text: string, port: number): CloudAddress {
  if (isIP(text) !== 0) {
    return { host: text, port };
  }
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+))(?::(\d{1,5}))?$/.exec(text);
  const host = parts?.[1] ?? parts?.[2];
  const given = parts?.[3] === undefined ? port : Number(parts[3]);
  if (host === undefined || given < 1 || given > 65_535) {
    throw new Failure('usage', `${text} is no address of a control plane.`, {
      remedy: 'Give HOST or HOST:PORT; several are separated by commas.',
      exitCode: EXIT.usage,
    });
  }
  return { host, port: given };
}

interface Answer {
  status: number;
  body: string;
}

/** `ca` undefined: of whoever answers, for what needs no secret and is verified afterwards. */
function ask(
  { host, port }: CloudAddress,
  path: string,
  ca: string | undefined,
  body: unknown,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const sent = request(
      {
        host,
        port,
        path,
        // By this name the console shows the cluster's own certificate, and not the customer's, and it is the same by
        // whatever address it is reached.
        agent: new Agent({ keepAlive: false, proxyEnv: env, servername: BUS_SERVER_NAME }),
        method: text === undefined ? 'GET' : 'POST',
        signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
        minVersion: 'TLSv1.2',
        ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
        headers: text === undefined ? {} : { 'content-type': 'application/json' },
      },
      (answer) => {
        let read = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          read += chunk;
          if (read.length > MAX_BYTES) {
            answer.destroy(new Error('the answer is too long'));
          }
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: read }));
        answer.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

/**
 * The cluster's CA, recognized by its fingerprint: nothing secret is sent before.
 * @throws Failure `wrong-cluster` for another CA; any other error where nobody answers
 */
export async function fetchAuthority(
  address: CloudAddress,
  expected: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<string> {
  const where = `${address.host}:${address.port}`;
  const { status, body } = await ask(address, ENROLMENT_PATHS.authority, undefined, undefined, env, signal);
  if (status >= 500) {
    throw new Error(`it answers with status ${status}`);
  }
  let ca: string;
  let found: string;
  try {
    ({ ca } = authorityReply.parse(JSON.parse(body)));
    found = fingerprint(ca);
  } catch (cause) {
    throw new Failure('wrong-cluster', `${where} is no control plane of a cluster that takes satellites.`, {
      remedy: 'Check the address and the port.',
      exitCode: EXIT.usage,
      cause,
    });
  }
  if (found === expected) {
    return ca;
  }
  throw new Failure(
    'wrong-cluster',
    `${where} is not the cluster that the command is for: its CA is ${found}, expected ${expected}.`,
    { remedy: 'Use the command that this cluster printed.', exitCode: EXIT.usage },
  );
}

/**
 * Sends the request for a certificate.
 * @throws Failure with the cloud's own code and sentence where it refuses; any other error where it cannot answer now
 */
export async function sendEnrolment(
  address: CloudAddress,
  ca: string,
  enrolment: EnrolRequest,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<EnrolReply> {
  const { status, body } = await ask(address, ENROLMENT_PATHS.enrol, ca, enrolment, env, signal);
  if (status === 200) {
    return enrolReply.parse(JSON.parse(body));
  }
  const problem = JSON.parse(body) as Partial<Problem>;
  const title = problem.title ?? `it answers with status ${status}`;
  if (status >= 500 || status === 429) {
    throw new Error(title);
  }
  throw new Failure(
    problem.type?.split(':').at(-1) ?? 'refused',
    problem.errors?.[0] === undefined ? title : `${title} ${problem.errors[0].path}: ${problem.errors[0].message}`,
  );
}
