/** Reads the file of a database that this process has open.
 *
 *  When a process closes a descriptor of a file, the system drops all its locks on that file
 *  (sqlite.org/howtocorrupt.html, 2.2). Then another program that closes the database takes itself
 *  for the last user and deletes the log, and with it what is written from then on; SQLite 3.46
 *  does, 3.53 does not. So a descriptor is opened once for each file, and stays open until the
 *  process ends. */
import { openSync, read } from 'node:fs'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { limits } from '../../core/limits.ts'

/** By device and inode, which no other file gets while this one is open. */
const descriptors = new Map<string, number>()
const readAt = promisify(read)

/** Yields all of the file as it is found. */
export async function* readDatabaseFile(
  path: string,
  onRead: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const { dev, ino } = await stat(path)
  const key = `${dev} ${ino}`
  const descriptor = descriptors.get(key) ?? openSync(path, 'r')
  descriptors.set(key, descriptor)
  for (let at = 0; ;) {
    const buffer = Buffer.allocUnsafe(limits.readWindowBytes)
    const { bytesRead } = await readAt(descriptor, buffer, 0, buffer.length, at)
    if (bytesRead === 0) return
    onRead(bytesRead)
    yield buffer.subarray(0, bytesRead)
    at += bytesRead
  }
}
