/** The settings of single sign-on. */
import { limits } from '../core/limits.ts'
import { parseSignInRules, type SignInRule } from '../core/access/sign-in-rules.ts'
import { dayMs } from '../core/units.ts'
import type { Settings } from './settings.ts'

export interface SingleSignOnConfig {
  /** A URL without a trailing slash. */
  issuer: string
  clientId: string
  clientSecret: string
  /** OAuth scopes to request, separated by blanks. */
  scopes: string
  rules: readonly SignInRule[]
  /** How long tokens of a person work after their last sign-in. */
  awakeMs: number
}

/** Null unless an issuer is set. */
export function readSingleSignOn(source: Settings): SingleSignOnConfig | null {
  const issuer = source.issuer('TROVE_SSO_ISSUER')
  const clientId = source.text('TROVE_SSO_CLIENT_ID')
  const clientSecret = source.token(['TROVE_SSO_CLIENT_SECRET', 'TROVE_SSO_CLIENT_SECRET_FILE'])
  const rules = source.list('TROVE_SSO_ACCESS', parseSignInRules)
  const scopes = source.text('TROVE_SSO_SCOPES') ?? 'openid profile email'
  const awakeMs = source.duration('TROVE_SSO_SLEEP', limits.awakeMs, dayMs, 90 * dayMs)
  const isAny = clientId !== undefined || clientSecret !== null || rules.length > 0
  if (issuer === undefined) {
    if (isAny) source.refuse('TROVE_SSO_ISSUER', 'must be set for single sign-on')
    return null
  }
  if (clientId === undefined || clientSecret === null) {
    source.refuse(
      'TROVE_SSO_ISSUER',
      'requires TROVE_SSO_CLIENT_ID, and TROVE_SSO_CLIENT_SECRET or TROVE_SSO_CLIENT_SECRET_FILE',
    )
    return null
  }
  // Without a rule, nobody could do anything.
  if (rules.length === 0) source.refuse('TROVE_SSO_ISSUER', 'requires TROVE_SSO_ACCESS')
  if (!scopes.split(/\s+/).includes('openid'))
    source.refuse('TROVE_SSO_SCOPES', 'must include openid')
  return Object.freeze({ issuer, clientId, clientSecret, scopes, rules, awakeMs })
}
