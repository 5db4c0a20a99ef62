/** The keys with which a server signs attestations: PEM blocks in `attestation.key` of a data
 *  directory. The first private key signs. A key is retired by putting a new one before it;
 *  retired keys are still published, so that earlier signatures can be verified. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { keyIdOf, parsePublicKeys } from '../core/attestation.ts'
import { invalidRequest } from '../core/errors.ts'
import { openKeyFile } from './key.ts'

export interface AttestationKeys {
  id: string
  privateKey: KeyObject
  /** All public keys as PEM, the signing key's first. */
  publicKeys: string
}

/** Creates the key file if it is missing. `given`: what it must be. Errors: invalid_request. */
export async function openAttestationKeys(
  dataDir: string,
  given: Buffer | null = null,
): Promise<AttestationKeys> {
  const path = join(dataDir, attestationKeyFile)
  const pem = (await openKeyFile(path, { given, create: createKey })).toString()
  try {
    const all = parsePublicKeys(pem)
    const privateKey = createPrivateKey(pem)
    // A retired key may be kept as its public half only, and may precede the signing key in the
    // file.
    const own = createPublicKey(privateKey)
    const publicKeys = [own, ...all.filter((key) => !key.equals(own))]
    return {
      id: keyIdOf(own),
      privateKey,
      publicKeys: publicKeys.map((key) => key.export({ type: 'spki', format: 'pem' })).join(''),
    }
  } catch (error) {
    const reason = `${path} cannot be used: ${(error as Error).message}`
    throw invalidRequest(attestationKeyFile, reason, { cause: error })
  }
}

const attestationKeyFile = 'attestation.key'

function createKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
