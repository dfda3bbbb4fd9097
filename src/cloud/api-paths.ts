/**
 * The cloud's HTTP API as cloud, CLI and console share it; what each route takes and gives is in routes/, and all of it
 * at /api/v1/openapi.json.
 *
 * Credentials: `Authorization: Bearer <session token or API token>`, or the cookie of a login; a request by cookie that
 * is not a
 * GET must carry the header `X-Terrarium-Client` with any value, which no foreign page can send. Errors are `Problem`.
 * Times are ISO 8601. Lists are `{items, next}`; `next` is the cursor of the next page, null at the end. Versions are
 * positions of the state.
 */

/** The API's names without its schemas: all of the API that the console takes into the browser besides types. */
export const API_PATHS = {
  login: '/api/v1/login',
  logout: '/api/v1/logout',
  session: '/api/v1/session',
  password: '/api/v1/password',
  overview: '/api/v1/overview',
  watch: '/api/v1/watch',
  queries: '/api/v1/queries',
  queryStream: '/api/v1/queries/stream',
  directQueries: '/api/v1/direct-queries',
  dns: '/api/v1/dns',
  users: '/api/v1/users',
  tokens: '/api/v1/tokens',
  sessions: '/api/v1/sessions',
  savedQueries: '/api/v1/saved-queries',
  schedules: '/api/v1/schedules',
  satellites: '/api/v1/satellites',
  tables: '/api/v1/tables',
  nodes: '/api/v1/nodes',
  pods: '/api/v1/pods',
  clouds: '/api/v1/clouds',
  applications: '/api/v1/applications',
  audit: '/api/v1/audit',
  openapi: '/api/v1/openapi.json',
} as const;

/** Enrolment of satellites on machines outside the cluster. */
export const ENROLMENT_PATHS = {
  tokens: '/api/v1/enrolment-tokens',
  authority: '/api/v1/enrolment-authority',
  enrol: '/api/v1/enrol',
  manifests: '/api/v1/satellite-manifests',
} as const;

export const CLIENT_HEADER = 'X-Terrarium-Client';
/**
 * Of an answer: the state's position that it was made from, or that a change came to. Of a request: the position that
 * the answer must have seen.
 */
export const SEQ_HEADER = 'Terrarium-Seq';
export const MIN_SEQ_HEADER = 'Terrarium-Min-Seq';
/**
 * Of a change: a ULID made by the client. The same change with the same id is carried out once, however often it is
 * sent.
 */
export const COMMAND_HEADER = 'Terrarium-Command-Id';
export const SESSION_COOKIE = '__Host-terrarium';
