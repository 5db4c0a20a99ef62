/** Style sheet and browser modules: built by `bundle.mjs`, named by a hash of their content,
 *  kept in memory together with their gzip form. */
import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { builtUrl } from '../program-files.ts'

/** Assets that pages refer to: the entry points of `browser/`, and the style sheet. */
export type AssetName =
  | 'style.css'
  | 'every-page'
  | 'compare-page'
  | 'find-page'
  | 'upload-page'
  | 'hash-worker'

export interface Asset {
  bytes: Buffer
  gzip: Buffer
  contentType: string
}

export interface Assets {
  pathOf(name: AssetName): string
  /** Finds an asset by its file name; undefined for unknown names. */
  find(fileName: string): Asset | undefined
}

const typeOf: Record<string, string> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
}

export function loadAssets(): Assets {
  const folder = builtUrl('web/assets/')
  const names = JSON.parse(readFileSync(new URL('manifest.json', folder), 'utf8')) as Record<
    string,
    string
  >
  const assets = new Map<string, Asset>()
  for (const fileName of readdirSync(folder)) {
    const contentType = typeOf[fileName.slice(fileName.lastIndexOf('.') + 1)]
    if (contentType === undefined) continue
    const bytes = readFileSync(new URL(fileName, folder))
    assets.set(fileName, { bytes, gzip: gzipSync(bytes, { level: 9 }), contentType })
  }
  return {
    pathOf: (name) => `/assets/${names[name]}`,
    find: (fileName) => assets.get(fileName),
  }
}
