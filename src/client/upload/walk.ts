/** Finds the entries of an upload in a single walk in manifest order, so that nothing needs
 *  sorting: within a directory, names are ordered as if directories ended in a slash. Files are
 *  neither opened nor stat'ed; hashing learns their size from the open file. */
import { type Dirent, type Stats, lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { comparePaths, defaultDirectoryMode, unsafePath } from '../../core/manifest/entry.ts'
import { invalidRequest, storeError } from '../../core/errors.ts'
import { compilePathGlobs } from '../../core/glob/path-glob.ts'
import { whileReading } from '../files/file-error.ts'
import { createGrowingTree, type Found } from './growing-tree.ts'
import { partialName } from '../download/partial-owner.ts'
import { leastCommonAncestor, slashed, withSlashes } from '../files/paths.ts'
import { entryAt, modeOf } from '../files/system.ts'
import { findLstat, findStat, targetOf } from './source-stats.ts'
import { type SourcePatterns, compileSourcePatterns } from './source-patterns.ts'
import type { SourceTree } from './source-tree.ts'
import { isOpenFile } from '../../named-pipe.ts'

export interface WalkOptions {
  /** Absolute directory that relative patterns start from. */
  directory: string
  includeHidden: boolean
  /** `follow`: symlinks are replaced by what they point to, and dangling ones are left out, as
   *  GitHub's action does. */
  symlinks: 'keep' | 'follow'
  /** Globs of entry paths to leave out; excluding a directory excludes everything below it. */
  exclude: readonly string[]
  /** Called with the entry path of each hidden file or directory that only `includeHidden` would
   *  add. */
  onHidden?: ((path: string) => void) | undefined
  /** Called with batches of entries as they are found, in order. */
  onFiles?: ((from: number, to: number, tree: SourceTree) => void) | undefined
  signal?: AbortSignal | undefined
}

/** How long the walk may block the event loop. */
const sliceMs = 25
/** Number of entries per batch. */
const announceFiles = 512

/** Walks what `patterns` select. Errors: unsafe_path, unsupported_entry, too_large, FileError. */
export async function walkSources(
  patterns: readonly string[],
  options: WalkOptions,
): Promise<SourceTree> {
  const compiled = compileSourcePatterns(patterns, options.directory)
  const root = uploadRoot(compiled)
  const tree = createGrowingTree(root)
  let announced = 0
  let sliceEnd = performance.now() + sliceMs
  for (const found of walkBelow(root, compiled, options)) {
    if (found !== undefined) tree.add(found)
    if (tree.count - announced >= announceFiles) {
      options.onFiles?.(announced, tree.count, tree)
      announced = tree.count
    }
    if (performance.now() > sliceEnd) {
      options.signal?.throwIfAborted()
      await nextTurn()
      sliceEnd = performance.now() + sliceMs
    }
  }
  if (tree.count > announced) options.onFiles?.(announced, tree.count, tree)
  return tree
}

/** The directory that entry paths are relative to, by GitHub's rules (API §1). One directory:
 *  itself. One file: its directory. Several paths: their least common ancestor. A glob: the part
 *  before its first wildcard. */
function uploadRoot({ searchPaths }: SourcePatterns): string {
  const [first, ...others] = searchPaths
  if (first === undefined) throw invalidRequest('PATH', 'no path to upload given')
  if (others.length === 0) return !findLstat(first) || isDirectory(first) ? first : dirname(first)
  return leastCommonAncestor(searchPaths)
}

function isDirectory(path: string): boolean {
  return findStat(path)?.isDirectory() === true
}

function* walkBelow(root: string, patterns: SourcePatterns, options: WalkOptions): Walk {
  const walk = createWalker(patterns, options, slashed(root).length)
  const children: Child[] = []
  for (const path of patterns.searchPaths) {
    const child = operand(path, options)
    if (child === undefined) continue
    if (isHidden(basename(path), options)) walk.noteHidden(child)
    else children.push(child)
  }
  if (children.length === 1 && children[0]!.path === root) yield* walk.content(root, [])
  else yield* walk.children(children, [])
}

/** A symlink that the user names is followed if it leads to a directory, as `cp -rH` does, or
 *  stands for an open file: later, and elsewhere, it would lead nowhere. */
function operand(path: string, { symlinks }: WalkOptions): Child | undefined {
  const own = findLstat(path)
  if (own?.isSymbolicLink() !== true) return own && { path, entry: own }
  const target = findStat(path)
  if (symlinks === 'follow' || isOpenFile(path)) return throughLink(path, target)
  return { path, entry: target?.isDirectory() === true ? target : own }
}

/** What a symlink at `path` leads to; undefined when it is dangling. */
function throughLink(path: string, target: Stats | undefined): Child | undefined {
  if (target === undefined) return undefined
  return { path, entry: target, source: target.isFile() ? targetOf(path) : undefined }
}

function isHidden(name: string, { includeHidden }: WalkOptions): boolean {
  return !includeHidden && name.startsWith('.')
}

/** Something in a directory, or named by the user. `entry` tells its kind. */
interface Child {
  path: string
  entry: Stats | Dirent
  source?: Found['source']
  /** Its name is not UTF-8, so `path` does not lead to it. */
  isUnreadable?: true
}

/** Yields undefined for each directory that is read, so that the walk can pause where it takes
 *  nothing. */
type Walk = Generator<Found | undefined, void, undefined>

interface Walker {
  /** Walks the directory `path`, whose real ancestors are `chain`. */
  content(path: string, chain: readonly string[]): Walk
  children(children: readonly Child[], chain: readonly string[]): Walk
  noteHidden(child: Child): void
}

function createWalker(
  patterns: SourcePatterns,
  options: WalkOptions,
  prefixLength: number,
): Walker {
  const follows = options.symlinks === 'follow'
  const excluded = matching(options.exclude)
  // Finds directories of which everything below is excluded, so that they need not be read.
  const below = options.exclude.filter((glob) => glob.endsWith('/**'))
  const excludedBelow = matching(below.map((glob) => glob.slice(0, -'/**'.length)))
  const entryPathOf = (path: string): string => path.slice(prefixLength)

  function findLeaf(child: Child): Found | undefined {
    const { path, entry, source } = child
    const entryPath = entryPathOf(path)
    if ((!patterns.isPlain && !patterns.match(path).asLeaf) || excluded(entryPath)) return undefined
    refuseUnreadable(child)
    if (entry.isFile()) return { path: entryPath, kind: 'file', source }
    if (entry.isSymbolicLink()) {
      const stats = whileReading(path, () => lstatSync(path))
      return { path: entryPath, kind: 'symlink', stats, target: readTarget(path) }
    }
    const kind = specialKind(entry)
    throw storeError(
      'unsupported_entry',
      `${path} is a ${kind}, which an artifact cannot hold; exclude it`,
      {
        path,
        kind,
      },
    )
  }

  function* content(path: string, chain: readonly string[]): Walk {
    if (excludedBelow(entryPathOf(path))) return
    const real = follows ? targetOf(path) : path
    if (chain.includes(real)) return
    yield undefined
    const found = readChildren(path, options)
    for (const child of found.hidden) noteHidden(child)
    yield* children(found.visible, follows ? [...chain, real] : chain)
  }

  /** A directory occurs twice in the order: as `name`, where its own entry belongs, and as
   *  `name/`, where its content does. Whether it is empty must be known at the first position,
   *  so its content is begun there. */
  function* children(list: readonly Child[], chain: readonly string[]): Walk {
    const begun = new Map<Child, { first: Found; rest: Walk }>()
    for (const { child, isContent } of inOrder(list)) {
      if (!child.entry.isDirectory()) {
        const leaf = findLeaf(child)
        if (leaf !== undefined) yield leaf
      } else if (isContent) {
        const inside = begun.get(child)
        if (inside === undefined) continue
        yield inside.first
        yield* inside.rest
      } else if (isOfInterest(child.path)) {
        refuseUnreadable(child)
        const rest = content(child.path, chain)
        let first = rest.next()
        for (; first.done !== true && first.value === undefined; first = rest.next()) yield
        if (first.value !== undefined) begun.set(child, { first: first.value, rest })
        const own = findDirectory(child.path)
        // A directory that its content implies gets no entry, unless its mode is unusual.
        if (own && (first.value === undefined || modeOf(own.stats!) !== defaultDirectoryMode))
          yield own
      }
    }
  }

  function noteHidden({ path, entry }: Child): void {
    const isMatch = (): boolean => {
      const { asDirectory, asLeaf } = patterns.match(path)
      return entry.isDirectory() ? asDirectory : asLeaf
    }
    const entryPath = entryPathOf(path)
    if (excluded(entryPath) || excludedBelow(entryPath)) return
    if (patterns.isPlain || isMatch()) options.onHidden?.(entryPath)
  }

  function isOfInterest(path: string): boolean {
    if (excluded(entryPathOf(path))) return false
    return patterns.isPlain || patterns.mayMatchBelow(path)
  }

  function findDirectory(path: string): Found | undefined {
    if (!patterns.isPlain && !patterns.match(path).asDirectory) return undefined
    const stats = whileReading(path, () => statSync(path))
    return { path: entryPathOf(path), kind: 'directory', stats }
  }

  return { content, children, noteHidden }
}

function matching(globs: readonly string[]): (path: string) => boolean {
  return globs.length === 0 ? () => false : compilePathGlobs(globs)
}

function inOrder(children: readonly Child[]): { child: Child; isContent: boolean; key: string }[] {
  const places = children.map((child) => ({ child, isContent: false, key: child.path }))
  for (const child of children) {
    if (child.entry.isDirectory()) places.push({ child, isContent: true, key: `${child.path}/` })
  }
  return places.sort((a, b) => comparePaths(a.key, b.key))
}

/** Applies to what would be sent; an excluded or unmatched file may have any name. Errors:
 *  unsafe_path. */
function refuseUnreadable({ path, isUnreadable }: Child): void {
  if (isUnreadable === true)
    throw unsafePath(path, 'its name is not valid UTF-8; rename it, or exclude it')
}

/** Children are unordered. Where symlinks are followed, dangling ones are left out. */
function readChildren(path: string, options: WalkOptions): { visible: Child[]; hidden: Child[] } {
  const entries = whileReading(path, () => readdirSync(path, { withFileTypes: true }))
  const prefix = slashed(path)
  const visible: Child[] = []
  const hidden: Child[] = []
  for (const entry of entries) {
    const { name } = entry
    // Leftovers of a killed download are not content.
    if (name === partialName) continue
    if (isHidden(name, options)) {
      // Nothing more is asked about what is left out, as that could fail.
      hidden.push({ path: prefix + name, entry })
    } else if (name.includes('\ufffd') && findLstat(prefix + name) === undefined) {
      // Node decodes names as UTF-8 and substitutes this character for invalid bytes.
      visible.push({ path: prefix + name, entry, isUnreadable: true })
    } else if (options.symlinks === 'follow' && entry.isSymbolicLink()) {
      const child = throughLink(prefix + name, findStat(prefix + name))
      if (child !== undefined) visible.push(child)
    } else {
      visible.push({ path: prefix + name, entry: entryAt(prefix + name, entry) })
    }
  }
  return { visible, hidden }
}

/** Errors: FileError, unsafe_path. */
function readTarget(path: string): string {
  const bytes = whileReading(path, () => readlinkSync(path, 'buffer'))
  const target = bytes.toString()
  if (!bytes.equals(Buffer.from(target))) throw unsafePath(path, 'its target is not valid UTF-8')
  return withSlashes(target)
}

function specialKind(entry: Stats | Dirent): string {
  if (entry.isSocket()) return 'socket'
  if (entry.isFIFO()) return 'pipe'
  return 'device'
}
