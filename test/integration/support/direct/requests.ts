import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { DIRECT_PATH } from '../../../../src/bus/direct.ts';
import type { DirectGrant, DirectQueryReply } from '../../../../src/cloud/direct-api.ts';
import { API_TOKEN, call, type Answer, type LocalClouds, type LocalNode } from '../../../support/local-cloud.ts';

export const auth = { authorization: `Bearer ${API_TOKEN}` };
/** The name of n1's endpoint. */
export const NAME = 'n1.satellites.terrarium.internal';

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Status and code of a problem. */
export const code = ({ status, body }: Reply): string =>
  `${status} ${(JSON.parse(body) as { type: string }).type.split(':').at(-1)}`;

type Sent = RequestOptions & { body?: string };

/** Requests as a browser sends them: to the clouds for tokens, and with those to n1's endpoint. */
export interface DirectRequests {
  ask(node: LocalNode, method: string, path: string, body?: unknown): Promise<Answer>;
  /** @param node the first one where there is none */
  grants(sql: string, satellites: string[], more?: object, node?: LocalNode): Promise<DirectGrant[]>;
  /** For n1. */
  token(sql: string, more?: object, node?: LocalNode): Promise<string>;
  /** The origin of the console's pages. */
  origin(): string;
  /** Resolves with the head of the answer. */
  open(options: Sent): Promise<IncomingMessage>;
  send(options: Sent): Promise<Reply>;
  /** A query. */
  post(bearer: string, sql: string, headers?: Record<string, string>): Sent & { body: string };
}

/**
 * @param clouds they are started after this is made
 * @param authority the certificate that endpoints are trusted by, likewise
 */
export function directRequests(clouds: () => LocalClouds, authority: () => string): DirectRequests {
  const ask: DirectRequests['ask'] = (node, method, path, body) =>
    call(clouds(), node, path, { method, headers: auth, ...(body === undefined ? {} : { body }) });
  const grants: DirectRequests['grants'] = async (sql, satellites, more = {}, node = firstOf(clouds())) => {
    const answer = await ask(node, 'POST', '/api/v1/direct-queries', { sql, satellites, ...more });
    if (answer.status !== 200) {
      throw new Error(answer.body);
    }
    return (JSON.parse(answer.body) as DirectQueryReply).satellites;
  };
  const origin = (): string => `https://127.0.0.1:${clouds().ports.console}`;
  const open: DirectRequests['open'] = (options) =>
    new Promise((resolve, reject) => {
      const { body, ...rest } = options;
      const req = request(
        {
          host: '127.0.0.1',
          servername: NAME,
          port: clouds().ports.direct,
          path: DIRECT_PATH,
          ca: authority(),
          agent: false,
          ...rest,
        },
        resolve,
      );
      req.on('error', reject);
      req.end(body);
    });
  return {
    ask,
    grants,
    origin,
    open,
    token: async (sql, more = {}, node) => {
      const [grant] = await grants(sql, ['n1'], more, node);
      if (grant === undefined || !('token' in grant)) {
        throw new Error(JSON.stringify(grant));
      }
      return grant.token;
    },
    send: async (options) => {
      const answer = await open(options);
      const chunks: Buffer[] = [];
      for await (const chunk of answer) {
        chunks.push(chunk as Buffer);
      }
      return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks).toString() };
    },
    post: (bearer, sql, headers = {}) => ({
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json', origin: origin(), ...headers },
      body: JSON.stringify({ sql }),
    }),
  };
}

function firstOf({ nodes }: LocalClouds): LocalNode {
  const [node] = nodes;
  if (node === undefined) {
    throw new Error('there is no cloud');
  }
  return node;
}
