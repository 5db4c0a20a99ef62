/** Directories to upload, and the comparison of downloads file by file. */
import { hash, randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { entriesBelow } from '../client/tree.ts'

/** Content by path below the root. */
export type Tree = Record<string, string | Buffer>

/** A small build output: text, an empty file, a script, a non-ASCII name. */
export const smallTree: Tree = {
  'index.html': '<!doctype html><title>demo</title>',
  'assets/app.js': 'console.log("hello")\n'.repeat(500),
  'assets/empty.css': '',
  'bin/run.sh': '#!/bin/sh\nexit 0\n',
  'docs/größe ✓.txt': 'a name that is not ASCII',
}

/** The same, plus enough random bytes that the client sends more than one block of 8 MiB. */
export function buildTree(): Tree {
  return { ...smallTree, 'large.bin': randomBytes(9 * 1024 * 1024) }
}

/** Writes the files below `root` and returns their paths. Scripts become executable. */
export async function writeTree(root: string, tree: Tree): Promise<string[]> {
  const paths: string[] = []
  for (const [name, content] of Object.entries(tree)) {
    const path = join(root, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
    if (name.endsWith('.sh')) await chmod(path, 0o755)
    paths.push(path)
  }
  return paths
}

/** Returns the SHA-256 by path of a tree in memory. */
export function digestsOf(tree: Tree): Record<string, string> {
  const digests = Object.entries(tree).map(([path, content]) => [
    path,
    hash('sha256', content, 'hex'),
  ])
  return Object.fromEntries(digests) as Record<string, string>
}

/** Returns the SHA-256 by path of the regular files below `root`. */
export async function readDigests(root: string): Promise<Record<string, string>> {
  const digests: Record<string, string> = {}
  for (const item of await entriesBelow(root)) {
    if (!item.isFile()) continue
    const path = join(item.parentPath, item.name)
    digests[relative(root, path)] = hash('sha256', await readFile(path), 'hex')
  }
  return digests
}
