/** All routes of the native API. */
import type { Hono } from 'hono'
import { addArchiveRoutes } from './artifact/archives.ts'
import { addArtifactRoutes } from './artifact/artifacts.ts'
import { addAttestationRoutes } from './artifact/attestation.ts'
import { addAuditRoutes } from './operation/audit.ts'
import { addBlobFetchRoutes } from './artifact/blob-fetch.ts'
import { addCompareRoutes } from './artifact/compare.ts'
import type { AppContext, AppEnv } from './context.ts'
import { addDeletionRoutes } from './artifact/deletion.ts'
import { addDigestRoutes } from './artifact/digests.ts'
import { addFileRoutes } from './artifact/files.ts'
import { addHistoryRoutes } from './artifact/history.ts'
import { addMaintenanceRoutes } from './operation/maintenance.ts'
import { addManifestRoutes } from './artifact/manifests.ts'
import { addOpenApiRoutes } from './operation/openapi.ts'
import { addProjectListRoutes } from './operation/project-list.ts'
import { addProjectRoutes } from './operation/projects.ts'
import { addPutArtifactRoutes } from './upload/put-artifact.ts'
import { addRunRecordRoutes } from './run/run-records.ts'
import { addSecretRoutes } from './artifact/secrets.ts'
import { addSearchRoutes } from './artifact/search.ts'
import { addSignedUrlRoutes } from './artifact/sign-download.ts'
import { addSizeRoutes } from './artifact/sizes.ts'
import { addStatsRoutes } from './operation/stats.ts'
import { addTokenRoutes } from './access/tokens.ts'
import { addTreeRoutes } from './artifact/trees.ts'
import { addUploadRoutes } from './upload/uploads.ts'

export function addNativeRoutes(app: Hono<AppEnv>, context: AppContext): void {
  addArtifactRoutes(app, context)
  addDeletionRoutes(app, context)
  addSecretRoutes(app, context)
  addMaintenanceRoutes(app, context)
  addAuditRoutes(app, context)
  addManifestRoutes(app, context)
  addSizeRoutes(app, context)
  addFileRoutes(app, context)
  addSignedUrlRoutes(app, context)
  addHistoryRoutes(app, context)
  addAttestationRoutes(app, context)
  addArchiveRoutes(app, context)
  addPutArtifactRoutes(app, context)
  addRunRecordRoutes(app, context)
  addStatsRoutes(app, context)
  addCompareRoutes(app, context)
  addDigestRoutes(app, context)
  addSearchRoutes(app, context)
  addProjectListRoutes(app, context)
  addProjectRoutes(app, context)
  addTokenRoutes(app, context)
  addUploadRoutes(app, context)
  addTreeRoutes(app, context)
  addBlobFetchRoutes(app, context)
  addOpenApiRoutes(app)
}
