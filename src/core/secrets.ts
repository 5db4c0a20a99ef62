/** Credentials that get into artifacts by mistake: which files are worth a look, and what in them is one
 *  (`secret-rules.ts`). What is found is a kind and a line, never the secret. */
import { type SecretKind, type SecretRule, secretRules } from './secret-rules.ts'
import { counted } from './units.ts'

export interface FoundSecret {
  kind: SecretKind
  /** From 1 on. */
  line: number
}

/** Grows whenever there is something new to find, so that what was looked at before is looked at again. */
export const secretRulesVersion = 1

/** Whether a file is made to hold credentials: few in any tree are, so that whoever uploads can look at them on the way. */
export function isCredentialPath(path: string): boolean {
  return credentialPath.test(path)
}

/** Whether it is of text that others print credentials to, or keep them in. */
export function isTextPath(path: string): boolean {
  return textPath.test(path)
}

const credentialPath =
  /(?:^|\/)(?:\.git\/config|\.gitconfig|\.git-credentials|git-credentials-[^/]*\.config|\.env(?:\.[^/]*)?|\.npmrc|\.yarnrc\.yml|\.pypirc|[._]netrc|\.docker\/config\.json|\.dockercfg|\.aws\/credentials|\.kube\/config|id_(?:rsa|dsa|ecdsa|ed25519))$|\.(?:pem|key)$/
const textPath =
  /\.(?:log|txt|out|env|ini|cfg|conf|config|properties|toml|ya?ml|json|xml|sh|tfvars|tfstate)$/i

const allRules = Object.entries(secretRules) as [SecretKind, SecretRule][]

/** Found in one file; more are not told. */
const foundMax = 20
/** Where a NUL is looked for, as git does: what has one is no text. */
const headBytes = 8000

/** What the bytes of a file hold, by lines; at most twenty, of each line one. */
export function findSecrets(bytes: Uint8Array): FoundSecret[] {
  const text = textOf(bytes)
  const byLine = new Map<number, SecretKind>()
  for (const [kind, { marks, pattern, holds }] of allRules) {
    if (!marks.some((mark) => text.includes(mark))) continue
    let line = 1
    let counted = 0
    for (const match of text.matchAll(pattern)) {
      if (byLine.size >= foundMax) break
      if (!holds(match.findLast((group) => group !== undefined)!)) continue
      line += lineFeedsIn(text, counted, match.index)
      counted = match.index
      // The rules before tell more of what it is.
      if (!byLine.has(line)) byLine.set(line, kind)
    }
  }
  return [...byLine].map(([line, kind]) => ({ kind, line })).toSorted((a, b) => a.line - b.line)
}

/** Whether what was found counts in a file of that path: keys of tests are there to be read. */
export function countsAt(kind: SecretKind, path: string): boolean {
  const rule: SecretRule = secretRules[kind]
  return rule.countsAt?.(path) ?? true
}

export function secretTitle(kind: SecretKind): string {
  return secretRules[kind].title
}

/** How a sentence on what was found goes on: in how many files nobody has looked. */
export function passedOverPart(files: number): string {
  if (files === 0) return ''
  return `; ${counted(files, 'file')} passed over, being too large, too many or damaged`
}

/** Latin-1, in which all that is looked for is the same as in UTF-8; Windows' shells write UTF-16. */
function textOf(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer[0] === 0xff && buffer[1] === 0xfe) return buffer.toString('utf16le')
  return buffer.subarray(0, headBytes).includes(0) ? '' : buffer.toString('latin1')
}

function lineFeedsIn(text: string, from: number, to: number): number {
  let count = 0
  for (let at = text.indexOf('\n', from); at !== -1 && at < to; at = text.indexOf('\n', at + 1))
    count += 1
  return count
}
