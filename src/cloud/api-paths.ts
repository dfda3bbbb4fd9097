/** The API's names without its schemas: all of the API that the console takes into the browser besides types. */
export const API_PATHS = {
  login: '/api/v1/login',
  logout: '/api/v1/logout',
  session: '/api/v1/session',
  overview: '/api/v1/overview',
  watch: '/api/v1/watch',
  queries: '/api/v1/queries',
} as const;

export const CLIENT_HEADER = 'X-Terrarium-Client';
export const SESSION_COOKIE = '__Host-terrarium';
