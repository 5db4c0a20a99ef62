/** A table of credential formats. False alarms teach people to ignore true ones, so the table has
 *  only formats that can be recognized with certainty: by a checksum, by decoding, or by the text
 *  before them.
 *
 *  Contents are untrusted, so each pattern must run in linear time: every repetition is bounded, or
 *  ends where the next match can begin. */
import { crc32 } from '../bytes/crc32.ts'
import { jwtPayload } from '../access/token-claims.ts'

export interface SecretRule {
  /** As shown to people. */
  title: string
  /** Every match contains at least one of these strings. Most texts contain none, so a quick search
   *  rules out the rule. */
  marks: readonly string[]
  /** Global; its last group is the secret. */
  pattern: RegExp
  /** Whether the match is a real credential. */
  holds(secret: string): boolean
  /** Whether a match counts in a file with this path; absent: everywhere. */
  countsAt?(path: string): boolean
}

export const secretRules = {
  // Left behind by actions/checkout (v1 to v5; by v6 in a file of its own), the leak known as
  // ArtiPACKED, https://unit42.paloaltonetworks.com/github-repo-artifacts-leak-tokens/
  'git-authorization': {
    title: 'git credential left by a checkout',
    marks: ['xtraheader', 'EXTRAHEADER'],
    pattern:
      /extraheader[ \t]{0,8}=[ \t]{0,8}["']?authorization:[ \t]{0,8}basic[ \t]{1,8}([\w+/-]{16,8192}={0,2})/gi,
    holds: isUserAndPassword,
  },
  // https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/
  'github-token': {
    title: 'GitHub token',
    marks: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'],
    pattern: /(?<!\w)gh[pousr]_([A-Za-z0-9]{36}|[A-Za-z0-9]{76})(?!\w)/g,
    holds: hasChecksum,
  },
  // ghs_APPID_JWT:
  // https://github.blog/changelog/2026-04-24-notice-about-upcoming-new-format-for-github-app-installation-tokens/
  'github-app-token': {
    title: 'GitHub token',
    marks: ['ghs_'],
    pattern: /(?<![\w-])ghs_\d{1,20}_(eyJ[\w-]{5,4096}\.eyJ[\w-]{5,8192}\.[\w-]{40,1024})/g,
    holds: (token) => jwtPayload(token) !== undefined,
  },
  // https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
  'github-fine-grained-token': {
    title: 'GitHub token',
    marks: ['github_pat_'],
    pattern: /(?<!\w)github_pat_([A-Za-z0-9]{22}_[A-Za-z0-9]{59})(?!\w)/g,
    holds: isRandom,
  },
  // https://docs.gitlab.com/security/tokens/#token-prefixes; the longer form is routable.
  'gitlab-token': {
    title: 'GitLab token',
    marks: ['glpat-', 'gldt-', 'glrt-', 'glptt-', 'glcbt-'],
    pattern:
      /(?<![\w-])(?:gl(?:pat|dt|rt)-|glcbt-[0-9a-zA-Z]{1,5}_|glptt-(?=[0-9a-f]{40}(?![\w-])))([\w-]{20}|[\w-]{40}|[\w-]{27,300}\.[0-9a-z]{2}\.?[0-9a-z]{7})(?![\w-])/g,
    holds: isRandom,
  },
  // https://github.blog/2021-09-23-announcing-npms-new-access-token-format/
  'npm-token': {
    title: 'npm token',
    marks: ['npm_'],
    pattern: /(?<!\w)npm_([A-Za-z0-9]{36})(?!\w)/g,
    holds: hasChecksum,
  },
  // https://docs.npmjs.com/cli/configuring-npm/npmrc#auth-related-configuration; `${NAME}` is a
  // variable.
  'registry-password': {
    title: 'package registry password',
    marks: [':_authToken', ':_auth', ':_password', 'npmAuthToken'],
    pattern:
      /^[ \t]{0,8}(?:\/\/[\w.:@/~-]{1,255}:_(?:authToken|auth|password)[ \t]{0,8}=|npmAuthToken:)[ \t]{0,8}["']?([^\s"'$<{]{16,4096})/gm,
    holds: isRandom,
  },
  // https://docs.pypi.org/api/secrets/: a macaroon whose location is pypi.org, or test.pypi.org.
  'pypi-token': {
    title: 'PyPI token',
    marks: ['pypi-AgE'],
    pattern: /(?<![\w-])pypi-(AgEIcHlwaS5vcmc[\w-]{50,1000}|AgENdGVzdC5weXBpLm9yZ[\w-]{50,1000})/g,
    holds: isRandom,
  },
  // https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html: the key id is
  // not secret, and the secret key has no recognizable form except its length.
  'aws-secret-key': {
    title: 'AWS secret access key',
    marks: ['ecret_access_key', 'ECRET_ACCESS_KEY', 'ecretAccessKey'],
    pattern:
      /secret_?access_?key["']?[ \t]{0,8}[:=][ \t]{0,8}["']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])/gi,
    holds: (secret) => isRandom(secret) && !/^[0-9a-f]*$/.test(secret),
  },
  // https://docs.slack.dev/authentication/tokens
  'slack-token': {
    title: 'Slack token',
    marks: ['xoxb-', 'xoxp-', 'xapp-'],
    pattern:
      /(?<![\w-])(?:xoxb-\d{9,14}-\d{9,14}-([A-Za-z0-9]{24})|xoxp-(?:\d{9,14}-){2,3}([0-9a-f]{32})|xapp-\d-[A-Z0-9]{8,12}-\d{9,14}-([0-9a-f]{64}))(?![\w-])/g,
    holds: isRandom,
  },
  // https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks: anybody who has the
  // URL may post.
  'slack-webhook': {
    title: 'Slack webhook',
    marks: ['https://hooks.slack.com/services/'],
    pattern:
      /https:\/\/hooks\.slack\.com\/services\/T[A-Z0-9]{8,12}\/B[A-Z0-9]{8,12}\/([A-Za-z0-9]{24})(?![A-Za-z0-9])/g,
    holds: isRandom,
  },
  // RFC 7468 §10, and OpenSSH's PROTOCOL.key. A key with a passphrase has another header, or says
  // so inside. In JSON, such as Google's service account keys, line ends are written as `\n`.
  'private-key': {
    title: 'private key',
    marks: ['PRIVATE KEY-----'],
    pattern:
      /-----BEGIN (?:RSA |EC |DSA |OPENSSH )?PRIVATE KEY-----([^-]{60,16384})-----END (?:RSA |EC |DSA |OPENSSH )?PRIVATE KEY-----/g,
    holds: isUnlockedKey,
    countsAt: (path) => !madeForTests.test(path),
  },
  // https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/#AuthInfo: a PEM key,
  // base64-encoded.
  'kubernetes-key': {
    title: 'private key in a kubeconfig',
    marks: ['client-key-data'],
    pattern: /client-key-data["']?:[ \t]{1,8}["']?(LS0tLS1CRUdJTi[A-Za-z0-9+/]{60,16384}={0,2})/g,
    holds: (encoded) => {
      const pem = Buffer.from(encoded, 'base64').toString('latin1')
      const [body] = /(?<=PRIVATE KEY-----)[^-]{60,}(?=-----END)/.exec(pem) ?? []
      return body !== undefined && isUnlockedKey(body)
    },
  },
  // https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string: 64 bytes.
  // The emulator's key, which that page publishes, is not secret.
  'azure-storage-key': {
    title: 'Azure storage account key',
    marks: ['AccountKey='],
    pattern: /(?<!\w)AccountKey=([A-Za-z0-9+/]{86}==)/g,
    holds: (key) =>
      isRandom(key) && !key.startsWith('Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6'),
  },
  // https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html
  'netrc-password': {
    title: 'password in a .netrc file',
    marks: ['machine'],
    pattern:
      /(?<!\w)machine\s{1,16}[\w.:-]{1,255}\s{1,16}login\s{1,16}[^\s]{1,255}\s{1,16}password\s{1,16}([^\s<$]{8,1024})/g,
    holds: isRandom,
  },
  // https://git-scm.com/docs/git-credential-store#_storage_format, and remotes in .git/config.
  'url-password': {
    title: 'password in the URL of a git remote',
    marks: ['://'],
    pattern:
      /^(?:[ \t]{0,8}url[ \t]{0,8}=[ \t]{0,8})?https?:\/\/[^\s/:@]{0,255}:([^\s/:@<${]{8,512})@[\w.-]{1,255}/gm,
    holds: isRandom,
    countsAt: (path) => /(?:^|\/)(?:\.git\/config|\.gitconfig|\.git-credentials)$/.test(path),
  },
  // https://docs.docker.com/reference/cli/docker/login/#default-behavior
  'docker-password': {
    title: 'container registry password',
    marks: ['"auth"'],
    pattern: /"auth"\s{0,32}:\s{0,32}"([A-Za-z0-9+/]{12,8192}={0,2})"/g,
    holds: isUserAndPassword,
  },
  // A token of Trove, or of a job's runner (`scp`), from which the actions read their ids.
  'job-token': {
    title: 'CI job or Trove token',
    marks: ['eyJ'],
    pattern: /(?<![\w.-])(eyJ[\w-]{5,4096}\.eyJ[\w-]{5,8192}\.[\w-]{20,1024})(?![\w-])/g,
    holds: (token) => {
      const { iss, scp } = jwtPayload(token) ?? {}
      return iss === 'trove' || (typeof scp === 'string' && scp.includes('Actions.'))
    },
  },
  // These have no form of their own, so they are matched by variable name and only in files of
  // private variables.
  'env-secret': {
    title: 'secret in an .env file',
    marks: ['SECRET', 'TOKEN', 'PASSW', 'KEY'],
    pattern:
      /^(?:export[ \t]{1,4})?(?!(?:NEXT|NUXT|EXPO|VITE|REACT|GATSBY|PUBLIC)_)[A-Z0-9_]{0,40}(?:SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|PRIVATE_?KEY)[A-Z0-9_]{0,40}[ \t]{0,4}=[ \t]{0,4}["']?([\w+/=.~!@%^&*-]{16,512})["']?[ \t\r]{0,8}$/gm,
    holds: (value) =>
      /\d/.test(value) && /[A-Za-z]/.test(value) && !/^\.{0,2}\//.test(value) && isRandom(value),
    countsAt: (path) =>
      /(?:^|\/)\.env(?:\.(?:local|production|prod|staging|development|dev)){0,2}$/.test(path),
  },
} satisfies Record<string, SecretRule>

export type SecretKind = keyof typeof secretRules

const madeForTests =
  /(?:^|\/)(?:[^/]{0,64}[._-])?(?:tests?|specs?|fixtures?|testdata|examples?|samples?|mocks?|snakeoil|dummy|fake|localhost)(?:[._-][^/]*)?(?:\/|$)|__(?:tests|fixtures|mocks)__/i

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Checks the format of GitHub's and npm's tokens: the last six characters are the CRC-32 of those
 *  before, without the prefix. */
function hasChecksum(token: string): boolean {
  let rest = crc32(Buffer.from(token.slice(0, -6)))
  let digits = ''
  while (digits.length < 6) {
    digits = base62[rest % 62]! + digits
    rest = Math.floor(rest / 62)
  }
  return token.endsWith(digits)
}

/** Whether the text could be a real key and is not a placeholder. */
function isRandom(secret: string): boolean {
  return (
    new Set(secret).size >= 8 &&
    !/example|change.?me|placeholder|your.?|x{4}|\*{3}|dummy|redacted|sample|insert|password|0123456|1234567|abcdef/i.test(
      secret,
    )
  )
}

/** Whether the text is `user:password` in base64. */
function isUserAndPassword(encoded: string): boolean {
  const [, password] =
    /^[ -9;-~]*:([!-~]{8,})$/.exec(Buffer.from(encoded, 'base64').toString()) ?? []
  return password !== undefined && isRandom(password)
}

/** Whether base64 text, ignoring white space, is a private key without a passphrase. */
function isUnlockedKey(body: string): boolean {
  const encoded = body.replaceAll(/\\[nr]|\s/g, '')
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return false
  const key = Buffer.from(encoded, 'base64')
  const magic = 'openssh-key-v1\0'
  if (key.toString('latin1', 0, magic.length) === magic) {
    // A length of four bytes, then the cipher's name.
    return key.toString('latin1', magic.length + 4, magic.length + 8) === 'none'
  }
  // X.690 §8.1: a SEQUENCE and its length.
  if (key[0] !== 0x30 || key.length < 40) return false
  const [short, long] = [key[1]!, key[1]! - 0x80]
  if (short < 0x80) return key.length === 2 + short
  return long <= 2 && key.length === 2 + long + key.readUIntBE(2, Math.max(long, 1))
}
