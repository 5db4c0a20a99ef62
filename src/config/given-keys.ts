/** Keys of the data directory that are given by the environment, for servers whose disk does not
 *  last. */
import type { Settings } from './settings.ts'

const secretBytes = 32

/** Null: not given. Messages do not repeat what is given. */
export function readGivenKeys(source: Settings): {
  secretKey: Buffer | null
  attestationKey: Buffer | null
} {
  const secretKey = readBase64(source, 'TROVE_SECRET_KEY')
  if (secretKey !== null && secretKey.length !== secretBytes)
    source.refuse('TROVE_SECRET_KEY', `must be the ${secretBytes} bytes of secret.key in base64`)
  const attestationKey = readBase64(source, 'TROVE_ATTESTATION_KEY')
  if (attestationKey !== null && !attestationKey.includes('PRIVATE KEY-----'))
    source.refuse('TROVE_ATTESTATION_KEY', 'must be the PEM file attestation.key in base64')
  return { secretKey, attestationKey }
}

function readBase64(source: Settings, name: string): Buffer | null {
  // `base64` breaks lines.
  const text = source.text(name)?.replaceAll(/\s/g, '')
  if (text === undefined) return null
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, 'base64') : Buffer.alloc(0)
}
