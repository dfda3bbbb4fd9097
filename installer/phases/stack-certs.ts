import { chownSync, existsSync } from 'node:fs';
import { z } from 'zod';
import { nodePaths } from '../cluster/paths.ts';
import { controlPlanes } from '../cluster/spec.ts';
import { storeConsoleTls, storedConsoleTls } from '../node/console-tls.ts';
import { credentialReady, storeCredential } from '../node/credentials.ts';
import { makeDir } from '../node/files.ts';
import { removeTrees } from '../node/remove.ts';
import { CLOUD_UID, SATELLITE_UID, stackCredentials } from '../node/stack-credentials.ts';
import type { Phase } from '../plan/types.ts';

const signedSchema = z.object({ ca: z.string(), certs: z.record(z.string(), z.string()) });
const inputSchema = signedSchema.extend({ console: z.object({ cert: z.string(), key: z.string() }).nullable() });

/** Certificates of the cloud, its bus and the satellite on this node, by the cluster's own CA. */
export const phase: Phase = {
  title: 'make the certificates of cloud and satellite',

  async input({ spec, node, call }) {
    const [first] = controlPlanes(spec);
    if (first === undefined) {
      return {};
    }
    const signed = signedSchema.parse(
      await call(first, 'stack-sign', { node: node.name, requests: await call(node, 'stack-request', {}) }),
    );
    // A control plane that joins later must not show another certificate than the others.
    const console =
      node.role === 'control-plane' && node.name !== first.name ? await call(first, 'read-console-tls', {}) : null;
    return { ...signed, console };
  },

  async isDone({ spec, node }, input) {
    const { console } = inputSchema.parse(input);
    const shown = storedConsoleTls(spec);
    if (!existsSync(`${nodePaths(spec).satellite}/state`)) {
      return false;
    }
    if (console !== null && (shown?.cert !== console.cert || shown.key !== console.key)) {
      return false;
    }
    return stackCredentials(spec, node).every((c) => credentialReady(c.files));
  },

  async do({ spec, node }, input) {
    const { ca, certs, console } = inputSchema.parse(input);
    const paths = nodePaths(spec);
    for (const credential of stackCredentials(spec, node)) {
      storeCredential(credential.files, certs[credential.id] ?? '', ca);
    }
    // The pods' users must be able to walk down to their folders, and to nothing else there.
    for (const dir of [paths.satellite, ...(node.role === 'control-plane' ? [paths.cloud] : [])]) {
      makeDir(dir, { mode: 0o755 });
    }
    makeDir(`${paths.satellite}/state`, { mode: 0o700, uid: SATELLITE_UID });
    if (node.role === 'control-plane') {
      makeDir(`${paths.cloud}/state`, { mode: 0o700, uid: CLOUD_UID });
      chownSync(`${paths.cloud}/tls`, CLOUD_UID, CLOUD_UID);
      if (console !== null) {
        storeConsoleTls(spec, console);
      }
    }
  },

  async undo({ spec, log }) {
    const paths = nodePaths(spec);
    removeTrees([paths.cloud, paths.satellite], log);
  },
};
