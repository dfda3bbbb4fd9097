import { openAssets } from '../../src/assets.ts';
import { Failure } from '../../src/errors.ts';
import type { Assets } from '../../src/payload/types.ts';
import { readImages } from '../bundle/image-archive.ts';

/** Which of the images there are: a build may be of either line of Kubernetes. */
export interface ComponentVersions {
  /** `v1.36.3` */
  kubernetes: string;
  /** Tag of etcd's image. */
  etcdTag: string;
  /** Whole name of the image that holds a pod's namespaces. */
  pauseImage: string;
}

const REGISTRY = 'registry.k8s.io';

/** Out of the names of images. @throws Failure `image-missing`. */
export function versionsOf(names: string[]): ComponentVersions {
  const tag = (image: string): string => {
    const prefix = `${REGISTRY}/${image}:`;
    const name = names.find((n) => n.startsWith(prefix));
    if (name === undefined) {
      throw new Failure('image-missing', `The bundle carries no image of ${image}.`, {
        remedy: 'Use a complete build of terrarium.',
      });
    }
    return name.slice(prefix.length);
  };
  return { kubernetes: tag('kube-apiserver'), etcdTag: tag('etcd'), pauseImage: `${REGISTRY}/pause:${tag('pause')}` };
}

/** What this executable brings along. @throws Failure `image-missing`, and as openAssets. */
export function bundledVersions(assets: Assets = openAssets()): ComponentVersions {
  return versionsOf(readImages(assets, (path) => path === 'images.json').flatMap((image) => image.names));
}
