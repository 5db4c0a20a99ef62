/** Creates missing directories. */
import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Creates a directory and its missing parents, each with `mode`, and returns their paths. Does
 *  not use Node's `recursive`: it loops forever when an existing directory such as /proc fails
 *  with ENOENT, and it reports ENOENT in place of some other errors. Errors: those of the
 *  system. */
export function makeDirectories(path: string, mode?: number): string[] {
  if (isDirectory(path)) return []
  const made = dirname(path) === path ? [] : makeDirectories(dirname(path), mode)
  try {
    mkdirSync(path, mode)
  } catch (error) {
    // Another process may have created it meanwhile.
    if (!isDirectory(path)) throw error
  }
  return [...made, path]
}

/** As `makeDirectories`; what it creates survives a power loss. Not for Windows, where directories
 *  cannot be synced. */
export function makeDurableDirectories(path: string, mode: number): void {
  for (const made of makeDirectories(path, mode)) syncDirectory(dirname(made))
}

function syncDirectory(path: string): void {
  try {
    const directory = openSync(path, 'r')
    try {
      fsyncSync(directory)
    } finally {
      closeSync(directory)
    }
  } catch (error) {
    // Who may create something in a directory may not always read it.
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
