/** Finds credentials that got into artifacts by mistake: which files to scan, and what in them is a
 *  credential (`secret-rules.ts`). A finding is a kind and a line, never the secret itself. */
import { asBuffer } from '../bytes/as-buffer.ts'
import { type SecretKind, type SecretRule, secretRules } from './secret-rules.ts'
import { counted } from '../units.ts'

export interface FoundSecret {
  kind: SecretKind
  /** Counted from 1. */
  line: number
}

/** Increase this whenever the rules can find something new, so that trees are scanned again. */
export const secretRulesVersion = 1

/** Whether the path is that of a file made to hold credentials. Any tree has few of these, so an
 *  upload can scan them on the way. */
export function isCredentialPath(path: string): boolean {
  return credentialPath.test(path)
}

/** Whether the path is that of a text file in which credentials may be printed or kept. */
export function isTextPath(path: string): boolean {
  return textPath.test(path)
}

const credentialPath =
  /(?:^|\/)(?:\.git\/config|\.gitconfig|\.git-credentials|git-credentials-[^/]*\.config|\.env(?:\.[^/]*)?|\.npmrc|\.yarnrc\.yml|\.pypirc|[._]netrc|\.docker\/config\.json|\.dockercfg|\.aws\/credentials|\.kube\/config|id_(?:rsa|dsa|ecdsa|ed25519))$|\.(?:pem|key)$/
const textPath =
  /\.(?:log|txt|out|env|ini|cfg|conf|config|properties|toml|ya?ml|json|xml|sh|tfvars|tfstate)$/i

const allRules = Object.entries(secretRules) as [SecretKind, SecretRule][]

/** Upper bound on the findings in one file. */
const foundMax = 20
/** A file with a NUL among its first bytes is not text; git uses the same rule. */
const headBytes = 8000

/** Returns the findings in a file's bytes, ordered by line; at most `foundMax`, and one per
 *  line. */
export function findSecrets(bytes: Uint8Array): FoundSecret[] {
  const text = textOf(bytes)
  const byLine = new Map<number, SecretKind>()
  for (const [kind, { marks, pattern, holds }] of allRules) {
    if (!marks.some((mark) => text.includes(mark))) continue
    let line = 1
    let nextFeed = text.indexOf('\n')
    for (const match of text.matchAll(pattern)) {
      if (byLine.size >= foundMax) break
      if (!holds(match.findLast((group) => group !== undefined)!)) continue
      // Each line feed is looked for once, however many matches are on one line.
      for (; nextFeed !== -1 && nextFeed < match.index; nextFeed = text.indexOf('\n', nextFeed + 1))
        line += 1
      // Earlier rules are more specific.
      if (!byLine.has(line)) byLine.set(line, kind)
    }
  }
  return [...byLine].map(([line, kind]) => ({ kind, line })).toSorted((a, b) => a.line - b.line)
}

/** Whether a finding counts in a file with that path: keys made for tests are not secret. */
export function countsAt(kind: SecretKind, path: string): boolean {
  const rule: SecretRule = secretRules[kind]
  return rule.countsAt?.(path) ?? true
}

export function secretTitle(kind: SecretKind): string {
  return secretRules[kind].title
}

/** The end of a sentence about findings: how many files were not scanned. */
export function skippedFilesPart(files: number): string {
  if (files === 0) return ''
  return `; ${counted(files, 'file')} skipped (too large, too many or damaged)`
}

/** Decodes as Latin-1, in which everything the rules match reads the same as in UTF-8; or as
 *  UTF-16, which Windows shells write. */
function textOf(bytes: Uint8Array): string {
  const buffer = asBuffer(bytes)
  if (buffer[0] === 0xff && buffer[1] === 0xfe) return buffer.toString('utf16le')
  return buffer.subarray(0, headBytes).includes(0) ? '' : buffer.toString('latin1')
}
