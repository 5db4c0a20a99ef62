/** The tabs of a project's pages. */
import { projectPagePath } from '../../api/paths.ts'
import {
  auditPagePath,
  listPath,
  retentionPath,
  settingsPath,
  storagePath,
  tokensPagePath,
  trendsPath,
  uploadPagePath,
} from '../paths.ts'
import type { Html } from './html.ts'

/** In order, with those who see them: everyone, or only visitors who may inspect or write. */
const tabs = [
  ['Runs', projectPagePath, 'all'],
  ['Artifacts', listPath, 'all'],
  ['Trends', trendsPath, 'all'],
  ['Storage', storagePath, 'inspectors'],
  ['Retention', retentionPath, 'inspectors'],
  ['Settings', settingsPath, 'inspectors'],
  ['Tokens', tokensPagePath, 'writers'],
  ['Audit', auditPagePath, 'writers'],
  ['Upload', uploadPagePath, 'writers'],
] as const

export function ProjectMenu({
  project,
  current,
  mayInspect = true,
  mayWrite,
}: {
  project: string
  current: (typeof tabs)[number][0]
  /** False on a page that everyone may read. The pages of settings need no value. */
  mayInspect?: boolean
  mayWrite: boolean
}): Html {
  const sees = { all: true, inspectors: mayInspect, writers: mayWrite }
  return (
    <nav class="tabs" aria-label="Project">
      {tabs
        .filter(([, , who]) => sees[who])
        .map(([label, pathOf]) => (
          <a href={pathOf(project)} aria-current={label === current ? 'page' : undefined}>
            {label}
          </a>
        ))}
    </nav>
  )
}
