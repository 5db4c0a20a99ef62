/** The keys by which a server attests what it holds: `attestation.key` of a data directory, blocks of PEM. The first private
 *  key signs. The others were retired by putting a new one before them, and are told to whoever verifies what they signed. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { keyIdOf, parsePublicKeys } from '../core/attestation.ts'
import { storeError } from '../core/errors.ts'
import { openKeyFile } from './key.ts'

export interface AttestationKeys {
  id: string
  privateKey: KeyObject
  /** All of them as PEM, that of the private key first. */
  publicKeys: string
}

/** Makes one when there is none. Errors: invalid_request. */
export async function openAttestationKeys(dataDir: string): Promise<AttestationKeys> {
  const path = join(dataDir, attestationKeyFile)
  const pem = (await openKeyFile(path, createKey)).toString()
  try {
    const all = parsePublicKeys(pem)
    const privateKey = createPrivateKey(pem)
    // What is left of a retired one, its public half, can stand before it in the file.
    const own = createPublicKey(privateKey)
    const publicKeys = [own, ...all.filter((key) => !key.equals(own))]
    return {
      id: keyIdOf(own),
      privateKey,
      publicKeys: publicKeys.map((key) => key.export({ type: 'spki', format: 'pem' })).join(''),
    }
  } catch (error) {
    const reason = `${path} cannot be used: ${(error as Error).message}`
    throw storeError('invalid_request', reason, { field: attestationKeyFile }, { cause: error })
  }
}

const attestationKeyFile = 'attestation.key'

function createKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
