/** The product's version (semver), the name of the release's folder on every node. */
export const VERSION = '0.1.0';
