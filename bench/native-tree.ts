/** Trees for the measurements of the native client. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, open, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { corporaDirectory, listFiles } from './corpora.ts'

const run = promisify(execFile)

/** Dependencies that `npm install --omit=optional` expands to 105,000 files and 850 MB, with two
 *  versions of the larger ones. Optional dependencies are left out because they are native
 *  binaries, whose cost is that of deflate and is measured by a series of its own. */
const dependencies = {
  '@mui/icons-material': '5.16.7',
  'icons-before': 'npm:@mui/icons-material@5.15.21',
  'aws-sdk': '2.1692.0',
  'aws-sdk-before': 'npm:aws-sdk@2.1650.0',
  'core-js': '3.39.0',
  'date-fns': '4.1.0',
  'date-fns-before': 'npm:date-fns@3.6.0',
  googleapis: '144.0.0',
  'googleapis-before': 'npm:googleapis@140.0.1',
  lodash: '4.17.21',
  next: '14.2.30',
  'next-before': 'npm:next@14.2.29',
  'react-icons': '5.3.0',
  rxjs: '7.8.1',
  three: '0.170.0',
  typescript: '5.7.3',
  'typescript-before': 'npm:typescript@5.6.3',
}

export async function fetchNativeTree(): Promise<string> {
  const directory = join(corporaDirectory(), 'native-tree')
  if (existsSync(directory)) return directory
  await mkdir(corporaDirectory(), { recursive: true })
  const scratch = await mkdtemp(join(corporaDirectory(), '.filling-'))
  await writeFile(join(scratch, 'package.json'), JSON.stringify({ private: true, dependencies }))
  const quiet = ['--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund']
  await run('npm', ['install', '--no-package-lock', '--omit=optional', ...quiet], { cwd: scratch })
  await rename(scratch, directory)
  return directory
}

/** Appends a line to every hundredth file of `directory`, in a fixed order. Returns their
 *  number. */
export async function changeEveryHundredth(directory: string): Promise<number> {
  const files = (await listFiles(directory)).toSorted().filter((_, index) => index % 100 === 0)
  for (const file of files) {
    const handle = await open(file, 'a')
    await handle.write(`// changed\n`)
    await handle.close()
  }
  return files.length
}

/** Overwrites one megabyte in the middle of a file. */
export async function changeMegabyte(file: string): Promise<void> {
  const { size } = await stat(file)
  const handle = await open(file, 'r+')
  await handle.write(Buffer.alloc(1_000_000, 'changed'), 0, 1_000_000, Math.floor(size / 2))
  await handle.close()
}

/** Copies a tree, so that the copy can be changed. */
export async function copyTree(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
}
