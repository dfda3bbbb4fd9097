// Loaded into @yao-pkg/pkg by --require. Its enhanced single executables have three faults for which it has no option:
// the random name of its temporary folder ends up in the result, so that no two builds are alike; the executable obeys
// NODE_OPTIONS, with which whoever sets the environment runs code in it; and it replaces child_process by functions
// that add a variable to every child's environment, turn a program named `node` into itself and break
// util.promisify(execFile).
'use strict';
const fs = require('node:fs');
const path = require('node:path');

const PATCH = 'shared.patchChildProcess(entrypoint2);';
const promises = fs.promises;
const { copyFile, readFile, writeFile } = promises;

promises.writeFile = async (file, data, ...rest) => {
  if (path.basename(String(file)) !== 'sea-config.json') {
    return writeFile(file, data, ...rest);
  }
  // Node writes the name of the main script into the result as it is given; it is read from the folder that pkg is in.
  const config = { ...JSON.parse(data), main: 'sea-main.js', execArgvExtension: 'none' };
  return writeFile(file, JSON.stringify(config), ...rest);
};

promises.copyFile = async (from, to, ...rest) => {
  if (path.basename(String(to)) !== 'sea-main.js') {
    return copyFile(from, to, ...rest);
  }
  const source = await readFile(from, 'utf8');
  if (source.split(PATCH).length !== 2) {
    throw new Error(`pkg's bootstrap no longer has "${PATCH}" once: look at installer/bundle/pkg-preload.cjs`);
  }
  return writeFile(to, source.replace(PATCH, ''));
};
