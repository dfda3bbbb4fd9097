import type { ChangeLine } from '../../../../src/api/watch.ts';
import {
  API_TOKEN,
  call,
  open,
  type Answer,
  type CallOptions,
  type LocalClouds,
  type LocalNode,
} from '../../../support/local-cloud.ts';

/** The headers of a caller. */
export const by = (bearer: string, more: Record<string, string> = {}): { headers: Record<string, string> } => ({
  headers: { authorization: `Bearer ${bearer}`, ...more },
});
export const root = by(API_TOKEN);
export const body = <T>(answer: Answer): T => JSON.parse(answer.body) as T;
/** The code of a problem. */
export const code = (answer: Answer): string =>
  body<{ type: string }>(answer).type.replace('urn:terrarium:problem:', '');

export interface Watching {
  lines(): ChangeLine[];
  text(): string;
  stop(): void;
}

/** The API of one instance, as its callers use it. */
export interface ApiClient {
  /** A path that begins with a slash is taken as it is, any other is one of /api/v1/. */
  api(path: string, options?: CallOptions): Promise<Answer>;
  login(user: string, password: string): Promise<{ token: string; passwordChange: string; cookie: string }>;
  /** Makes a user with a session, past the change of the first password. @returns the session's token */
  person(name: string, role: string): Promise<string>;
  watching(bearer: string, query: string, headers?: Record<string, string>): Promise<Watching>;
}

/** @param clouds they are started after the client is made */
export function apiClient(clouds: () => LocalClouds, node: LocalNode): ApiClient {
  const api = (path: string, options: CallOptions = {}): Promise<Answer> =>
    call(clouds(), node, path.startsWith('/') ? path : `/api/v1/${path}`, options);
  const login: ApiClient['login'] = async (user, password) => {
    const answer = await api('login', { body: { user, password } });
    if (answer.status !== 200) {
      throw new Error(`login of ${user}: ${answer.status} ${answer.body}`);
    }
    return {
      ...body<{ token: string; passwordChange: string }>(answer),
      cookie: (answer.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '',
    };
  };
  return {
    api,
    login,
    person: async (name, role) => {
      const made = await api('users', { ...root, body: { name, role, password: `first of ${name}` } });
      if (made.status !== 201) {
        throw new Error(made.body);
      }
      const first = await login(name, `first of ${name}`);
      const changed = await api('password', {
        ...by(first.token),
        body: { current: `first of ${name}`, password: `second of ${name}` },
      });
      if (changed.status !== 200) {
        throw new Error(changed.body);
      }
      return body<{ token: string }>(changed).token;
    },
    watching: async (bearer, query, headers = {}) => {
      const stream = await open(clouds(), node, `/api/v1/watch?${query}`, by(bearer, headers));
      if (stream.statusCode !== 200) {
        throw new Error(`watch: ${stream.statusCode}`);
      }
      let text = '';
      stream
        .setEncoding('utf8')
        .on('data', (chunk: string) => (text += chunk))
        .on('error', () => undefined);
      return {
        text: () => text,
        lines: () =>
          text
            .split('\n\n')
            .filter((e) => /^id: \d+\nevent: change\n/.test(e))
            .map((e) => JSON.parse(e.slice(e.indexOf('data: ') + 6)) as ChangeLine),
        stop: () => void stream.destroy(),
      };
    },
  };
}
