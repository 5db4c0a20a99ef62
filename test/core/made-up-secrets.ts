/** Credentials that open nothing, assembled here: written out, they would trigger scanners that
 *  look for leaks in this repository. */
import { createHash } from 'node:crypto'
import { crc32 } from '../../src/core/bytes/crc32.ts'

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Returns `length` letters and digits, the same for the same seed. */
export function randomText(length: number, seed = 'trove'): string {
  const bytes = createHash('shake256', { outputLength: length }).update(seed).digest()
  return Array.from(bytes, (byte) => base62[byte % 62]).join('')
}

/** Appends a checksum as in GitHub's and npm's tokens. */
export function withChecksum(text: string): string {
  let rest = crc32(Buffer.from(text))
  let digits = ''
  for (let at = 0; at < 6; at++) {
    digits = base62[rest % 62]! + digits
    rest = Math.floor(rest / 62)
  }
  return text + digits
}

export function githubToken(seed?: string): string {
  return `ghs_${withChecksum(randomText(30, seed))}`
}

/** The `.git/config` that actions/checkout leaves behind; the token is in line 7. */
export function checkoutConfig(token = githubToken()): string {
  const credential = Buffer.from(`x-access-token:${token}`).toString('base64')
  return `[core]
\trepositoryformatversion = 0
\tbare = false
[remote "origin"]
\turl = https://github.com/acme/app
[http "https://github.com/"]
\textraheader = AUTHORIZATION: basic ${credential}
`
}
