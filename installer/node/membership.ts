import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../src/errors.ts';
import { createAuthority, createRequest, signRequest, type KeyPair } from '../../src/pki/authority.ts';
import { nodePaths } from '../cluster/paths.ts';
import type { ClusterSpec, NodeSpec } from '../cluster/spec.ts';
import { makeDir, readText, writeFileDurably } from './files.ts';
import { readIdentity, writeIdentity } from './identity.ts';

/**
 * Every node's certificate of the cluster's own CA carries this group: who has one may carry out operations, and
 * coordinate them where it is a control plane.
 */
export const NODE_GROUP = 'terrarium:node';
const DAYS = 365;

/**
 * First step of membership, on the node itself: its key is made here and stays here.
 * @throws Failure `other-cluster` where the machine belongs to another cluster.
 */
export async function requestMembership(spec: ClusterSpec, node: NodeSpec): Promise<{ csr: string }> {
  const identity = readIdentity(spec.data);
  if (identity !== undefined && identity.clusterId !== spec.id) {
    throw new Failure(
      'other-cluster',
      `${node.name} already belongs to the cluster ${identity.cluster} (${identity.clusterId}).`,
      {
        host: node.name,
        remedy: 'Run `terrarium uninstall` there first, or leave this machine out.',
      },
    );
  }
  const { pki } = nodePaths(spec);
  makeDir(spec.data);
  makeDir(pki, { mode: 0o700 });
  writeIdentity(spec, node, identity?.state ?? 'installing');
  const key = join(pki, 'node.key');
  const csr = join(pki, 'node.csr');
  if (!existsSync(key) || !existsSync(csr)) {
    const made = await createRequest(node.name);
    writeFileDurably(csr, made.csr, { mode: 0o600 });
    writeFileDurably(key, made.key, { mode: 0o600 });
  }
  return { csr: readFileSync(csr, 'utf8') };
}

/** The cluster's own CA on this control plane; made here where `create` says so and there is none. */
export async function authority(spec: ClusterSpec, create: boolean): Promise<KeyPair> {
  const { pki } = nodePaths(spec);
  const cert = readText(join(pki, 'ca.crt'));
  const key = readText(join(pki, 'ca.key'));
  if (cert !== undefined && key !== undefined) {
    return { cert, key };
  }
  if (!create) {
    throw new Failure('no-authority', `This machine does not hold the key of the cluster's CA.`, {
      remedy: 'Ask a control-plane node.',
    });
  }
  const made = await createAuthority(spec.id, new Date());
  makeDir(pki, { mode: 0o700 });
  // The key first: a certificate without its key would be taken for a finished CA.
  writeFileDurably(join(pki, 'ca.key'), made.key, { mode: 0o600 });
  writeFileDurably(join(pki, 'ca.crt'), made.cert);
  return made;
}

/** Signs the nodes' requests: each gets the name and address that the cluster knows it by. */
export async function grantMembership(
  spec: ClusterSpec,
  requests: Record<string, string>,
): Promise<{ ca: string; certs: Record<string, string> }> {
  const pair = await authority(spec, true);
  const certs: Record<string, string> = {};
  for (const node of spec.nodes) {
    const csr = requests[node.name];
    if (csr === undefined) {
      continue;
    }
    certs[node.name] = await signRequest(
      pair,
      csr,
      {
        commonName: node.name,
        organization: NODE_GROUP,
        sans: [node.address, node.name, 'localhost', '127.0.0.1', '::1'],
        usages: ['server', 'client'],
        days: DAYS,
      },
      new Date(),
    );
  }
  return { ca: pair.cert, certs };
}

/** Last step, on the node: it holds its certificate from now on. */
export function acceptMembership(spec: ClusterSpec, cert: string, ca: string): void {
  const { pki } = nodePaths(spec);
  writeFileDurably(join(pki, 'ca.crt'), ca);
  writeFileDurably(join(pki, 'node.crt'), cert);
}

export interface HeldMembership {
  node: NodeSpec;
  /** PEM. */
  cert: string;
  key: string;
}

/**
 * What this machine holds of the cluster with that CA from an earlier join; undefined where it was not admitted yet, or
 * where its certificate can no longer be used.
 * @param ca PEM; whoever calls has checked its fingerprint.
 */
export function heldMembership(data: string, ca: string, now: Date): HeldMembership | undefined {
  const { pki } = nodePaths({ prefix: '/', data });
  const identity = readIdentity(data);
  const [cert, key] = [readText(join(pki, 'node.crt')), readText(join(pki, 'node.key'))];
  if (identity === undefined || cert === undefined || key === undefined) {
    return undefined;
  }
  const [own, authority] = [new X509Certificate(cert), new X509Certificate(ca)];
  const names = own.subject.split('\n');
  const ours =
    names.includes(`CN=${identity.name}`) &&
    authority.subject === `CN=terrarium-ca ${identity.clusterId}` &&
    own.verify(authority.publicKey);
  if (!ours || !own.checkPrivateKey(createPrivateKey(key)) || now > new Date(own.validTo)) {
    return undefined;
  }
  return { node: { name: identity.name, address: identity.address, role: identity.role }, cert, key };
}
