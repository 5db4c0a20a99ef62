/** The real file system, with a record of what would survive a power loss: of a file its content at
 *  its last sync, of a directory its entries at its last sync. Nothing else is guaranteed. */
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import type { BackupFileSystem } from '../../src/lifecycle/backup/backup.ts'
import { type PackFile, nodeFileSystem } from '../../src/packs/local/file-system.ts'

export interface ForgetfulFileSystem extends BackupFileSystem {
  /** Writes what remains after a power loss at this moment to a new directory. Without `random`,
   *  nothing unsynced remains. With it, each unsynced change independently does or does not; files
   *  may have any part of their new length. */
  loseTo(directory: string, random?: () => number): Promise<void>
}

interface FileNode {
  kind: 'file'
  /** Its current path. */
  path: string
  /** Null before the first sync. */
  durable: Buffer | null
  isDirty: boolean
}

interface DirectoryNode {
  kind: 'directory'
  durable: Map<string, Node>
  current: Map<string, Node>
}

type Node = FileNode | DirectoryNode

function newDirectory(): DirectoryNode {
  return { kind: 'directory', durable: new Map(), current: new Map() }
}

/** Tracks what is below `root`, which must exist, be empty, and be durable itself. */
export function createForgetfulFileSystem(root: string): ForgetfulFileSystem {
  const top = newDirectory()

  const find = (path: string): Node | undefined => {
    let node: Node | undefined = top
    for (const name of relative(root, path)
      .split(sep)
      .filter((part) => part !== '')) {
      if (node?.kind !== 'directory') return undefined
      node = node.current.get(name)
    }
    return node
  }
  const parentOf = (path: string): DirectoryNode => {
    const node = find(dirname(path))
    if (node?.kind !== 'directory') throw new Error(`${dirname(path)} is not known`)
    return node
  }
  const addFile = (path: string): FileNode => {
    const node: FileNode = { kind: 'file', path, durable: null, isDirty: true }
    parentOf(path).current.set(basename(path), node)
    return node
  }
  /** Adopts files that other code wrote; that code syncs them itself. */
  const adoptStrangers = async (path: string, node: DirectoryNode): Promise<void> => {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (node.current.has(entry.name) || !entry.isFile()) continue
      const stranger = addFile(join(path, entry.name))
      stranger.durable = await readFile(stranger.path)
      stranger.isDirty = false
    }
  }
  const watchFile = (file: PackFile, path: string, node: Node | undefined): PackFile => ({
    ...file,
    write: async (bytes, position) => {
      if (node?.kind === 'file') node.isDirty = true
      return await file.write(bytes, position)
    },
    sync: async () => {
      await file.sync()
      if (node?.kind === 'file') {
        node.durable = await readFile(node.path)
        node.isDirty = false
      } else if (node?.kind === 'directory') {
        await adoptStrangers(path, node)
        node.durable = new Map(node.current)
      }
    },
  })

  return {
    open: async (path, mode) => {
      const file = await nodeFileSystem.open(path, mode)
      return watchFile(file, path, mode === 'create' ? addFile(path) : find(path))
    },
    mkdir: async (path) => {
      await nodeFileSystem.mkdir(path)
      parentOf(path).current.set(basename(path), newDirectory())
    },
    rename: async (from, to) => {
      await nodeFileSystem.rename(from, to)
      const node = find(from)
      if (node === undefined) throw new Error(`${from} is not known`)
      parentOf(from).current.delete(basename(from))
      parentOf(to).current.set(basename(to), node)
      moveFiles(node, to)
    },
    unlink: async (path) => {
      await nodeFileSystem.unlink(path)
      parentOf(path).current.delete(basename(path))
    },
    link: async (path, alias) => {
      await nodeFileSystem.link(path, alias)
      const node = find(path)
      if (node === undefined) throw new Error(`${path} is not known`)
      parentOf(alias).current.set(basename(alias), node)
    },
    readdir: async (path) => await nodeFileSystem.readdir(path),
    stat: async (path) => await nodeFileSystem.stat(path),
    copyFile: async (from, to) => {
      await copyFile(from, to)
      addFile(to)
    },
    loseTo: async (directory, random) => await writeTree(top, directory, random),
  }
}

/** Updates the paths of the files in a renamed directory. */
function moveFiles(node: Node, to: string): void {
  if (node.kind === 'file') node.path = to
  else for (const [name, child] of node.current) moveFiles(child, join(to, name))
}

async function writeTree(node: Node, path: string, random?: () => number): Promise<void> {
  if (node.kind === 'file') {
    await writeFile(path, await contentOf(node, random))
    return
  }
  await mkdir(path, { recursive: true })
  for (const name of new Set([...node.durable.keys(), ...node.current.keys()])) {
    const [durable, current] = [node.durable.get(name), node.current.get(name)]
    const isChanged = durable !== current
    const kept = isChanged && random !== undefined && random() < 0.5 ? current : durable
    if (kept !== undefined) await writeTree(kept, join(path, name), random)
  }
}

async function contentOf(file: FileNode, random?: () => number): Promise<Buffer> {
  const durable = file.durable ?? Buffer.alloc(0)
  if (!file.isDirty || random === undefined || random() < 0.3) return durable
  const written = await readFile(file.path).catch(() => durable)
  return random() < 0.5 ? written : written.subarray(0, Math.floor(random() * written.length))
}
