/** Recognizes the journal of systemd. */
import { fstatSync } from 'node:fs'

/** `stream` is the value of JOURNAL_STREAM, the device and inode of the journal's socket. Children
 *  inherit the variable, whatever their own output is (systemd.exec, "JOURNAL_STREAM"). */
export function isJournal(stream: string | undefined, descriptor: number): boolean {
  if (stream === undefined) return false
  const { dev, ino } = fstatSync(descriptor)
  return stream === `${dev}:${ino}`
}
