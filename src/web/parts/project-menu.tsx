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

export function ProjectMenu({
  project,
  current,
  mayInspect = true,
  mayWrite,
}: {
  project: string
  current:
    | 'runs'
    | 'artifacts'
    | 'trends'
    | 'storage'
    | 'retention'
    | 'settings'
    | 'tokens'
    | 'audit'
    | 'upload'
  /** False on a page that everyone may read. The pages of settings need no value. */
  mayInspect?: boolean
  mayWrite: boolean
}): Html {
  const places = [
    ['runs', 'Runs', projectPagePath(project)],
    ['artifacts', 'Artifacts', listPath(project)],
    ['trends', 'Trends', trendsPath(project)],
    ...(mayInspect
      ? ([
          ['storage', 'Storage', storagePath(project)],
          ['retention', 'Retention', retentionPath(project)],
          ['settings', 'Settings', settingsPath(project)],
        ] as const)
      : []),
    ...(mayWrite
      ? ([
          ['tokens', 'Tokens', tokensPagePath(project)],
          ['audit', 'Audit', auditPagePath(project)],
          ['upload', 'Upload', uploadPagePath(project)],
        ] as const)
      : []),
  ] as const
  return (
    <nav class="tabs" aria-label="Project">
      {places.map(([name, label, href]) => (
        <a href={href} aria-current={name === current ? 'page' : undefined}>
          {label}
        </a>
      ))}
    </nav>
  )
}
