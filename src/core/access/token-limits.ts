/** Bounds on tokens, sessions and sign-ins; the part of `limits.ts` that is about them. */
import { dayMs } from '../units.ts'

const KiB = 1024

export const tokenLimits = {
  /** A hundred years. A much later expiry could not be formatted as a date. */
  tokenLifeMsMax: 100 * 366 * dayMs,
  /** Upper bound on a token: more than a header can carry and than CI systems sign. */
  tokenCharactersMax: 16_384,
  /** JSON and forms from unauthenticated senders, who may send slowly and on many connections: a
   *  token and a return address, which came in a request line of at most 16 KiB. */
  strangerBodyBytesMax: 64 * KiB,
  /** How long such a body may take. A slow line sends it in seconds. */
  strangerBodyMs: 30_000,
  /** Individually revoked tokens of one project, of one person, or that descend from one token for
   *  several projects: some megabytes of the server's memory. */
  revokedTokensMax: 10_000,
  /** How long a URL that was signed for reading can work: a revocation is remembered that much
   *  longer than the token would have lasted. */
  signedUrlMsMax: 7 * dayMs,
  /** Longest chain of tokens minted from one another; each carries the ids of its ancestors. */
  tokenGenerationsMax: 8,
  /** Unexpired tokens that a person has made, which even a reader does at will. */
  personalTokensMax: 100,
  /** How long a sign-in of a person is remembered: longer than any token of theirs lasts. */
  signInsKeptMs: 92 * dayMs,
  /** How long the tokens of a person work after their last sign-in. Setting: TROVE_SSO_SLEEP. */
  awakeMs: 14 * dayMs,
  /** Sessions of one token or person that are listed, newest first: even a reader signs in at
   *  will. */
  sessionsListedMax: 100,
  /** Answers of issuers and identity providers: keys, and the claims of a person in thousands of
   *  groups. */
  issuerAnswerBytesMax: 1024 * KiB,
} as const
